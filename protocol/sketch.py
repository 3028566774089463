"""The syndrome sketch: which values of a sparse vector differ, told by a few symbols.

Each place of a vector has a position x (1..p - 1) and a value v. The sketch is the power sums
S_j = sum v x^j modulo a prime p, j = 1..k. It is linear: the difference of two sketches is the
sketch of the difference, which has as many terms as there are places that differ. These are the
syndromes of a Reed-Solomon code, and 2 d symbols name d places and their differences exactly; one
symbol more tells that there were not more than d. A longer sketch begins with the shorter one.

A sketch proves nothing. Whoever sends a wrong one costs the reader a bounded amount of work and a
wrong answer, which the digest of the states detects.

Sources: Y. Dodis and others, "Fuzzy extractors" (2008), section 6 (PinSketch); G. Forney, "On
decoding BCH codes" (1965).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from .encoding import as_bytes, as_fields, as_list, as_uint, pack, require_rising, unpack
from .errors import DecodeError
from .field import Budget, BudgetSpentError, divided, roots, shortest_recurrence, values_at

BASE_SYMBOLS: Final = 64
"""Symbols that are decoded for any peer; also the most of a shard."""
MAX_SYMBOLS: Final = 512
"""Symbols that are decoded for a peer that has earned it: up to 255 differences."""
MAX_SHARD_BITS: Final = 10
SKETCH_DIGEST_BYTES: Final = 8
MAX_SKETCH_BYTES: Final = 64_997
"""What fits a frame."""


class Width(IntEnum):
    """Bytes of a symbol."""

    NARROW = 2
    """For positions that both sides count alike."""
    WIDE = 4
    """For positions that are hashed."""

    @property
    def prime(self) -> int:
        """The largest prime below 2^32, or the largest below 2^16."""
        return 4_294_967_291 if self is Width.WIDE else 65_521


class Delta(NamedTuple):
    """One place at which two vectors differ."""

    position: int
    """1..p - 1."""
    change: int
    """Their value less ours, modulo p: 1..p - 1."""


class Sketch:
    """Power sums of a vector, kept up to date value by value."""

    __slots__ = ("symbols", "width")

    def __init__(self, width: Width, symbols: int | Sequence[int]) -> None:
        """Make the sketch of nothing, with so many symbols, or hold what a peer sent.

        Raises:
            ValueError: there are no symbols, or more than `MAX_SYMBOLS`.
        """
        self.width: Final = width
        self.symbols: Final = [0] * symbols if isinstance(symbols, int) else list(symbols)
        if not 1 <= len(self.symbols) <= MAX_SYMBOLS:
            raise ValueError(f"{len(self.symbols)} symbols; 1 to {MAX_SYMBOLS} are possible")

    def update(self, position: int, old: int, new: int) -> None:
        """Count the value at a position as ``new`` where it was ``old``; 0 is no value.

        Args:
            position: 1..p - 1.
            old: what was counted there so far, at least 0; only the rest modulo p counts.
            new: what counts from now on, likewise.
        """
        prime = self.width.prime
        symbols = self.symbols
        term = (new - old) * position % prime
        for at, symbol in enumerate(symbols):
            symbols[at] = (symbol + term) % prime
            term = term * position % prime

    def add(self, values: Iterable[tuple[int, int]]) -> None:
        """Count many values at once: position, and the value there, where none was counted."""
        prime = self.width.prime
        pairs = [(position, value * position % prime) for position, value in values]
        positions, terms = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        for at, symbol in enumerate(self.symbols):
            self.symbols[at] = (symbol + sum(terms)) % prime
            terms = [
                term * position % prime for term, position in zip(terms, positions, strict=True)
            ]

    def minus(self, other: Sketch) -> Sketch:
        """Return the sketch of the difference, as long as the shorter of both.

        Raises:
            ValueError: the widths differ.
        """
        if self.width is not other.width:
            raise ValueError(f"{self.width.name} less {other.width.name}")
        prime = self.width.prime
        pairs = zip(self.symbols, other.symbols, strict=False)
        return Sketch(self.width, [(ours - theirs) % prime for ours, theirs in pairs])


def most_differences(symbols: int) -> int:
    """Return how many differences so many symbols can name, one being left as a check."""
    return (symbols - 1) // 2


def decode_budget(width: Width, symbols: int) -> Budget:
    """Return the bound on the work of one decoding: 3 to 4 times what it usually takes."""
    most = most_differences(symbols)
    bits = 8 * width
    return Budget(4 * symbols * symbols + bits * (16 * most * most + 64 * most + 512))


def decode_sketch(
    difference: Sketch, *, known: Collection[int] = (), budget: Budget | None = None
) -> list[Delta] | None:
    """Find the vector of which this is the sketch, if it has few enough terms.

    Args:
        difference: their sketch less ours.
        known: positions that may occur. They are tried first where that is less work than
            factoring; positions beside them are found as well.
        budget: counts the work; `decode_budget` unless given.

    Returns:
        The terms by rising position; None if there are more than `most_differences` or the
        symbols are no such sums. A wrong answer for more terms than that comes up less than
        once in p such cases.
    """
    width, symbols = difference.width, difference.symbols
    budget = budget or decode_budget(width, len(symbols))
    try:
        return _decode(symbols, width.prime, known, budget)
    except BudgetSpentError:
        return None


def _decode(
    symbols: list[int], prime: int, known: Collection[int], budget: Budget
) -> list[Delta] | None:
    recurrence = shortest_recurrence(symbols, prime, budget)
    if recurrence is None or len(recurrence) - 1 > most_differences(len(symbols)):
        return None
    if len(recurrence) == 1:
        return []
    positions = _positions(recurrence[::-1], prime, known, budget)
    if positions is None:
        return None
    return _values(symbols, recurrence, sorted(positions), prime, budget)


def _positions(
    locator: list[int], prime: int, known: Collection[int], budget: Budget
) -> list[int] | None:
    """Find the roots, by trying what is known where that is less work, else by factoring."""
    degree = len(locator) - 1
    trying = len(known) * degree
    found: list[int] = []
    if trying <= 2 * prime.bit_length() * degree * degree:
        budget.spend(trying)
        values = values_at(locator, known, prime)
        found = [place for place, value in zip(known, values, strict=True) if value == 0]
        for place in found:
            locator = divided(locator, [-place % prime, 1], prime, budget)
        if len(locator) == 1:
            return found
    others = roots(locator, prime, budget)
    # A position that was known and is found once more is a double root: no such vector.
    if others is None or not set(others).isdisjoint(found):
        return None
    return found + others


def _values(
    symbols: list[int], recurrence: list[int], positions: list[int], prime: int, budget: Budget
) -> list[Delta]:
    """Return the value at each position (Forney)."""
    degree = len(positions)
    budget.spend(4 * degree * degree)
    numerator = [
        sum(symbols[at - j] * recurrence[j] for j in range(at + 1)) % prime for at in range(degree)
    ]
    slope = [j * coefficient % prime for j, coefficient in enumerate(recurrence)][1:]
    inverses = [pow(position, -1, prime) for position in positions]
    above = values_at(numerator, inverses, prime)
    below = values_at(slope, inverses, prime)
    found = zip(positions, above, below, strict=True)
    return [Delta(x, -a * pow(b, -1, prime) % prime) for x, a, b in found]


@dataclass(frozen=True, slots=True)
class SketchPart:
    """Symbols of one or more sketches as they travel; the body of a frame."""

    width: Width
    shard_bits: int
    """Logs are spread over 2^bits shards with a sketch each (0..`MAX_SHARD_BITS`)."""
    first: int
    """How many symbols of each sketch were sent before these."""
    shards: tuple[int, ...]
    """Which shards, rising; empty: all."""
    digest: bytes
    """First 8 bytes of the digest of all states that were counted."""
    rows: tuple[tuple[int, ...], ...]
    """For each of the shards as many symbols."""

    def body(self) -> bytes:
        """Return the body.

        Raises:
            ValueError: no peer would take it.
        """
        mode = 2 * self.shard_bits + (self.width is Width.WIDE)
        symbols = b"".join(
            symbol.to_bytes(self.width, "big") for row in self.rows for symbol in row
        )
        body = pack((mode, self.first, self.shards, self.digest, symbols))
        try:
            if self.decode(body) != self:
                raise ValueError("rows of different lengths")
        except DecodeError as error:
            raise ValueError(f"no peer would take this sketch: {error}") from error
        return body

    @classmethod
    def decode(cls, body: bytes) -> SketchPart:
        """Decode a body; raises DecodeError."""
        most_shards = 2**MAX_SHARD_BITS
        value = unpack(body, max_bytes=MAX_SKETCH_BYTES, max_items=most_shards, what="sketch")
        fields = as_fields(value, 5, "sketch")
        shard_bits, wide = divmod(as_uint(fields[0], 2 * MAX_SHARD_BITS + 1, "sketch mode"), 2)
        width = Width.WIDE if wide else Width.NARROW
        first = as_uint(fields[1], MAX_SYMBOLS - 1, "sketch first")
        shards = [
            as_uint(item, 2**shard_bits - 1, "sketch shard")
            for item in as_list(fields[2], 2**shard_bits - 1, "sketch shards")
        ]
        require_rising(shards, "sketch shards")
        digest = as_bytes(fields[3], SKETCH_DIGEST_BYTES, "sketch digest")
        rows = _rows(fields[4], width, len(shards) or 2**shard_bits)
        most = BASE_SYMBOLS if shard_bits else MAX_SYMBOLS
        if first + len(rows[0]) > most:
            raise DecodeError(f"sketch: symbols up to {first + len(rows[0])}, {most} are allowed")
        return cls(width, shard_bits, first, tuple(shards), digest, rows)


def _rows(value: object, width: Width, count: int) -> tuple[tuple[int, ...], ...]:
    if type(value) is not bytes:
        raise DecodeError("sketch symbols: not a byte string")
    length, rest = divmod(len(value), width * count)
    if rest or not length:
        raise DecodeError(f"sketch: {len(value)} bytes of symbols for {count} sketches")
    symbols = [int.from_bytes(value[at : at + width], "big") for at in range(0, len(value), width)]
    if max(symbols) >= width.prime:
        raise DecodeError(f"sketch: symbol {max(symbols)} is not below {width.prime}")
    return tuple(tuple(symbols[at : at + length]) for at in range(0, len(symbols), length))
