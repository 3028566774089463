"""The errors of the library: each class says whose fault it is.

Built-in errors (``ValueError``, ``TypeError``, ``RuntimeError``) are left to mean a mistake in
our own code.
"""

from __future__ import annotations


class SlowlightError(Exception):
    """Anything that Slowlight raises on purpose."""


class DecodeError(SlowlightError):
    """Bytes that are not what they claim to be: the fault of the peer or file they came from.

    Decoders raise this and nothing else, whatever the bytes.
    """


class ProtocolError(SlowlightError):
    """The peer broke the protocol: drop the session, keep the node running."""


class IntegrityError(SlowlightError):
    """Well-formed bytes with a wrong hash, chain or signature: a forgery, or damage on the way.

    The fault of whoever handed them over; nothing of them may be kept.
    """
