"""Decides how the program talks to people: commands, words and exit codes."""
