"""The exception for errors that users can fix, and other exceptions in one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_NAMED = 10  # images


class UserError(Exception):
    """An error that the user can fix; its message is one sentence: what is wrong, what to do.

    The command line prints only the message and exits with status 2.
    """


class ImageError(UserError):
    """An image that cannot be used. Picklable.

    Args:
        name: what it is called, as ``'ant/1.png'``.
        problem: what is wrong with it, as ``cannot be read (image file is truncated)``.
        remedy: what to do.
    """

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        super().__init__(name, problem, remedy)
        self.name, self.problem, self.remedy = name, problem, remedy

    def __str__(self) -> str:
        return f"image {self.name} {self.problem}; {self.remedy}"


def unusable(images: Sequence[ImageError]) -> UserError:
    """The error for all images that cannot be used: the first ten, and how many there are."""
    if len(images) == 1:
        return images[0]
    first = ", ".join(f"{image.name} {image.problem}" for image in images[:_NAMED])
    more = f", and {len(images) - _NAMED} more" if len(images) > _NAMED else ""
    return UserError(f"{len(images)} images cannot be used: {first}{more}; {images[0].remedy}")


def cannot_write(folder: Path, error: OSError) -> UserError:
    """The error for results that cannot be written."""
    return UserError(
        f"cannot write to {folder}: {error.strerror or error}; choose another --results folder."
    )


def one_line(error: BaseException) -> str:
    """The class of an exception and the first line of its message, without a full stop.

    The next line too where the first ends with a colon.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1]).rstrip(".:")
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
