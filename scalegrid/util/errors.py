"""The one exception a user should ever see, and other exceptions in one line."""

from __future__ import annotations


class UserError(Exception):
    """A mistake the user can mend; its message is one sentence saying what and how.

    The command line prints the message alone and exits with status 2.
    """


def one_line(error: BaseException) -> str:
    """The class of an exception and the first line of its message, without a full stop."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}" if lines else type(error).__name__
