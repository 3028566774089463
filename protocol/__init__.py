"""Decides bytes and rules: what is valid, what it means, how it is encoded."""
