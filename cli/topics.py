"""``slowlight help``: about commands, and about what all commands share."""

from __future__ import annotations

from typing import Final

import click

from .verbs import Verb

EXIT_CODES: Final = """\
What the exit code says; the numbers never change their meaning.

    0  done; also where there was nothing left to change
    1  an error that no other number names; "doctor" found something to mend
    2  a wrong command, argument or setting
    3  nothing to do, nothing new, or not found
    4  the home is in use, holds no identity, or its passphrase is missing or wrong
    5  no peer could be reached
    6  something was altered or damaged
    7  the budget of time or bytes is spent
  130  interrupted with Ctrl-C

"slowlight run" ends with 0 when it is stopped with Ctrl-C or SIGTERM.
"""
ENVIRONMENT: Final = """\
Variables that Slowlight reads. A flag wins over a variable, a variable over the configuration
file, the file over the default; "slowlight config list" shows which one decided.

  SLOWLIGHT_HOME      directory of the node; --home wins over it
  SLOWLIGHT_PASSPHRASE_FILE
                      file with the passphrase of the keys, or fd:3 for an open descriptor;
                      --passphrase-file wins over it
  SLOWLIGHT_<SECTION>_<SETTING>
                      one setting: SLOWLIGHT_LOG_LEVEL is log.level; items of a list are parted
                      by commas
  SLOWLIGHT_EDITOR, VISUAL, EDITOR
                      program in which posts are written, the first one set
  SLOWLIGHT_PAGER, PAGER
                      program that shows long answers on a terminal; "cat" for none
  NO_COLOR            no colours, unless it is empty
  FORCE_COLOR         colours also without a terminal; NO_COLOR wins over it
  COLUMNS             width to write for
"""
FORMATTING: Final = """\
Without --json an answer is text for people: it changes from version to version, and whatever
peers wrote is made safe for the terminal first. Answers go to standard output; errors, advice and
progress go to standard error.

With --json it is for programs:

  - one JSON object on one line, with "schema": 1; the number rises when a field is taken away or
    changes its meaning, not when one is added;
  - "sync" writes one line for each step ({"schema":1,"event":{...}}), then the receipt;
  - an error is one line on standard error: {"schema":1,"error":{"code":...,"message":...,
    "hint":...,"exit":...,"candidates":[...]}};
  - ids are whole, in hexadecimal; short ids stand beside them for people's eyes;
  - times are RFC 3339 in UTC, with the same in Unix milliseconds beside them (..._ms);
  - texts are as their authors wrote them; what cannot be printed is escaped as JSON allows.
"""
TOPICS: Final = {
    "exit-codes": EXIT_CODES,
    "environment": ENVIRONMENT,
    "formatting": FORMATTING,
}


@click.command(
    "help",
    cls=Verb,
    examples=("slowlight help post", "slowlight help exit-codes"),
)
@click.argument("words", metavar="[TOPIC | COMMAND...]", nargs=-1)
@click.pass_context
def help_command(context: click.Context, words: tuple[str, ...]) -> None:
    """Read about a command, or about one of the topics exit-codes, environment and formatting."""
    if len(words) == 1 and words[0] in TOPICS:
        click.echo(TOPICS[words[0]], nl=False)
        return
    click.echo(_help_of(context.find_root(), words))


def _help_of(root: click.Context, words: tuple[str, ...]) -> str:
    context = root
    for word in words:
        group = context.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"{context.command_path} has no commands of its own", context)
        name, command, _ = group.resolve_command(context, [word])
        if command is None:
            raise click.UsageError(f"there is no command {word!r}", context)
        context = click.Context(command, info_name=name, parent=context)
    return context.get_help()
