"""Answers about a home without its daemon. The conventions are those of `operation`."""

from __future__ import annotations

from typing import Literal

from .operation import Person, Result, View


class InitResult(Result, frozen=True):
    """A home with an identity."""

    home: str
    created: bool
    """False: the identity was there already and nothing was changed."""
    person: Person
    device: str


class KeyWordsResult(Result, frozen=True):
    """The words that give the identity back on another machine."""

    identity: str
    language: str
    words: tuple[str, ...]
    """24 words; whoever has them is this person."""


class KeyPassphraseResult(Result, frozen=True):
    """How the secrets of a home are kept."""

    home: str
    passphrase: bool
    """Whether they are under a passphrase now."""


class KeyVerifyResult(Result, frozen=True):
    """The person has the words."""

    identity: str
    language: str
    positions: tuple[int, ...]
    """Words that were asked for, from 1 to 24."""


class KeyRestoreResult(Result, frozen=True):
    """An identity that goes on at another device."""

    home: str
    identity: str
    short_id: str
    language: str
    epoch: int
    """The one that was written beside the words; 0: none."""
    dry_run: bool
    """True: nothing was written, and the rest says what would be."""
    created: bool
    """False: this home had the identity already, and nothing was changed."""
    device: str
    """The new device; empty in a dry run."""


class ServiceResult(Result, frozen=True):
    """The unit that keeps a node running."""

    unit: str
    """Its file."""
    text: str
    """What stands in it, or would."""
    installed: bool
    """Whether it stands there now, or would without ``dry_run``."""
    changed: bool
    dry_run: bool


class CheckView(View, frozen=True):
    """One thing that was looked at."""

    name: Literal[
        "home",
        "key",
        "database",
        "disk",
        "clock",
        "network",
        "ports",
        "firewall",
        "multicast",
        "peers",
    ]
    state: Literal["ok", "note", "bad"]
    """``note``: it works, and could be better. ``bad``: something does not work."""
    text: str
    fixes: tuple[str, ...] = ()
    """What to type, one after the other; those of ours begin with ``slowlight``."""


class DoctorResult(Result, frozen=True):
    """Whether a node can do its work on this machine."""

    home: str
    checks: tuple[CheckView, ...]
    bad: int
    """How many are bad."""


class ConfigItem(View, frozen=True):
    """One setting."""

    key: str
    """``section.key`` as in the file."""
    value: str | int | bool | tuple[str, ...]
    origin: Literal["flag", "environment", "file", "default"]
    source: str
    """The flag, variable or ``file:line`` that decided; empty for a default."""
    meaning: str


class ConfigResult(Result, frozen=True):
    """All settings, in the order of the documentation."""

    file: str
    """Where the configuration file is or would be."""
    items: tuple[ConfigItem, ...]
