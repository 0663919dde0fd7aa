"""Which images of a split a network gets right, as packed bits. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Answers:
    """Bit i tells whether the top-1 answer on image i, in the order of the data, is right.

    ``correct`` holds the bits of ``images`` images as `numpy.packbits` packs them: eight a byte,
    the highest bit first, the last byte filled up with zeros.
    """

    images: int
    correct: bytes

    @classmethod
    def pack(cls, right: Flags) -> Answers:
        """From one flag an image, (images,)."""
        import numpy as np

        return cls(len(right), np.packbits(right).tobytes())

    @property
    def flags(self) -> Flags:
        """One flag an image, (images,)."""
        flags: Flags = unpack([self.correct], self.images)[0]
        return flags


def unpack(packed: Sequence[bytes], images: int) -> Flags:
    """The flags, (n, images), of n packed strings of bits, each of ``images`` images."""
    import numpy as np

    stacked = np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), -(-images // 8))
    return np.unpackbits(stacked, axis=1, count=images).view(np.bool_)
