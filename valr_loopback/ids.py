"""Identifiers in the forms VALR gives them (valr-api.md 1.2)."""

from random import Random

FIRST_SEQUENCE = 1_368_928_567_986_638_000


class IdSource:
    """Draws ids from a seeded generator, so that a run can be repeated. ``drawn`` counts the UUIDs."""

    def __init__(self, random: Random, first_sequence: int = FIRST_SEQUENCE) -> None:
        self.drawn = 0
        self._random = random
        self._next_sequence = first_sequence

    def uuid(self, now_ms: int) -> str:
        """Return a version 7 UUID for a time in epoch milliseconds."""
        self.drawn += 1
        low = self._random.getrandbits(74)
        text = f"{now_ms & 0xFFFFFFFFFFFF:012x}7{low >> 62:03x}{low & 0x3FFFFFFFFFFFFFFF | 0x8000000000000000:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def sequence(self) -> int:
        """Return the next sequence or batch number; they exceed 2**53."""
        number = self._next_sequence
        self._next_sequence += 1
        return number
