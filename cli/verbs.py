"""What all commands share: options, examples in their help, sections, loading when needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple

import click

from .shell import Shell

_HELP_NAMES: Final = ("-h", "--help")


class Verb(click.Command):
    """A command."""

    def __init__(self, *args: Any, examples: Sequence[str], **kwargs: Any) -> None:
        """Make a command.

        Args:
            examples: lines to type, shown at the end of its help.
        """
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        _share(self)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the own options, then those that every command has."""
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                shared = isinstance(parameter, _CommonOption) or "--help" in parameter.opts
                (common if shared else own).append(record)
        for heading, records in (("Options", own), ("Everywhere", common)):
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class HelpWantedError(Exception):
    """A group was named without a command: its help says which there are."""

    def __init__(self, help_text: str) -> None:
        super().__init__(help_text)
        self.help_text = help_text


class VerbGroup(Verb, click.Group):
    """Commands about one thing: ``slowlight peer add``."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make a group; arguments as for `Verb`."""
        kwargs.setdefault("no_args_is_help", False)
        super().__init__(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command.

        Raises:
            HelpWantedError: there is nothing to read.
        """
        if not args and not ctx.resilient_parsing:
            raise HelpWantedError(self.get_help(ctx))
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant; where there is none, say what is near."""
        typed = args[0]
        if typed in self.list_commands(ctx) or typed.startswith("-"):
            return super().resolve_command(ctx, args)
        near = _nearest(typed, self.list_commands(ctx))
        raise click.UsageError(f"there is no command {typed!r}{near}", ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


class Listed(NamedTuple):
    """A command before it is loaded."""

    module: str
    """Module of this room where it stands as ``<name>_command``."""
    summary: str


class Root(VerbGroup):
    """All commands; the module of one is loaded when it is wanted."""

    def __init__(
        self, *args: Any, sections: Mapping[str, Mapping[str, Listed]], **kwargs: Any
    ) -> None:
        """Make the root.

        Args:
            sections: commands by name, under the headings of the help.
        """
        super().__init__(*args, **kwargs)
        self.sections = sections
        self._listed = {
            name: listed for section in sections.values() for name, listed in section.items()
        }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return [*self._listed, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        listed = self._listed.get(cmd_name)
        if listed is None:
            return super().get_command(ctx, cmd_name)
        module = import_module(f".{listed.module}", __package__)
        command: click.Command = getattr(module, f"{cmd_name}_command")
        command.short_help = listed.summary
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, from their summaries alone."""
        column = max(map(len, self.list_commands(ctx)))
        for heading, commands in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(name.ljust(column), listed.summary) for name, listed in commands.items()]
                )


class _CommonOption(click.Option):
    """An option that every command takes, so that it may stand before or after its name."""


def _share(command: click.Command) -> None:
    command.context_settings.setdefault("help_option_names", list(_HELP_NAMES))
    command.params += [
        _CommonOption(
            ["--home"],
            metavar="DIR",
            expose_value=False,
            callback=_choose_home,
            help="Use the node in this directory.",
        ),
        _CommonOption(
            ["--passphrase-file"],
            metavar="FILE",
            expose_value=False,
            callback=_choose_passphrase_file,
            help="Read the passphrase of the keys here.",
        ),
        _CommonOption(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_choose_json,
            help="Answer in JSON, for programs.",
        ),
        _CommonOption(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            expose_value=False,
            callback=_choose_colour,
            help="When to use colours.",
        ),
    ]


def _choose_home(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Shell).home_flag = value


def _choose_passphrase_file(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Shell).passphrase_file = value


def _choose_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Shell).as_json = True


def _choose_colour(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
    if value is not None:
        ctx.ensure_object(Shell).colour = value


def _nearest(typed: str, known: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(typed, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
