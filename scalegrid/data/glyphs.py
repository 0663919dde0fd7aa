"""The embedded data set: letters drawn with the TrueType fonts that matplotlib ships.

Each image shows a letter, upright within a few degrees, in one of many faces, on an uneven
background with strokes and small stray letters as clutter, and noise. The classes are pairs that
differ in a stroke (C and G, E and F, ...): the pair is recognised at any resolution, the stroke
needs pixels and capacity. Letters are large and near the middle, so learning starts early. With
twenty classes a brief training does not solve the task. An image is a pure function of the task,
the split and its index, so the set needs no download and has no fixed size.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scalegrid.data.drawing import Colour, background, drawn, rgb, with_noise
from scalegrid.data.sources import SPLITS, Source, Split

FORMAT = 1
"""Increased whenever `render` draws other pixels for the same task."""

TRAIN_IMAGES = 1600
VAL_IMAGES = 1000
"""Images of the splits by default."""

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSans-Oblique.ttf",
    "DejaVuSans-BoldOblique.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSansMono-Oblique.ttf",
    "DejaVuSansMono-BoldOblique.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "DejaVuSerif-Italic.ttf",
    "DejaVuSerif-BoldItalic.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "STIXGeneralItalic.ttf",
    "STIXGeneralBolIta.ttf",
    "cmr10.ttf",
    "cmb10.ttf",
    "cmss10.ttf",
    "cmti10.ttf",
    "cmtt10.ttf",
)

_STRAY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SIZE_STEP = 4  # px between the font sizes that are rasterised; an affine map scales further


@dataclass(frozen=True)
class GlyphTask:
    """How hard the letters are to read. Lengths are fractions of the image's side.

    Intensities range from 0 (black) to 1 (white). A pair is the range of a uniform draw, with both
    ends where it is a number of things.
    """

    classes: str = "CGEFMNPRVYOQBDIJKXUW"
    size: int = 128  # px rendered, more than sweeps train on
    height: tuple[float, float] = (0.5, 0.75)  # of a capital letter
    rotation: float = 10.0  # largest turn either way, degrees
    shear: float = 0.10  # largest horizontal shift per unit of height, either way
    stretch: float = 0.10  # largest relative change of width, either way
    offset: float = 0.3  # share of the free margin that the position may use
    contrast: tuple[float, float] = (0.45, 0.85)  # |letter - background| in luminance
    chroma: float = 0.10  # standard deviation of colour around grey
    gradient: float = 0.10  # largest background change from centre to edge
    texture: float = 0.05  # standard deviation of the background's slow variation
    strokes: tuple[int, int] = (0, 3)  # lines, arcs and boxes behind the letter
    strays: tuple[int, int] = (0, 2)  # small letters of any class behind the letter
    stray_height: tuple[float, float] = (0.12, 0.22)
    occluders: tuple[int, int] = (0, 1)  # strokes drawn over the letter
    clutter_contrast: float = 0.6  # of strokes and strays, relative to the letter's
    noise: float = 0.06  # standard deviation per pixel and channel
    fonts: tuple[str, ...] = FONTS
    seed: int = 0


# Weights of luminance in GlyphTask.contrast (Rec. 709).
_LUMA = np.array([0.2126, 0.7152, 0.0722])


def render(task: GlyphTask, split: Split, index: int) -> Image.Image:
    """Draw image `index` of `split`: RGB, `task.size` px square, of class `index % classes`."""
    rng = np.random.default_rng([task.seed, SPLITS.index(split), index])
    letter = task.classes[index % len(task.classes)]
    paper, ink = _colours(rng, task)
    image = background(rng, task.size, paper, task.gradient, task.texture)
    pen = ImageDraw.Draw(image)
    for _ in range(_count(rng, task.strokes)):
        _draw_stroke(rng, task, pen, _clutter_colour(rng, task, paper, ink))
    for _ in range(_count(rng, task.strays)):
        _draw_stray(rng, task, pen, _clutter_colour(rng, task, paper, ink))
    image.paste(rgb(ink), mask=_letter_mask(rng, task, letter))
    for _ in range(_count(rng, task.occluders)):
        _draw_stroke(rng, task, pen, _clutter_colour(rng, task, paper, ink))
    return with_noise(rng, image, task.noise)


def _count(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    return int(rng.integers(bounds[0], bounds[1], endpoint=True))


def _colours(rng: np.random.Generator, task: GlyphTask) -> tuple[Colour, Colour]:
    """Background and letter colour, whose luminances differ by the contrast drawn."""
    contrast = rng.uniform(*task.contrast)
    darker = rng.uniform(0.0, 1.0 - contrast)
    lights = [darker, darker + contrast]
    if rng.random() < 0.5:
        lights.reverse()
    tints = rng.normal(0.0, task.chroma, (2, 3))
    tints -= (tints @ _LUMA)[:, None]  # colour without a change of luminance
    return lights[0] + tints[0], lights[1] + tints[1]


def _clutter_colour(
    rng: np.random.Generator, task: GlyphTask, paper: Colour, ink: Colour
) -> tuple[int, int, int]:
    tint = rng.normal(0.0, task.chroma, 3)
    return rgb(paper + task.clutter_contrast * rng.uniform(-1.0, 1.0) * (ink - paper) + tint)


def _draw_stroke(
    rng: np.random.Generator,
    task: GlyphTask,
    pen: ImageDraw.ImageDraw,
    colour: tuple[int, int, int],
) -> None:
    """A line, arc or box of random position and extent."""
    x0, x1, y0, y1 = (rng.uniform(-0.1, 1.1, 4) * task.size).tolist()
    box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    width = int(rng.integers(1, max(2, task.size // 32)))
    kind = rng.integers(3)
    if kind == 0:
        pen.line((x0, y0, x1, y1), fill=colour, width=width)
    elif kind == 1:
        start = rng.uniform(0.0, 360.0)
        pen.arc(box, start, start + rng.uniform(60.0, 270.0), fill=colour, width=width)
    else:
        pen.rectangle(box, outline=colour, width=width)


def _draw_stray(
    rng: np.random.Generator,
    task: GlyphTask,
    pen: ImageDraw.ImageDraw,
    colour: tuple[int, int, int],
) -> None:
    """A small upright letter that does not depend on the class."""
    name = task.fonts[rng.integers(len(task.fonts))]
    height = rng.uniform(*task.stray_height) * task.size
    font = _font(name, max(_SIZE_STEP, _stepped_size(name, height)))
    x, y = (rng.uniform(0.0, 1.0, 2) * task.size).tolist()
    letter = _STRAY_LETTERS[rng.integers(len(_STRAY_LETTERS))]
    pen.text((x, y), letter, font=font, fill=colour, anchor="mm")


def _letter_mask(rng: np.random.Generator, task: GlyphTask, letter: str) -> Image.Image:
    """The letter's coverage, mode L: rasterised upright, then one bicubic affine map."""
    name = task.fonts[rng.integers(len(task.fonts))]
    height = rng.uniform(*task.height) * task.size
    size = _stepped_size(name, height)
    font = _font(name, size)
    left, top, right, bottom = font.getbbox(letter)
    middle = task.size / 2
    upright = Image.new("L", (task.size, task.size))
    at = (middle - (left + right) / 2, middle - (top + bottom) / 2)
    ImageDraw.Draw(upright).text(at, letter, font=font, fill=255)

    scale = height / (_cap_ratio(name) * size)
    angle = math.radians(rng.uniform(-task.rotation, task.rotation))
    shear = rng.uniform(-task.shear, task.shear)
    stretch = scale * (1.0 + rng.uniform(-task.stretch, task.stretch))
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    forward = turn @ np.array([[stretch, shear * scale], [0.0, scale]])
    margin = max(0.0, (task.size - height) / 2) * task.offset
    centre = middle + rng.uniform(-margin, margin, 2)
    back = np.linalg.inv(forward)  # Pillow maps output pixels to input pixels
    shift = middle - back @ centre
    data = (back[0, 0], back[0, 1], shift[0], back[1, 0], back[1, 1], shift[1])
    return upright.transform(upright.size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)


@lru_cache(maxsize=1)
def font_folder() -> Path:
    """The folder of matplotlib's TrueType fonts."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@lru_cache(maxsize=1024)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    # The basic layout engine is in every Pillow build, so the pixels do not depend on libraqm.
    return ImageFont.truetype(font_folder() / name, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=256)
def _cap_ratio(name: str) -> float:
    """Height of a capital letter in units of the font size."""
    _, top, _, bottom = _font(name, 256).getbbox("H")
    return (bottom - top) / 256


def _stepped_size(name: str, height: float) -> int:
    """The rasterised font size nearest to capitals of `height` px."""
    return max(1, round(height / _cap_ratio(name) / _SIZE_STEP)) * _SIZE_STEP


def _fingerprint(task: GlyphTask, train_images: int, val_images: int) -> str:
    """Digest of the drawing rules, the task, the font files and the numbers of images."""
    digest = hashlib.sha256()
    settings = {"format": FORMAT, "task": asdict(task), "train": train_images, "val": val_images}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for name in task.fonts:
        digest.update((font_folder() / name).read_bytes())
    return digest.hexdigest()


def open_glyphs(
    train_images: int | None = None,
    val_images: int | None = None,
    task: GlyphTask | None = None,
) -> Source:
    """The `glyphs` source, by default of `TRAIN_IMAGES` and `VAL_IMAGES` images.

    Raises:
        UserError: fewer images than classes.
    """
    task = task or GlyphTask()
    return drawn(
        "glyphs",
        tuple(task.classes),
        (train_images, val_images),
        (TRAIN_IMAGES, VAL_IMAGES),
        partial(_fingerprint, task),
        task.size,
        mirror=False,
        read=partial(render, task),
    )
