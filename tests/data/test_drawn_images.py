"""What holds for all images that are drawn, whatever is on them."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest
from data_helpers import TINY, source_digest
from PIL import Image

from scalegrid.data import Source, Split
from scalegrid.data.glyphs import FONTS, GlyphTask, open_glyphs
from scalegrid.data.glyphs import render as render_glyph
from scalegrid.data.leaves import LeafTask, open_leaves
from scalegrid.data.leaves import render as render_leaf
from scalegrid.util.errors import UserError


@dataclass(frozen=True)
class Drawn:
    """A data set of ``classes`` whose images take no time."""

    task: Any
    classes: int
    source: Callable[..., Source]
    render: Callable[[Any, Split, int], Image.Image]
    mirror: bool

    def open(self, train: int, val: int) -> Source:
        return self.source(train, val, self.task)


SETS = {
    "glyphs": Drawn(TINY, 3, open_glyphs, render_glyph, mirror=False),
    "leaves": Drawn(LeafTask(size=32), 20, open_leaves, render_leaf, mirror=True),
}
CHANGED: dict[str, Any] = {"classes": "CGF", "fonts": FONTS[:2], "strokes": (1, 2)}


@pytest.fixture(params=SETS)
def images(request: pytest.FixtureRequest) -> Drawn:
    return SETS[request.param]


def test_another_process_draws_the_same_images(images: Drawn) -> None:
    name = next(name for name, drawn in SETS.items() if drawn is images)
    code = (
        "from data_helpers import source_digest; from test_drawn_images import SETS;"
        f"print(source_digest(SETS[{name!r}].open(20, 20)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == source_digest(images.open(20, 20))


def test_an_image_does_not_depend_on_what_was_drawn_before(images: Drawn) -> None:
    first = images.render(images.task, "train", 5).tobytes()
    for index in (9, 2, 7):
        images.render(images.task, "val", index)
    assert images.render(images.task, "train", 5).tobytes() == first


def test_all_images_differ_within_and_between_splits(images: Drawn) -> None:
    task = replace(images.task, noise=0.0)
    pictures = [images.render(task, split, i) for split in ("train", "val") for i in range(40)]
    assert len({picture.tobytes() for picture in pictures}) == 80


def test_images_are_rgb_squares_of_the_native_size(images: Drawn) -> None:
    source, side = images.open(20, 20), images.task.size
    image = source.image("val", 0)
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size, source.native_resolution) == ("RGB", (side, side), side)


def test_every_number_of_images_is_balanced_and_contains_the_smaller_ones(images: Drawn) -> None:
    few, many = images.open(20, 20), images.open(43, 20)
    counts = Counter(many.train_labels.tolist())
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == images.classes
    assert many.train_labels[:20].tolist() == few.train_labels.tolist()
    assert many.image("train", 3).tobytes() == few.image("train", 3).tobytes()


def test_a_mirrored_leaf_keeps_its_species_and_a_mirrored_letter_is_none(images: Drawn) -> None:
    assert images.open(20, 20).mirror == images.mirror


@pytest.mark.parametrize(
    ("images", "setting"),
    [
        *(("glyphs", field.name) for field in fields(GlyphTask)),
        *(("leaves", field.name) for field in fields(LeafTask)),
    ],
    indirect=["images"],
)
def test_the_fingerprint_covers_every_setting_of_the_task(images: Drawn, setting: str) -> None:
    value = getattr(images.task, setting)
    if setting in CHANGED:
        changed: Any = CHANGED[setting]
    else:
        changed = (value[0], value[1] + 1) if isinstance(value, tuple) else value + 1
    other = images.source(40, 40, replace(images.task, **{setting: changed}))
    assert other.fingerprint != images.open(40, 40).fingerprint


def test_the_fingerprint_covers_the_numbers_of_images_and_nothing_else(images: Drawn) -> None:
    counts = [(20, 30), (21, 30), (20, 31), (30, 20), (20, 30)]
    assert len({images.open(*count).fingerprint for count in counts}) == 4


@pytest.mark.parametrize("setting", ["train", "val"])
def test_too_few_images_for_the_classes_are_refused(images: Drawn, setting: str) -> None:
    few = images.classes - 1
    counts = {"train": images.classes, "val": images.classes, setting: few}
    with pytest.raises(
        UserError, match=f"{setting}_images is {few}, but there are {images.classes} classes"
    ):
        images.open(**counts)
