"""Decides who is sent what, and when: time and bytes in, effects out."""
