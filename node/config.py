"""The settings of a node: what they mean, where they come from, which one wins.

A flag wins over the environment, the environment over the file, the file over the default. The
file is TOML; a setting ``log.level`` is ``SLOWLIGHT_LOG_LEVEL`` in the environment, where the
items of a list are parted by commas.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, cast, get_args, get_origin

import msgspec
from msgspec import Meta

from .errors import Code, ServiceError

MAX_FILE_BYTES: Final = 1 << 20
MAX_LINKS: Final = 64
"""A node keeps the digest of what it offers up to date for so many peers (sync/offers.py)."""

_ENVIRONMENT_PREFIX: Final = "SLOWLIGHT_"

Origin: TypeAlias = Literal["flag", "environment", "file", "default"]
Setting: TypeAlias = str | int | bool | tuple[str, ...]
AddressList: TypeAlias = Annotated[tuple[str, ...], Meta(max_length=16)]


class NodeConfig(msgspec.Struct, frozen=True):
    """``[node]``"""

    listen: Annotated[
        AddressList,
        Meta(description="addresses to accept peers on, host:port; port 0 takes any free one"),
    ] = ("0.0.0.0:4242",)
    advertise: Annotated[
        AddressList, Meta(description="addresses written into invites; empty: found out")
    ] = ()
    lan: Annotated[
        bool,
        Meta(description="find the people you know, and be found, on the local network"),
    ] = True
    network: Annotated[
        str,
        Meta(max_length=64, description="nodes of different networks never talk to each other"),
    ] = ""


class LogConfig(msgspec.Struct, frozen=True):
    """``[log]``"""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="least event that is logged: debug, info, warning or error"),
    ] = "info"
    format: Annotated[
        Literal["text", "json"], Meta(description="text: lines for people; json: one object a line")
    ] = "text"
    file: Annotated[str, Meta(description="file to append to; empty: standard error")] = ""


class LimitsConfig(msgspec.Struct, frozen=True):
    """``[limits]``"""

    links: Annotated[
        int, Meta(ge=1, le=MAX_LINKS, description="live sessions at the same time")
    ] = MAX_LINKS
    links_per_source: Annotated[
        int, Meta(ge=1, le=4_096, description="links from one address at the same time")
    ] = 8
    handshakes: Annotated[
        int, Meta(ge=1, le=4_096, description="unfinished handshakes at the same time")
    ] = 32
    silence_s: Annotated[
        int,
        Meta(ge=1, le=86_400, description="seconds that a handshake or farewell may take"),
    ] = 30
    redial_s: Annotated[
        int, Meta(ge=1, le=86_400, description="longest wait between two dials, in seconds")
    ] = 900


class PrivateConfig(msgspec.Struct, frozen=True):
    """``[private]``"""

    months_ahead: Annotated[
        int,
        Meta(ge=0, le=120, description="months for which keys of private messages are published"),
    ] = 24
    longest_delay_days: Annotated[
        int,
        Meta(ge=0, le=36_500, description="longest one-way delay at which you want to be reached"),
    ] = 30
    grace_days: Annotated[
        int, Meta(ge=0, le=36_500, description="days that a secret is kept beyond twice that delay")
    ] = 30


class StorageConfig(msgspec.Struct, frozen=True):
    """``[storage]``"""

    scrub_days: Annotated[
        int,
        Meta(ge=0, le=3_650, description="days between two looks at every entry; 0: never"),
    ] = 7
    followed_mib: Annotated[
        int, Meta(ge=0, le=1 << 20, description="MiB of each person you follow; older posts go")
    ] = 64
    two_hops_mib: Annotated[
        int, Meta(ge=0, le=1 << 20, description="MiB of each person whom those follow")
    ] = 8
    strangers_mib: Annotated[
        int, Meta(ge=0, le=1 << 20, description="MiB of all strangers together")
    ] = 16
    total_mib: Annotated[
        int, Meta(ge=0, le=1 << 20, description="MiB of everybody, you included; 0: no limit")
    ] = 0


class Config(msgspec.Struct, frozen=True):
    """All settings."""

    node: NodeConfig = NodeConfig()
    log: LogConfig = LogConfig()
    limits: LimitsConfig = LimitsConfig()
    storage: StorageConfig = StorageConfig()
    private: PrivateConfig = PrivateConfig()


@dataclass(frozen=True, slots=True)
class Resolved:
    """One setting, and why it is so."""

    key: str
    value: Setting
    origin: Origin
    source: str
    """The flag, the variable or ``file:line``; empty for a default."""
    meaning: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force, and where each came from."""

    config: Config
    items: tuple[Resolved, ...]


def load_settings(
    path: Path, environ: Mapping[str, str], flags: Mapping[str, str] | None = None
) -> Settings:
    """Read the configuration of a node.

    Args:
        path: the TOML file; it need not exist.
        flags: settings by key (``node.listen``) as typed, items of a list parted by commas.

    Raises:
        ServiceError: ``invalid``: the file is not TOML, or a setting is unknown or not
            allowed; the message names where.
    """
    given = [*_from_file(path), *_from_environment(environ), *_from_flags(flags or {})]
    chosen = {setting.key: setting for setting in given}
    items = tuple(
        chosen.get(key) or Resolved(key, field.default, "default", "", _meaning(field))
        for key, field in _FIELDS.items()
    )
    return Settings(_build({item.key: item.value for item in items}), items)


def _build(values: Mapping[str, Setting]) -> Config:
    sections: dict[str, dict[str, Setting]] = {}
    for key, value in values.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    return msgspec.convert(sections, Config)


def _from_file(path: Path) -> Iterator[Resolved]:
    text = _read(path)
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number or nesting without end
        raise ServiceError(Code.INVALID, f"{path} is not TOML: {error}", f"edit {path}") from None
    for section, table in tables.items():
        at = f"{path}:{_line_of(text, section, None)}"
        if section not in _SECTIONS:
            raise _unknown(f"section [{section}]", section, _SECTIONS, at)
        if not isinstance(table, dict):
            raise ServiceError(Code.INVALID, f"{at}: {section} must be a section, [{section}]")
        for name, value in cast(dict[str, object], table).items():
            key = f"{section}.{name}"
            source = f"{path}:{_line_of(text, section, name)}"
            yield _checked(key, value, "file", source, strict=True)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ServiceError(Code.INVALID, f"{path} is longer than {MAX_FILE_BYTES:,} bytes")
        return data.decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(
            Code.INVALID, f"{path} cannot be read: {error}", f"edit {path}"
        ) from error


def _from_environment(environ: Mapping[str, str]) -> Iterator[Resolved]:
    for variable, text in environ.items():
        section, _, name = variable.removeprefix(_ENVIRONMENT_PREFIX).lower().partition("_")
        if variable.startswith(_ENVIRONMENT_PREFIX) and section in _SECTIONS and name:
            yield _checked(f"{section}.{name}", text, "environment", variable, strict=False)


def _from_flags(flags: Mapping[str, str]) -> Iterator[Resolved]:
    for key, text in flags.items():
        yield _checked(key, text, "flag", f"--{key.partition('.')[2] or key}", strict=False)


def _checked(key: str, value: Any, origin: Origin, source: str, *, strict: bool) -> Resolved:
    """Return a setting if it exists and allows this value.

    Args:
        strict: the value has its type already; else it is text, as typed.
    """
    field = _FIELDS.get(key)
    if field is None:
        raise _unknown(f"setting {key}", key, _FIELDS, source)
    if not strict and _is_list(field.type):
        value = [item.strip() for item in value.split(",") if item.strip()]
    try:
        allowed = msgspec.convert(value, field.type, strict=strict)
    except msgspec.ValidationError as error:
        raise ServiceError(
            Code.INVALID, f"{source}: {key}: {error}", f"{key}: {_meaning(field)}"
        ) from None
    return Resolved(key, allowed, origin, source, _meaning(field))


def _unknown(what: str, typed: str, known: Mapping[str, object], source: str) -> ServiceError:
    import difflib

    near = difflib.get_close_matches(typed, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    return ServiceError(Code.INVALID, f"{source}: there is no {what}", hint)


def _line_of(text: str, section: str, name: str | None) -> int:
    """Return the line, from 1, where a section or setting stands; 1 if it is written oddly.

    ``tomllib`` keeps no lines of what it has understood.
    """
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\s*\"?([^\]\"]+?)\"?\s*\]", line)
        current = header[1] if header else current
        key = re.match(r"\s*([\w.\"-]+)\s*=", line)
        written = f"{current}.{key[1]}" if key and current else key[1] if key else ""
        wanted = section if name is None else f"{section}.{name}"
        if written.replace('"', "") == wanted or (name is None and current == section):
            return number
    return 1


def _is_list(hint: Any) -> bool:
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return get_origin(hint) is tuple


def _meaning(field: msgspec.structs.FieldInfo) -> str:
    notes = (note.description for note in getattr(field.type, "__metadata__", ()))
    return next((text for text in notes if text), "")


_SECTIONS: Final[Mapping[str, type[msgspec.Struct]]] = {
    field.name: field.type for field in msgspec.structs.fields(Config)
}
_FIELDS: Final[Mapping[str, msgspec.structs.FieldInfo]] = {
    f"{section}.{field.name}": field
    for section, struct in _SECTIONS.items()
    for field in msgspec.structs.fields(struct)
}
