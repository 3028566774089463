"""Slowlight: a social network for people whom light keeps apart.

Each person runs a node. A node keeps signed, append-only logs in one SQLite
file and hands them on whenever a link exists. ``docs/architecture.md`` is the
tour of the rooms below this one.
"""

__version__ = "0.1.0"
