"""Tests of many alike cases: some in every run, all with ``-m slow``, as CI runs them too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], one_in: int) -> list[Any]:
    """Parameters of a test, of which all but the first of each ``one_in`` are marked slow."""
    return [
        case if i % one_in == 0 else pytest.param(case, marks=pytest.mark.slow)
        for i, case in enumerate(cases)
    ]
