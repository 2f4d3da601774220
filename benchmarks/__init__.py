"""asc-edge beside the libraries a user would otherwise pick: fair, in one run, on one thread.

``make bench`` is the quick look, ``make performance`` measures everything and draws
``docs/performance.md``.
"""
