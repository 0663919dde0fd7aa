"""Arrays kept on disk between runs: replaced in one step, and rebuilt where they are damaged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalegrid.durable import replace_file


def load_arrays(path: Path, names: Sequence[str]) -> list[NDArray[Any]] | None:
    """The named arrays of an ``.npz`` file; None if it is missing, cut short or corrupt."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return [stored[name] for name in names]
    except Exception:  # whatever a damaged archive makes zipfile and numpy raise
        return None


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write an ``.npz`` file; where that is impossible, the arrays are computed again next time."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, lambda file: np.savez(file, allow_pickle=False, **arrays), durable=False)
