from __future__ import annotations

from pathlib import Path

import pytest

from scalegrid.data.locations import cache_limit, data_root
from scalegrid.util.errors import UserError
from scalegrid.util.files import cache_root


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SCALEGRID_CACHE", "XDG_CACHE_HOME", "SCALEGRID_DATA", "SCALEGRID_CACHE_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")


def test_the_cache_follows_the_platform_until_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert cache_root() == Path("/home/someone/.cache/scalegrid")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_root() == Path("/home/someone/.cache/scalegrid")
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    assert cache_root() == Path("/fast/scalegrid")
    assert data_root() == Path("/fast/scalegrid/datasets")
    monkeypatch.setenv("SCALEGRID_CACHE", "~/own")
    assert cache_root() == Path("/home/someone/own")
    monkeypatch.setenv("SCALEGRID_DATA", "/data")
    assert data_root() == Path("/data")


def test_the_limit_is_in_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_limit() == 8 * 1024**3
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "0.5")
    assert cache_limit() == 2**29


@pytest.mark.parametrize("text", ["many", "-1", "nan", "inf"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", text)
    with pytest.raises(UserError, match=f"SCALEGRID_CACHE_LIMIT is '{text}'"):
        cache_limit()
