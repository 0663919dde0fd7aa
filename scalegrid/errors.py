"""The one exception a user should ever see."""

from __future__ import annotations


class UserError(Exception):
    """A mistake the user can mend; its message is one sentence saying what and how.

    The command line prints the message alone and exits with status 2.
    """
