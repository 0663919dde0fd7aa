from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import (
    TINY,
    FatalReader,
    HoldingReader,
    InterruptedReader,
    counted,
    make_classes,
    tiny_glyphs,
)
from PIL import Image

from scalegrid.data import (
    SPLITS,
    CachedData,
    CachedImages,
    Source,
    Split,
    decoding,
    load_split,
    open_source,
    prepare,
)
from scalegrid.data.cache import cache_limit, located, parts, receive, record_of
from scalegrid.data.glyphs import open_glyphs
from scalegrid.util.errors import UserError

SIDES = (8, 13)


def pixels_of(data: CachedData, split: Split, resolution: int) -> torch.Tensor:
    images = load_split(data, split, resolution)
    assert isinstance(images, CachedImages)
    return images.pixels


def plain_pixels(
    source: Source, split: Split, side: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    squares = []
    for index in range(len(source.labels(split))):
        image = source.image(split, index)
        assert isinstance(image, Image.Image)
        squares.append(np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)))
    return np.stack(squares)


def files_below(root: Path) -> dict[str, tuple[int, bytes]]:
    """Inode and content of every file."""
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != "lock"]
    return {str(path): (path.stat().st_ino, path.read_bytes()) for path in paths}


def test_a_cache_holds_the_pixels_of_a_plain_loop(tmp_path: Path) -> None:
    source = tiny_glyphs(70, 35)
    data = prepare(source, SIDES, cache_dir=tmp_path)
    assert (data.num_classes, data.resolutions, data.source, data.note) == (
        3,
        (8, 13),
        None,
        None,
    )
    for split in SPLITS:
        for side in SIDES:
            images = load_split(data, split, side)
            assert np.array_equal(pixels_of(data, split, side), plain_pixels(source, split, side))
            assert images.labels.tolist() == source.labels(split).tolist()
            assert images.labels.dtype == torch.int64
            assert images.resolution == side


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_processes_writes_the_same_files(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tiny_glyphs(70, 5)
    prepare(source, SIDES, cache_dir=tmp_path / "one")
    monkeypatch.setattr(decoding, "_FEW", 0)
    log = tmp_path / "log"
    prepare(counted(source, log), SIDES, cache_dir=tmp_path / "many", workers=workers)
    one, many = files_below(tmp_path / "one"), files_below(tmp_path / "many")
    assert [content for _, content in one.values()] == [content for _, content in many.values()]
    assert str(os.getpid()) not in log.read_text().split()


def test_each_image_is_decoded_once_for_all_resolutions(tmp_path: Path) -> None:
    log = tmp_path / "log"
    prepare(counted(tiny_glyphs(7, 3), log), (8, 9, 10, 9), cache_dir=tmp_path)
    assert len(log.read_text().splitlines()) == 10


def test_one_image_is_in_memory_at_a_time(tmp_path: Path) -> None:
    source = replace(tiny_glyphs(), read=HoldingReader())
    prepare(source, (8, 13), cache_dir=tmp_path)


def test_an_existing_cache_is_not_built_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    source = counted(tiny_glyphs(), log)
    prepare(source, [8], cache_dir=tmp_path)
    before = files_below(tmp_path)
    log.write_text("")
    prepare(source, [8], cache_dir=tmp_path)
    assert log.read_text() == ""
    prepare(source, [8, 9], cache_dir=tmp_path)
    assert len(log.read_text().splitlines()) == 10
    assert (
        files_below(tmp_path).items()
        >= {name: kept for name, kept in before.items() if "/v1/" in name}.items()
    )


def test_progress_is_reported(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    prepare(tiny_glyphs(70, 5), [8], cache_dir=tmp_path, progress=lambda *now: calls.append(now))
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})
    assert calls[-1] == (75, 75)
    assert {total for _, total in calls} == {75}


@pytest.mark.parametrize("name", ["train.npy", "val.npy", "train-labels.npy", "record.json"])
@pytest.mark.parametrize("damage", ["truncated", "one bit", "missing", "empty"])
def test_a_damaged_cache_is_built_again(tmp_path: Path, name: str, damage: str) -> None:
    source = tiny_glyphs()
    data = prepare(source, [8], cache_dir=tmp_path)
    victim = data.directory / "8" / name
    content = victim.read_bytes()
    if damage == "missing":
        victim.unlink()
    else:
        flipped = bytes([*content[:-3], content[-3] ^ 1, *content[-2:]])
        victim.write_bytes({"truncated": content[:-1], "one bit": flipped, "empty": b""}[damage])
    prepare(source, [8], cache_dir=tmp_path)
    assert victim.read_bytes() == content
    assert np.array_equal(pixels_of(data, "train", 8), plain_pixels(source, "train", 8))


def test_the_remains_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    data = prepare(tiny_glyphs(), [8], cache_dir=tmp_path)
    (data.directory / "building-abc" / "9").mkdir(parents=True)
    (data.directory / "building-abc" / "9" / "train.npy").write_bytes(b"half")
    prepare(tiny_glyphs(), [9], cache_dir=tmp_path)
    assert sorted(path.name for path in data.directory.iterdir()) == ["8", "9", "lock"]


def test_processes_that_prepare_at_once_build_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from data_helpers import counted, tiny_glyphs;"
        "from scalegrid.data import prepare;"
        "source = counted(tiny_glyphs(400, 10), Path(sys.argv[1]) / 'log');"
        "sys.stdin.readline(); prepare(source, [8], cache_dir=Path(sys.argv[1]))"
    )
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path[:0] = {sys.path!r}; {code}",
        str(tmp_path),
    ]
    racers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2)]
    for racer in racers:  # both have imported everything once they read this
        assert racer.stdin is not None
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    for racer in racers:
        racer.communicate()
        assert racer.returncode == 0
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 410
    assert len({line.split()[2] for line in lines}) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unreadable_image_is_named_and_nothing_is_left(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_FEW", 0)
    make_classes(tmp_path / "set", {"a": 40, "b": 40})
    (tmp_path / "set" / "b" / "17.png").write_bytes(b"no image")
    source = open_source(str(tmp_path / "set"))
    with pytest.raises(UserError, match=r"b/17\.png' cannot be read"):
        prepare(source, [8], cache_dir=tmp_path / "cache", workers=workers)
    assert files_below(tmp_path / "cache") == {}


def test_a_killed_process_is_an_error_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_FEW", 0)
    source = replace(tiny_glyphs(), read=FatalReader())
    with pytest.raises(UserError, match=r"was killed.*use fewer than 2 workers"):
        prepare(source, [8], cache_dir=tmp_path, workers=2)
    assert files_below(tmp_path) == {}


def test_interruptions_do_not_reach_the_processes_not_even_as_they_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_FEW", 0)
    source = replace(tiny_glyphs(), read=InterruptedReader())
    data = prepare(source, [8], cache_dir=tmp_path, workers=2)
    assert (pixels_of(data, "train", 8) == 255).all()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_cache_that_cannot_be_written_is_an_error_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cache folder .* cannot be written .*SCALEGRID_CACHE"):
        prepare(tiny_glyphs(), [8], cache_dir=tmp_path / "file")


def test_other_data_have_another_cache(tmp_path: Path) -> None:
    first = prepare(tiny_glyphs(), [8], cache_dir=tmp_path)
    other = open_glyphs(7, 3, replace(TINY, seed=1))
    second = prepare(other, [8], cache_dir=tmp_path)
    assert first.directory != second.directory
    assert not torch.equal(pixels_of(first, "train", 8), pixels_of(second, "train", 8))


def test_prepared_data_travel_to_a_worker(tmp_path: Path) -> None:
    data = prepare(tiny_glyphs(), [8], cache_dir=tmp_path)
    assert pickle.loads(pickle.dumps(data)) == data
    assert len(pickle.dumps(data)) < 1000


def test_only_prepared_resolutions_are_opened(tmp_path: Path) -> None:
    data = prepare(tiny_glyphs(), [8], cache_dir=tmp_path)
    with pytest.raises(ValueError, match="9 px was not prepared"):
        load_split(data, "train", 9)


def test_training_cannot_change_the_cache(tmp_path: Path) -> None:
    data = prepare(tiny_glyphs(), [8], cache_dir=tmp_path)
    before = files_below(tmp_path)
    pixels_of(data, "train", 8).zero_()
    assert files_below(tmp_path) == before


def test_the_limit_is_in_gibibytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCALEGRID_CACHE_LIMIT", raising=False)
    assert cache_limit() == 8 * 1024**3
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "0.5")
    assert cache_limit() == 2**29


@pytest.mark.parametrize("text", ["many", "-1", "nan", "inf"])
def test_a_limit_that_is_no_size_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", text)
    with pytest.raises(UserError, match=f"SCALEGRID_CACHE_LIMIT is '{text}'"):
        cache_limit()


def test_another_machine_gets_the_same_files_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = prepare(tiny_glyphs(), SIDES, cache_dir=tmp_path / "here")
    record = record_of(here, 8)
    assert record is not None
    assert located(here, 8, record) == here
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "there"))
    unseen = replace(here, directory=Path("unseen"))
    assert located(unseen, 8, record) is None
    there = receive(unseen, 8, record, parts(here, 8))
    files = [
        {path.name: path.read_bytes() for path in (one.directory / "8").iterdir()}
        for one in (here, there)
    ]
    assert files[0] == files[1]
    assert located(unseen, 8, record) == there
    never: list[tuple[str, np.ndarray[tuple[int], np.dtype[np.uint8]]]] = []
    assert receive(unseen, 8, record, never) == there  # another process was the first


def test_other_images_of_the_same_name_and_damaged_ones_are_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(tiny_glyphs(), [8], cache_dir=tmp_path / "first")
    other = prepare(open_glyphs(40, 20), [8], cache_dir=tmp_path / "other")
    record, of_other = record_of(first, 8), record_of(other, 8)
    assert record is not None
    assert of_other is not None
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "there"))
    unseen = replace(first, directory=Path("unseen"))
    receive(unseen, 8, of_other, parts(other, 8))
    there = receive(unseen, 8, record, parts(first, 8))
    assert torch.equal(pixels_of(there, "train", 8), pixels_of(first, "train", 8))
    (there.directory / "8" / "train.npy").write_bytes(b"damaged")
    assert located(unseen, 8, record) is None
    with pytest.raises(UserError, match="came damaged"):
        receive(unseen, 8, record, [(name, part[:-1]) for name, part in parts(first, 8)])


def test_streamed_images_have_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE_LIMIT", "0")
    assert record_of(prepare(tiny_glyphs(), [8], cache_dir=tmp_path), 8) is None
