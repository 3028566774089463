"""Decides what a node remembers: one SQLite database, its queries and quotas."""
