"""asc-edge as a service of systemd: the unit, and how it is installed, looked after and removed."""
