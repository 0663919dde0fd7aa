from __future__ import annotations

from pathlib import Path

import pytest
import torch
from data_helpers import make_classes, tiny_glyphs

from scalegrid.data import (
    Augment,
    CachedData,
    StreamedImages,
    batches,
    cache_bytes,
    load_split,
    open_source,
    ordered_batches,
    prepare,
)
from scalegrid.util.errors import ImageError

CPU = torch.device("cpu")


@pytest.fixture
def cached(tmp_path: Path) -> CachedData:
    return prepare(tiny_glyphs(10, 5), [8], cache_dir=tmp_path)


@pytest.fixture
def streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CachedData:
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "1e-9")
    return prepare(tiny_glyphs(10, 5), [8], cache_dir=tmp_path / "other")


def test_data_larger_than_the_limit_are_streamed_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_glyphs(10, 5)
    size = cache_bytes(source, [8, 4, 8])
    assert size == 15 * 3 * (64 + 16)
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", str((size - 1) / 2**30))
    data = prepare(source, [8, 4], cache_dir=tmp_path / "a")
    assert data.source is not None
    assert "glyphs would take 3.35e-06 GiB, more than the limit of 3.35e-06 GiB" in str(data.note)
    assert not (tmp_path / "a").exists()
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", str(size / 2**30))
    assert prepare(source, [8, 4], cache_dir=tmp_path / "a").source is None


def test_data_larger_than_the_disk_are_streamed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalegrid.data.cache._free_bytes", lambda root: 100)
    data = prepare(tiny_glyphs(10, 5), [8], cache_dir=tmp_path)
    assert data.source is not None
    assert "free in" in str(data.note)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_gives_the_batches_of_a_cache(
    cached: CachedData, streamed: CachedData, workers: int
) -> None:
    here = load_split(cached, "train", 8)
    there = load_split(streamed, "train", 8, loader_workers=workers)
    assert isinstance(there, StreamedImages)
    change = Augment(flip=True, shift=0.25)
    first, second = (
        list(batches(images, 4, seed=1, epoch=2, device=CPU, augment=change))
        for images in (here, there)
    )
    assert len(first) == len(second) == 2
    for (x, y), (u, v) in zip(first, second, strict=True):
        assert torch.equal(x, u)
        assert torch.equal(y, v)


def test_evaluation_streams_every_image(cached: CachedData, streamed: CachedData) -> None:
    both = [
        torch.cat([x for x, _ in ordered_batches(load_split(data, "val", 8), 2, device=CPU)])
        for data in (cached, streamed)
    ]
    assert torch.equal(both[0], both[1])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_names_an_image_that_cannot_be_read_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    make_classes(tmp_path / "set", {"a": 5, "b": 5})
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "1e-9")
    source = open_source(str(tmp_path / "set"))
    data = prepare(source, [8], cache_dir=tmp_path)
    for victim in (tmp_path / "set" / "a").iterdir():
        victim.write_bytes(victim.read_bytes()[:-100])
    images = load_split(data, "train", 8, loader_workers=workers)
    with pytest.raises(ImageError, match=r"^image '.*/set/a/\d\.png' cannot be read \(.*\); mend"):
        list(images.fetch(torch.arange(8), 4))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_keeps_the_random_state(streamed: CachedData, workers: int) -> None:
    """The network draws from it, and a stream must not change a trial's numbers."""
    state = torch.get_rng_state()
    images = load_split(streamed, "train", 8, loader_workers=workers)
    list(images.fetch(torch.arange(5), 2))
    assert torch.equal(torch.get_rng_state(), state)
