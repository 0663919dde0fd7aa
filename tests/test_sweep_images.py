"""What a sweep does with the images that it is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from light_sweep import light_spec, run_light_sweep

import scalegrid.sweep
from scalegrid.data import prepare


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(("workers", "expected"), [(1, 1), (9, 4), (None, 4)])
def test_no_more_processes_decode_than_there_are_workers_or_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int | None, expected: int
) -> None:
    decoders = []

    def recorded(*arguments: Any, **settings: Any) -> Any:
        decoders.append(settings["workers"])
        return prepare(*arguments, **{**settings, "workers": 1})

    monkeypatch.setattr(scalegrid.sweep, "prepare", recorded)
    monkeypatch.setattr(scalegrid.sweep, "available_cores", lambda: 4)
    run_light_sweep(light_spec(tmp_path / "results", workers=workers))
    assert decoders == [expected]
