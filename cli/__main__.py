"""``python -m slowlight.cli``: the command line where no script of it is on the path."""

from .main import main

main()
