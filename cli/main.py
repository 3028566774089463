"""The command line's front door: what stands here is loaded by every command."""

import click

from .. import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="slowlight")
def main() -> None:
    """A social network for people whom light keeps apart."""
