from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from data_helpers import tiny_glyphs

from scalegrid.data import glyphs
from scalegrid.data.glyphs import FONTS, GlyphTask, render

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


def test_the_fingerprint_covers_the_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tiny_glyphs().fingerprint
    for name in FONTS:
        (tmp_path / name).write_bytes((glyphs.font_folder() / name).read_bytes())
    monkeypatch.setattr(glyphs, "font_folder", lambda: tmp_path)
    assert tiny_glyphs().fingerprint == before
    (tmp_path / FONTS[3]).write_bytes(b"another font")
    assert tiny_glyphs().fingerprint != before
