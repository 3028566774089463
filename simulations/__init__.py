"""Decides what the world does: virtual clock, space, contacts and faults."""
