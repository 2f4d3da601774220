"""Allows ``python -m asc_edge.cli``."""

import sys

from asc_edge.cli.main import main

sys.exit(main())
