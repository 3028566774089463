"""Decides what the running program does: daemon, API and operations."""
