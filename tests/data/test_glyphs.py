from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from data_helpers import TINY, source_digest, tiny_glyphs
from PIL import Image

from scalegrid.data import glyphs
from scalegrid.data.glyphs import FONTS, GlyphTask, open_glyphs, render
from scalegrid.util.errors import UserError

PLAIN = GlyphTask(
    rotation=0.0,
    shear=0.0,
    stretch=0.0,
    chroma=0.0,
    gradient=0.0,
    texture=0.0,
    strokes=(0, 0),
    strays=(0, 0),
    occluders=(0, 0),
    noise=0.0,
)


def grey(task: GlyphTask, index: int) -> npt.NDArray[np.int64]:
    return np.asarray(render(task, "train", index)).astype(np.int64)[:, :, 1]


def test_another_process_draws_the_same_images() -> None:
    code = (
        "from data_helpers import source_digest, tiny_glyphs; print(source_digest(tiny_glyphs()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == source_digest(tiny_glyphs())


def test_an_image_does_not_depend_on_what_was_drawn_before() -> None:
    first = render(TINY, "train", 5).tobytes()
    for index in (9, 2, 7):
        render(TINY, "val", index)
    assert render(TINY, "train", 5).tobytes() == first


def test_all_images_differ_within_and_between_splits() -> None:
    task = replace(TINY, noise=0.0)
    drawn = [render(task, "train", i).tobytes() for i in range(30)]
    drawn += [render(task, "val", i).tobytes() for i in range(30)]
    assert len(set(drawn)) == 60


def test_images_are_rgb_squares_of_the_native_size() -> None:
    source = tiny_glyphs()
    image = source.image("val", 0)
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == ("RGB", (24, 24))
    assert source.native_resolution == 24


def test_every_number_of_images_is_balanced_and_contains_the_smaller_ones() -> None:
    few, many = tiny_glyphs(5, 4), tiny_glyphs(11, 4)
    assert many.train_labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert many.train_labels[:5].tolist() == few.train_labels.tolist()
    assert many.image("train", 3).tobytes() == few.image("train", 3).tobytes()
    assert many.train_labels.dtype == np.int64


def test_letters_are_not_mirrored() -> None:
    assert not tiny_glyphs().mirror


@pytest.mark.parametrize("contrast", [0.3, 0.7])
def test_the_letter_stands_out_by_the_contrast_drawn(contrast: float) -> None:
    task = replace(PLAIN, contrast=(contrast, contrast))
    for index in range(12):
        pixels = grey(task, index)
        assert pixels.max() - pixels.min() == pytest.approx(contrast * 255, abs=1.5)


@pytest.mark.parametrize("font", FONTS)
def test_letters_of_every_font_have_the_height_drawn(font: str) -> None:
    task = replace(PLAIN, classes="EF", height=(0.5, 0.5), fonts=(font,), contrast=(0.5, 0.5))
    for index in range(4):
        pixels = grey(task, index)
        paper = pixels[0, 0]
        inked = np.flatnonzero((abs(pixels - paper) > 40).any(axis=1))
        assert inked[-1] - inked[0] + 1 == pytest.approx(0.5 * task.size, abs=3)


def test_letters_stay_inside_the_image() -> None:
    task = replace(PLAIN, classes="EFMN", height=(0.75, 0.75), offset=1.0, contrast=(0.5, 0.5))
    for index in range(40):
        pixels = grey(task, index)
        border = np.concatenate([pixels[0], pixels[-1]])
        assert np.ptp(border) <= 40


def test_resolution_carries_information() -> None:
    """Letters of a pair differ less, relative to unlike letters, the fewer pixels there are."""
    task = replace(PLAIN, classes="CGM", fonts=FONTS[:1], offset=0.0)
    task = replace(task, height=(0.7, 0.7), contrast=(0.6, 0.6))
    alike = {}
    for side in (6, 64):
        c, g, m = (
            np.asarray(render(task, "train", index).resize((side, side))).astype(float)
            for index in range(3)
        )
        c, g, m = (np.abs(letter - letter[0, 0]) for letter in (c, g, m))
        alike[side] = np.abs(c - g).mean() / np.abs(c - m).mean()
    assert alike[6] < alike[64] < 1


CHANGED: dict[str, Any] = {"classes": "CGF", "fonts": FONTS[:2], "strokes": (1, 2)}


@pytest.mark.parametrize("name", [field.name for field in fields(GlyphTask)])
def test_the_fingerprint_covers_every_setting_of_the_task(name: str) -> None:
    value = getattr(TINY, name)
    if name not in CHANGED:
        changed: Any = (value[0], value[1] + 1) if isinstance(value, tuple) else value + 1
    else:
        changed = CHANGED[name]
    other = open_glyphs(7, 3, replace(TINY, **{name: changed}))
    assert other.fingerprint != tiny_glyphs().fingerprint


def test_the_fingerprint_covers_the_numbers_of_images_and_nothing_else() -> None:
    assert tiny_glyphs(7, 3).fingerprint == tiny_glyphs(7, 3).fingerprint
    assert len({tiny_glyphs(*n).fingerprint for n in [(7, 3), (8, 3), (7, 4), (3, 7)]}) == 4


def test_the_fingerprint_covers_the_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny_glyphs().fingerprint
    for name in FONTS:
        (tmp_path / name).write_bytes((glyphs.font_folder() / name).read_bytes())
    monkeypatch.setattr(glyphs, "font_folder", lambda: tmp_path)
    assert tiny_glyphs().fingerprint == before
    (tmp_path / FONTS[3]).write_bytes(b"another font")
    assert tiny_glyphs().fingerprint != before


@pytest.mark.parametrize(("train", "val", "setting"), [(2, 3, "train"), (3, 2, "val")])
def test_too_few_images_for_the_classes_are_refused(train: int, val: int, setting: str) -> None:
    with pytest.raises(UserError, match=f"{setting}_images is 2, but there are 3 classes"):
        tiny_glyphs(train, val)
