"""Where data sets are kept, and how much is cached."""

from __future__ import annotations

import os
from pathlib import Path

from scalegrid.util.errors import UserError
from scalegrid.util.files import cache_root

GIBIBYTE = 2**30
DEFAULT_CACHE_LIMIT = 8.0


def data_root() -> Path:
    """Folder that data sets are downloaded to: `SCALEGRID_DATA`, else beside the caches."""
    own = os.environ.get("SCALEGRID_DATA")
    return Path(os.path.expanduser(own)) if own else cache_root() / "datasets"


def cache_limit() -> int:
    """Largest size in bytes of one data set's cache: `SCALEGRID_CACHE_LIMIT` in GiB, else 8 GiB.

    Raises:
        UserError: the variable is not a number of GiB, zero or more.
    """
    text = os.environ.get("SCALEGRID_CACHE_LIMIT") or str(DEFAULT_CACHE_LIMIT)
    try:
        limit = int(float(text) * GIBIBYTE)
    except (ValueError, OverflowError):
        limit = -1
    if limit < 0:
        raise UserError(f"SCALEGRID_CACHE_LIMIT is {text!r}; give a number of GiB, such as 8")
    return limit
