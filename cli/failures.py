"""What went wrong, as people and programs are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .lines import Span, Style, line

if TYPE_CHECKING:
    from ..node.errors import ServiceError
    from .screen import Screen


def usage_failure(error: click.ClickException) -> ServiceError:
    """Return a command that was typed wrong as an error that says what to type."""
    from ..node.errors import Code, ServiceError

    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "slowlight"
    return ServiceError(Code.INVALID, error.format_message(), f"{path} --help")


def interruption() -> ServiceError:
    """Return the error for a command that a person stopped."""
    from ..node.errors import Code, ServiceError

    return ServiceError(Code.INTERRUPTED, "interrupted")


def failure_of_tasks(group: BaseExceptionGroup[BaseException]) -> ServiceError:
    """Return what ended tasks that ran together: the person, or an error of the node.

    Raises:
        BrokenPipeError: nobody reads what the command says.
        BaseExceptionGroup: there is a mistake of ours among them.
    """
    from ..node.errors import ServiceError

    if group.subgroup(KeyboardInterrupt) is not None:
        return interruption()
    if group.subgroup(BrokenPipeError) is not None:
        raise BrokenPipeError from group
    expected, rest = group.split(ServiceError)
    if expected is None or rest is not None:
        raise group
    first: ServiceError | ExceptionGroup[ServiceError] = expected
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


def system_failure(error: OSError) -> ServiceError:
    """Return what the operating system refused."""
    from ..node.errors import Code, ServiceError

    where = f": {error.filename}" if error.filename else ""
    return ServiceError(Code.INTERNAL, f"{error.strerror or error}{where}")


def tell_failure(screen: Screen, error: ServiceError, *, as_json: bool) -> None:
    """Write an error to standard error: what, why, and what to do next."""
    if as_json:
        import msgspec

        from ..node.operation import ErrorResult
        from ..node.shell import error_body

        screen.tell_json(msgspec.json.encode(ErrorResult(error=error_body(error))))
        return
    lines = [line(Span("error: ", Style.BAD), error.message)]
    if error.hint:
        lines.append(line(Span("hint:  ", Style.FAINT), error.hint))
    screen.tell(*lines)
