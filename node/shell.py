"""What both shells of the service share: requests and errors as JSON."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from .errors import Code, ServiceError
from .operation import ErrorBody, Operation, Request, Result

MAX_REQUEST_BYTES: Final = 1 << 20
"""A request of the longest lists with some room; the text of a post is at most 30,000 bytes."""

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)


def decode_request(operation: Operation[Q, R], data: bytes) -> Q:
    """Read a request, strictly.

    Raises:
        ServiceError: ``invalid``: too long, no JSON, an unknown field, or a value that is not
            allowed; the message names it.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise ServiceError(
            Code.INVALID, f"a request of {len(data):,} bytes; at most {MAX_REQUEST_BYTES:,} fit"
        )
    try:
        return msgspec.json.decode(data or b"{}", type=operation.request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError(Code.INVALID, f"{operation.name}: {error}") from error


def encode_request(request: Request) -> bytes:
    """Write a request.

    Raises:
        ServiceError: ``invalid``: a text holds what is not Unicode.
    """
    try:
        return msgspec.json.encode(request)
    except UnicodeEncodeError as error:
        raise ServiceError(
            Code.INVALID, "a text holds characters that are not Unicode", "save it as UTF-8"
        ) from error


def error_body(error: ServiceError) -> ErrorBody:
    """Return an error as JSON tells it."""
    return ErrorBody(
        code=error.code,
        message=error.message,
        hint=error.hint,
        exit=int(error.exit),
        candidates=error.candidates,
    )


def error_of(body: ErrorBody) -> ServiceError:
    """Return the error that JSON told; one of an unknown kind counts as internal."""
    code = Code(body.code) if body.code in set(Code) else Code.INTERNAL
    return ServiceError(code, body.message, body.hint, body.candidates)
