"""Text to fill bodies with: passages of one book, of exactly the sizes asked for."""

from __future__ import annotations

from collections.abc import Iterator


class Passages:
    """Passages of a text one after the other; after its end it begins again."""

    def __init__(self, text: str) -> None:
        """Take a text of at least one character."""
        self._text = text.encode()
        if not self._text:
            raise ValueError("an empty text has no passages")
        self._at = 0

    def take(self, size_bytes: int) -> str:
        """Return the next passage: it begins a line and has ``size_bytes`` bytes of UTF-8.

        Where a character would be cut in two, spaces stand in its place.
        """
        passage = bytearray()
        while len(passage) < size_bytes:
            piece = self._text[self._at : self._at + size_bytes - len(passage)]
            passage += piece
            self._at = (self._at + len(piece)) % len(self._text)
        self._at = self._text.find(b"\n", self._at) + 1
        whole = passage.decode(errors="ignore")
        return whole + " " * (size_bytes - len(whole.encode()))


def cut_text(text: str, max_bytes: int) -> Iterator[str]:
    """Yield a text in parts of at most ``max_bytes`` bytes of UTF-8, cut between characters.

    Args:
        max_bytes: 4 or more, so that every character fits.
    """
    if max_bytes < 4:
        raise ValueError(f"{max_bytes=}: not every character fits")
    data = text.encode()
    while data:
        part = data[:max_bytes].decode(errors="ignore")
        yield part
        data = data[len(part.encode()) :]
