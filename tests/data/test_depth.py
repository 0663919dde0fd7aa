"""Images of more than 8 bits keep what their numbers mean, alike in a whole data set."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from scalegrid.data import Source, open_source
from scalegrid.util.errors import UserError


def numbers(index: int, below: float, *shape: int) -> Any:
    return np.random.default_rng(index).random(shape or (6, 8)) * below


def made(root: Path, save: Callable[[Path, int], object], count: int = 8) -> Source:
    for index in range(2 * count):
        folder = root / "ab"[index // count]
        folder.mkdir(parents=True, exist_ok=True)
        save(folder / str(index), index)
    return open_source(str(root))


def as_png(below: float) -> Callable[[Path, int], object]:
    return lambda path, index: Image.fromarray(numbers(index, below).astype("u2")).save(
        f"{path}.png"
    )


def as_tiff(below: float, dtype: str, **tags: Any) -> Callable[[Path, int], object]:
    return lambda path, index: tifffile.imwrite(
        f"{path}.tif", numbers(index, below).astype(dtype), **tags
    )


def check(source: Source, below: float, white: float, dtype: str = "u2", black: float = 0) -> None:
    """Every image is that of its numbers, with `white` as 255."""
    files = source.read.train_files  # type: ignore[attr-defined]
    for place, file in enumerate(files):
        values = numbers(int(Path(file).stem), below).astype(dtype) + 0.0
        expected = np.clip(np.rint((values - black) * (255 / (white - black))), 0, 255)
        assert np.array_equal(np.asarray(source.image("train", place))[..., 0], expected)


@pytest.mark.parametrize(
    ("below", "white"), [(255, 255), (1000, 1023), (4000, 4095), (9000, 16383), (65000, 65535)]
)
def test_whole_numbers_are_scaled_by_the_bits_that_the_data_set_needs(
    tmp_path: Path, below: float, white: int
) -> None:
    source = made(tmp_path, as_png(below))
    check(source, below, white)
    (note,) = source.notes
    assert note.startswith(f"whole numbers of more than 8 bits: 0 to {white} become 0 to 255 (")


@pytest.mark.parametrize("dtype", ["i4", "u2"])
def test_eight_bits_in_a_larger_type_keep_their_values(tmp_path: Path, dtype: str) -> None:
    source = made(tmp_path, as_tiff(255, dtype))
    check(source, 255, 255, dtype)


def test_numbers_below_zero_are_scaled_by_their_range(tmp_path: Path) -> None:
    def save(path: Path, index: int) -> None:
        values = numbers(index, 3000).astype("i4") - 1000
        values[0, :2] = -1000, 2500
        tifffile.imwrite(f"{path}.tif", values)

    source = made(tmp_path, save)
    pixels = np.asarray(source.image("train", 0))[..., 0]
    assert pixels[0, :2].tolist() == [0, 255]
    assert "-1000 to 2500 become 0 to 255" in source.notes[0]


def test_what_files_say_counts_more_than_what_they_hold(tmp_path: Path) -> None:
    """The tag MaxSampleValue: a dark set of 12 bits stays dark."""
    source = made(tmp_path, as_tiff(100, "u2", extratags=[(281, 3, 1, 4095, True)]))
    check(source, 100, 4095)
    assert "0 to 4095 become 0 to 255 (by what the files say)" in source.notes[0]


@pytest.mark.parametrize(
    ("below", "white"), [(0.4, 1), (1, 1), (200, 255), (900, 1023), (3e4, 65535)]
)
def test_floats_are_scaled_alike_in_all_images(tmp_path: Path, below: float, white: int) -> None:
    """Also in dark images of a set, whose own numbers are below one."""
    bright = max(below, 0.9 * white)

    def save(path: Path, index: int) -> None:
        values = numbers(index, below if index else bright).astype("f4")
        tifffile.imwrite(f"{path}.tif", values if index else np.where(values > -1, bright, 0))

    source = made(tmp_path, save)
    for place, file in enumerate(source.read.train_files):  # type: ignore[attr-defined]
        if int(Path(file).stem):
            values = numbers(int(Path(file).stem), below).astype("f4").astype("f8")
            pixels = np.asarray(source.image("train", place))[..., 0]
            assert np.array_equal(pixels, np.rint(values * (255 / white)))


def test_images_of_one_set_are_scaled_alike_and_other_pixels_have_another_fingerprint(
    tmp_path: Path,
) -> None:
    before = made(tmp_path / "x", as_png(60000)).fingerprint
    source = made(tmp_path / "y", lambda path, i: as_png(60000 if i == 3 else 200)(path, i))
    assert "0 to 65535" in source.notes[0]
    assert len(before) == len(source.fingerprint) == 64  # as ever, without a change of pixels
    assert len(made(tmp_path / "z", as_png(4000)).fingerprint) == 12


def png_16(path: Path, values: Any) -> None:
    """A PNG file of 16-bit colours, which Pillow does not write."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = {3: 2, 4: 6}[channels]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    content = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def tiff_16(path: Path, values: Any) -> None:
    tifffile.imwrite(path, values.astype("u2"), photometric="rgb")


@pytest.mark.parametrize(("suffix", "save"), [(".png", png_16), (".tif", tiff_16)])
def test_colours_of_12_bits_in_16_keep_their_values(
    tmp_path: Path, suffix: str, save: Callable[[Path, Any], None]
) -> None:
    """Pillow keeps the high byte of each alone."""
    source = made(
        tmp_path, lambda path, index: save(Path(f"{path}{suffix}"), numbers(index, 4000, 6, 8, 3))
    )
    assert "0 to 4095 become 0 to 255" in source.notes[0]
    for place, file in enumerate(source.read.train_files):  # type: ignore[attr-defined]
        values = numbers(int(Path(file).stem), 4000, 6, 8, 3).astype("u2")
        expected = np.rint(values * (255 / 4095))
        assert np.array_equal(np.asarray(source.image("train", place)), expected)


def test_transparent_colours_of_12_bits_are_shown_on_white(tmp_path: Path) -> None:
    values = np.zeros((6, 8, 4))
    values[..., 0], values[:3, :, 3] = 4095, 65535  # red above, clear below
    source = made(tmp_path, lambda path, _: png_16(Path(f"{path}.png"), values))
    pixels = np.asarray(source.image("train", 0))
    assert pixels[0, 0].tolist() == [255, 0, 0]
    assert pixels[5, 0].tolist() == [255, 255, 255]


def test_floats_among_images_of_8_bits_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first training images have none, so their range is not known."""
    monkeypatch.setattr("scalegrid.data.depth.SAMPLED_IMAGES", 0)
    source = made(tmp_path, as_tiff(1, "f4"))
    with pytest.raises(UserError, match=r"\.tif' cannot be read \(it holds floats of unknown"):
        source.image("train", 0)


def test_images_in_parquet_shards_are_scaled_likewise(tmp_path: Path) -> None:
    made(tmp_path / "set", as_png(4000))
    files = sorted((tmp_path / "set").glob("*/*.png"))
    rows = {
        "image": [{"bytes": file.read_bytes(), "path": None} for file in files],
        "label": [file.parent.name for file in files],
    }
    (tmp_path / "shards").mkdir()
    pq.write_table(pa.table(rows), tmp_path / "shards" / "train.parquet")
    source = open_source(str(tmp_path / "shards"))
    assert any("0 to 4095 become 0 to 255" in note for note in source.notes)
    assert max(np.asarray(source.image("train", i)).max() for i in range(9)) > 200
