"""The exception for errors that users can fix, and other exceptions in one line."""

from __future__ import annotations


class UserError(Exception):
    """An error that the user can fix; its message is one sentence: what is wrong, what to do.

    The command line prints only the message and exits with status 2.
    """


def one_line(error: BaseException) -> str:
    """The class of an exception and the first line of its message, without a full stop."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
