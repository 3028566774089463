"""Polynomials modulo a prime: the shortest recurrence of a sequence, and roots.

A polynomial is a list of coefficients from 0 to p - 1, that of x^0 first. Products are made
with Kronecker's substitution: the coefficients stand side by side in one long integer, and one
multiplication of CPython's does the work of hundreds.

Everything that may depend on what a peer sent counts its work against a `Budget`.

Sources: J. Massey, "Shift-register synthesis and BCH decoding" (1969); D. Cantor and
H. Zassenhaus, "A new algorithm for factoring polynomials over finite fields" (1981).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from operator import mul
from struct import Struct
from typing import Final

_LANE_BYTES: Final = 16
_LANE_BITS: Final = 8 * _LANE_BYTES
MAX_DEGREE: Final = 1_024
"""Sums of so many products of two 32-bit numbers, times a third, fit a lane of 128 bits."""


class BudgetSpentError(Exception):
    """More work was asked for than was allowed; never leaves the package."""


class Budget:
    """A bound on work, counted in multiplications of coefficients as done one by one."""

    __slots__ = ("limit", "spent")

    def __init__(self, limit: int) -> None:
        self.limit: Final = limit
        self.spent = 0

    def spend(self, multiplications: int) -> None:
        """Count work that is about to be done; raises BudgetSpentError if it is too much."""
        self.spent += multiplications
        if self.spent > self.limit:
            raise BudgetSpentError


def shortest_recurrence(symbols: Sequence[int], prime: int, budget: Budget) -> list[int] | None:
    """Find the shortest c with s[n] = -(c1 s[n-1] + ... + cL s[n-L]) for all n from L on.

    Returns:
        The coefficients 1, c1, ..., cL; None if cL is 0 (then the sequence is no sum of
        powers of L different numbers other than 0). L is at most ``len(symbols)``; unless
        2 L <= ``len(symbols)`` the recurrence says nothing, for any sequence has some.
    """
    current, former = [1], [1]
    length, gap, former_discrepancy = 0, 1, 1
    for at, symbol in enumerate(symbols):
        budget.spend(1 + 2 * len(current))
        # symbol + c1 s[n-1] + ... + cL s[n-L]
        window = symbols[max(0, at - len(current) + 1) : at][::-1]
        discrepancy = (symbol + sum(map(mul, current[1:], window))) % prime
        if not discrepancy:
            gap += 1
            continue
        factor = discrepancy * pow(former_discrepancy, -1, prime) % prime
        kept = current
        width = max(len(current), len(former) + gap)
        current = current + [0] * (width - len(current))
        for place, coefficient in enumerate(former, gap):
            current[place] = (current[place] - factor * coefficient) % prime
        if 2 * length > at:
            gap += 1
            continue
        length = at + 1 - length
        former, former_discrepancy, gap = kept, discrepancy, 1
    while current[-1] == 0:
        current.pop()
    return current if len(current) == length + 1 else None


def values_at(polynomial: Sequence[int], places: Iterable[int], prime: int) -> list[int]:
    """Evaluate a polynomial at each place (Horner)."""
    found: list[int] = []
    backwards = polynomial[::-1]
    for place in places:
        value = 0
        for coefficient in backwards:
            value = (value * place + coefficient) % prime
        found.append(value)
    return found


def roots(polynomial: Sequence[int], prime: int, budget: Budget) -> list[int] | None:
    """Return the roots of a monic polynomial that has as many different ones as its degree.

    The shifts that split it are hashed from the polynomial itself: nothing here is random, and
    whoever wants to choose a polynomial that splits badly must search for one.

    Args:
        polynomial: monic, of degree 1 to `MAX_DEGREE`.
        prime: an odd prime below 2**32.
        budget: counts about 4 log2(prime) multiplications for each pair of coefficients.

    Returns:
        The roots in no particular order; None if the polynomial does not split into different
        linear factors.
    """
    if len(polynomial) == 2:
        return [-polynomial[0] % prime]
    seed = b"".join(coefficient.to_bytes(4, "big") for coefficient in polynomial)
    found: list[int] = []
    tries = 0
    waiting = [list(polynomial)]
    while waiting:
        factor = waiting.pop()
        if len(factor) == 2:
            found.append(-factor[0] % prime)
            continue
        ring = _Ring(factor, prime, budget)
        shift = _shift(seed, tries, prime)
        power = ring.half_power(shift)
        if not tries and not ring.fermat_holds(shift, power):
            return None
        tries += 1
        power[0] = (power[0] - 1) % prime
        part = _common_divisor(factor, power, prime, budget)
        if 2 <= len(part) < len(factor):
            waiting += part, divided(factor, part, prime, budget)
        else:
            waiting.append(factor)
    return found


def divided(
    dividend: Sequence[int], divisor: Sequence[int], prime: int, budget: Budget
) -> list[int]:
    """Return the quotient by a monic polynomial; what remains is left out."""
    return _division(dividend, divisor, prime, budget)[0]


def _shift(seed: bytes, tries: int, prime: int) -> int:
    data = seed + tries.to_bytes(4, "big")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big") % prime


class _Ring:
    """Polynomials modulo a monic polynomial of degree 2 or more."""

    __slots__ = ("_budget", "_degree", "_mask", "_modulus", "_prime", "_rows", "_word")

    def __init__(self, modulus: Sequence[int], prime: int, budget: Budget) -> None:
        self._budget, self._prime, self._modulus = budget, prime, modulus
        degree = self._degree = len(modulus) - 1
        budget.spend(degree * degree)
        self._mask = (1 << _LANE_BITS * degree) - 1
        self._word = 2**64 % prime
        low = modulus[:-1]
        row = [-coefficient % prime for coefficient in low]
        self._rows = [_packed(row)]
        """x^degree, x^(degree + 1), ... up to x^(2 degree - 2), each in lanes"""
        for _ in range(degree - 2):
            top = row[-1]
            row = [
                (above - top * coefficient) % prime
                for above, coefficient in zip((0, *row[:-1]), low, strict=True)
            ]
            self._rows.append(_packed(row))

    def half_power(self, shift: int) -> list[int]:
        """Return (x + shift)^((prime - 1) / 2)."""
        power = [shift, 1] + [0] * (self._degree - 2)
        for bit in bin((self._prime - 1) // 2)[3:]:
            lanes = self._square(power)
            if bit == "1":
                lanes = self._times_linear(lanes, shift)
            power = self._coefficients(lanes, self._degree)
        return power

    def fermat_holds(self, shift: int, half_power: list[int]) -> bool:
        """Say whether (x + shift)^prime is x + shift: exactly if all roots are there, once."""
        lanes = self._times_linear(self._square(half_power), shift)
        found = self._coefficients(lanes, self._degree)
        return found == [shift, 1] + [0] * (self._degree - 2)

    def _square(self, polynomial: list[int]) -> int:
        degree = self._degree
        self._budget.spend(2 * degree * degree)
        packed = _packed(polynomial)
        product = packed * packed
        high = self._coefficients(product >> _LANE_BITS * degree, degree - 1)
        folded: int = sum(map(mul, high, self._rows), product & self._mask)
        return folded

    def _times_linear(self, lanes: int, shift: int) -> int:
        self._budget.spend(2 * self._degree)
        product = (lanes << _LANE_BITS) + shift * lanes
        top = (product >> _LANE_BITS * self._degree) % self._prime
        return (product & self._mask) + top * self._rows[0]

    def _coefficients(self, lanes: int, count: int) -> list[int]:
        word, prime = self._word, self._prime
        words = _words(2 * count).unpack(lanes.to_bytes(_LANE_BYTES * count, "little"))
        halves = zip(words[::2], words[1::2], strict=True)
        return [(low + high * word) % prime for low, high in halves]


def _packed(polynomial: Sequence[int]) -> int:
    return int.from_bytes(_lanes(len(polynomial)).pack(*polynomial), "little")


@lru_cache(maxsize=MAX_DEGREE)
def _lanes(count: int) -> Struct:
    return Struct("<" + "Q8x" * count)


@lru_cache(maxsize=MAX_DEGREE)
def _words(count: int) -> Struct:
    return Struct(f"<{count}Q")


def _common_divisor(
    one: Sequence[int], other: Sequence[int], prime: int, budget: Budget
) -> list[int]:
    """Return the monic greatest common divisor; ``one`` is monic."""
    larger, smaller = list(one), _monic(other, prime)
    while smaller:
        larger, smaller = smaller, _monic(_division(larger, smaller, prime, budget)[1], prime)
    return larger


def _division(
    dividend: Sequence[int], divisor: Sequence[int], prime: int, budget: Budget
) -> tuple[list[int], list[int]]:
    """Return quotient and remainder; ``divisor`` is monic."""
    rest = list(dividend)
    degree = len(divisor) - 1
    low = divisor[:-1]
    steps = max(0, len(rest) - degree)
    budget.spend(steps * degree)
    quotient = [0] * steps
    for at in range(steps - 1, -1, -1):
        top = rest.pop() % prime
        if top:
            quotient[at] = top
            rest[at:] = [
                (value - top * coefficient) % prime
                for value, coefficient in zip(rest[at:], low, strict=True)
            ]
    return quotient, rest


def _monic(polynomial: Sequence[int], prime: int) -> list[int]:
    """Return a polynomial without zeros at the end, divided by its last coefficient."""
    end = len(polynomial)
    while end and not polynomial[end - 1]:
        end -= 1
    if not end:
        return []
    inverse = pow(polynomial[end - 1], -1, prime)
    return [coefficient * inverse % prime for coefficient in polynomial[:end]]
