"""The embedded data set: leaves of twenty species, learnt gradually, as photographs are.

Each image shows a leaf on uneven ground, with litter behind it and stalks before it. A species is a
level, of five, of each trait; a leaf varies around its species' levels. The traits are graded: the
ground's colour says a little of the species after a few updates of any network; then the leaf's
colour and its outline; veins, teeth and spots are fine detail, which needs pixels and capacity.
Every trait learnt separates more pairs of species, so accuracy grows without a jump, and no one
trait says everything. An image is a pure function of the task, the split and its index, so the set
needs no download and has no fixed size.
"""

from __future__ import annotations

import colorsys
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from scalegrid.data.drawing import Colour, background, drawn, rgb, with_noise
from scalegrid.data.sources import SPLITS, Source, Split

FORMAT = 1
"""Increased whenever `render` draws other pixels for the same task."""

TRAIN_IMAGES = 6400
VAL_IMAGES = 4000
"""Images of the splits by default."""

Points = npt.NDArray[np.float64]
"""Coordinates in px, shape `(N, 2)`: across and down, from the leaf's or the image's middle."""

_LEVELS = 5  # of each trait, each shared by as many species
_STATIONS = np.linspace(0.0, 1.0, 97)  # along the midrib, from base to tip


class Traits(NamedTuple):
    """What tells species apart, each in levels around its middle: from -2 to 2 for a species."""

    ground_hue: float
    ground_light: float
    hue: float
    light: float
    aspect: float  # width over length
    belly: float  # where the leaf is widest
    lobes: float
    veins: float  # how many
    angle: float  # between veins and midrib
    spots: float  # how many
    teeth: float


@dataclass(frozen=True)
class LeafTask:
    """How hard the leaves are to tell apart. Lengths are fractions of the image's side.

    Intensities range from 0 (black) to 1 (white). A pair is the range of a uniform draw, with both
    ends where it is a number of things.
    """

    species: int = 20
    size: int = 128  # px rendered, more than sweeps train on
    coarse_variation: float = 1.0  # standard deviation within a species, levels: colours and aspect
    fine_variation: float = 0.6  # the same of all other traits
    length: tuple[float, float] = (0.5, 0.85)
    bend: float = 0.15  # largest of the midrib either way, of the leaf's length
    turn: float = 40.0  # largest turn either way, degrees
    offset: float = 0.08  # largest shift either way
    litter: tuple[int, int] = (3, 9)  # discs, twigs and frames behind the leaf
    stalks: tuple[int, int] = (0, 2)  # lines drawn over the leaf
    gradient: float = 0.15  # largest change of the ground from centre to edge
    texture: float = 0.06  # standard deviation of the ground's slow variation
    contrast: tuple[float, float] = (0.5, 1.0)  # of the whole image
    noise: float = 0.05  # standard deviation per pixel and channel
    seed: int = 0


_COARSE = ("ground_hue", "ground_light", "hue", "light", "aspect")


@lru_cache(maxsize=8)
def species_traits(task: LeafTask) -> tuple[Traits, ...]:
    """The levels of each species; every level of a trait has as many species as another."""
    rng = np.random.default_rng([task.seed, len(SPLITS)])
    levels = np.arange(task.species) % _LEVELS - (_LEVELS - 1) / 2
    columns = [rng.permutation(levels).tolist() for _ in Traits._fields]
    return tuple(Traits(*row) for row in zip(*columns, strict=True))


def render(task: LeafTask, split: Split, index: int) -> Image.Image:
    """Draw image `index` of `split`: RGB, `task.size` px square, of class `index % species`."""
    rng = np.random.default_rng([task.seed, SPLITS.index(split), index])
    variation = [
        task.coarse_variation if name in _COARSE else task.fine_variation for name in Traits._fields
    ]
    middle = species_traits(task)[index % task.species]
    leaf = Traits(*(middle + rng.normal(0.0, variation)).tolist())
    ground = _hsv(
        0.55 + 0.1 * leaf.ground_hue,
        0.45 * rng.uniform(0.6, 1.3),
        0.55 + 0.12 * leaf.ground_light,
    )
    image = background(rng, task.size, ground, task.gradient, task.texture)
    pen = ImageDraw.Draw(image)
    for _ in range(_count(rng, task.litter)):
        _draw_litter(rng, task, pen)
    blade, mask = _draw_leaf(rng, task, leaf)
    image.paste(blade, mask=mask)
    for _ in range(_count(rng, task.stalks)):
        _draw_line(rng, task, pen, _any_colour(rng))
    return with_noise(rng, image, task.noise, rng.uniform(*task.contrast))


def _count(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    return int(rng.integers(bounds[0], bounds[1], endpoint=True))


def _hsv(hue: float, saturation: float, light: float) -> Colour:
    """A colour; hues are circular, the others are cut to 0 … 1."""
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, *np.clip((saturation, light), 0, 1).tolist()))


def _any_colour(rng: np.random.Generator) -> tuple[int, int, int]:
    return rgb(_hsv(rng.random(), rng.uniform(0.0, 0.7), rng.uniform(0.1, 0.95)))


def _draw_line(
    rng: np.random.Generator,
    task: LeafTask,
    pen: ImageDraw.ImageDraw,
    colour: tuple[int, int, int],
) -> None:
    start = rng.uniform(0.0, task.size, 2)
    end = start + rng.normal(0.0, 0.55 * task.size, 2)
    width = int(rng.integers(1, max(2, task.size // 24)))
    pen.line((*start.tolist(), *end.tolist()), fill=colour, width=width)


def _draw_litter(rng: np.random.Generator, task: LeafTask, pen: ImageDraw.ImageDraw) -> None:
    """A disc, a twig or a frame of any colour, anywhere."""
    colour = _any_colour(rng)
    kind = rng.integers(3)
    if kind == 0:
        _draw_line(rng, task, pen, colour)
        return
    centre, reach = rng.uniform(0.0, task.size, 2), rng.uniform(0.03, 0.2, 2) * task.size
    box = (*(centre - reach).tolist(), *(centre + reach).tolist())
    if kind == 1:
        pen.ellipse(box, fill=colour)
    else:
        pen.rectangle(box, outline=colour, width=2)


class _Outline(NamedTuple):
    """Of each station: where the midrib is, how far the blade reaches on each side; px."""

    midrib: Points
    half: npt.NDArray[np.float64]

    @property
    def sides(self) -> tuple[Points, Points]:
        reach = np.stack([self.half, np.zeros_like(self.half)], axis=1)
        return self.midrib - reach, self.midrib + reach


def _outline(leaf: Traits, length: float, widest: float, bend: float) -> _Outline:
    """A leaf with its base at the bottom; `widest` px at most, its midrib a parabola.

    A beta curve, cut in by lobes, with a saw tooth along the edge.
    """
    width = length * 0.45 * 2 ** (0.35 * leaf.aspect)
    if width > widest:
        length, width = length * widest / width, widest
    along = _STATIONS
    peak = min(max(0.45 + 0.11 * leaf.belly, 0.12), 0.88)
    full = along ** (2.2 * peak) * (1 - along) ** (2.2 * (1 - peak))
    full /= full.max()
    lobes = max(0.0, 2.5 + 1.2 * leaf.lobes)
    depth = 0.28 * min(1.0, lobes / 1.5)
    cut = full * (1 - depth * (0.5 - 0.5 * np.cos(2 * np.pi * lobes * along)))
    saw = (max(2.0, 14 + 5 * leaf.teeth) * along) % 1.0 - 0.5
    half = np.maximum(cut + 0.06 * saw * (full > 0.1), 0.0) * width / 2
    aside = bend * length * ((2 * along - 1) ** 2 - 0.5)
    return _Outline(np.stack([aside, (0.5 - along) * length], axis=1), half)


def _draw_leaf(
    rng: np.random.Generator, task: LeafTask, leaf: Traits
) -> tuple[Image.Image, Image.Image]:
    """The blade's colours, mode RGB, and its mask, mode L."""
    length, bend = rng.uniform(*task.length) * task.size, rng.uniform(-task.bend, task.bend)
    outline = _outline(leaf, length, 0.8 * task.size, bend)
    place = _placement(rng, task)
    left, right = outline.sides
    mask = Image.new("L", (task.size, task.size))
    ImageDraw.Draw(mask).polygon(place(np.concatenate([left, right[::-1]])), fill=255)

    colour = _hsv(0.22 + 0.055 * leaf.hue, 0.65 + rng.normal(0.0, 0.08), 0.5 + 0.085 * leaf.light)
    blade = Image.new("RGB", mask.size, rgb(colour))
    pen = ImageDraw.Draw(blade)
    shade = rgb(colour * (1 + rng.uniform(-0.1, 0.1)))
    pen.polygon(place(np.concatenate([left, outline.midrib[::-1]])), fill=shade)
    bright = leaf.light > 0
    vein = rgb(colour + (-0.22 if bright else 0.22))
    pen.line(place(outline.midrib), fill=vein, width=2)
    for line in _veins(rng, leaf, outline):
        pen.line(place(line), fill=vein, width=1)
    spot = rgb(_hsv(0.05, 0.6, 0.25 if bright else 0.85))
    for x, y in place(_spots(rng, leaf, outline)):
        radius = rng.uniform(0.008, 0.02) * task.size
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=spot)
    return blade, mask


def _placement(
    rng: np.random.Generator, task: LeafTask
) -> Callable[[Points], list[tuple[float, float]]]:
    """A random turn and shift, from the leaf's coordinates to pixels of the image."""
    angle = math.radians(rng.uniform(-task.turn, task.turn))
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    centre = task.size * (0.5 + rng.uniform(-task.offset, task.offset, 2))

    def place(points: Points) -> list[tuple[float, float]]:
        return [(x, y) for x, y in (points @ turn + centre).tolist()]

    return place


def _veins(rng: np.random.Generator, leaf: Traits, outline: _Outline) -> Points:
    """Side veins, longer than the blade is wide: shape `(N, 3, 2)`, from edge to midrib to edge."""
    length = outline.midrib[0, 1] - outline.midrib[-1, 1]
    spacing = length / (7.5 * 2 ** (0.28 * leaf.veins))
    height = np.arange(-length / 2 + rng.uniform(0.0, spacing), length / 2 + 2 * spacing, spacing)
    across = np.interp(-height, -outline.midrib[:, 1], outline.midrib[:, 0])
    angle = math.radians(50 + 13 * leaf.angle)
    reach = 1.2 * float(outline.half.max()) / max(math.sin(angle), 0.2)
    start = np.stack([across, height], axis=1)
    tips = [
        start + np.array([side * math.sin(angle), -math.cos(angle)]) * reach for side in (-1, 1)
    ]
    return np.stack([tips[0], start, tips[1]], axis=1)


def _spots(rng: np.random.Generator, leaf: Traits, outline: _Outline) -> Points:
    """Random points of the blade."""
    station = rng.integers(6, len(_STATIONS) - 6, rng.poisson(6 * 2 ** (0.6 * leaf.spots)))
    aside = rng.uniform(-1.0, 1.0, len(station)) * outline.half[station]
    return outline.midrib[station] + np.stack([aside, np.zeros_like(aside)], axis=1)


def open_leaves(
    train_images: int | None = None,
    val_images: int | None = None,
    task: LeafTask | None = None,
) -> Source:
    """The `leaves` source, by default of `TRAIN_IMAGES` and `VAL_IMAGES` images.

    Raises:
        UserError: fewer images than classes.
    """
    task = task or LeafTask()
    return drawn(
        "leaves",
        [f"species {number + 1}" for number in range(task.species)],
        (train_images, val_images),
        (TRAIN_IMAGES, VAL_IMAGES),
        partial(_fingerprint, task),
        task.size,
        mirror=True,
        read=partial(render, task),
    )


def _fingerprint(task: LeafTask, train_images: int, val_images: int) -> str:
    """Digest of the drawing rules, the task and the numbers of images."""
    settings = {"format": FORMAT, "task": asdict(task), "train": train_images, "val": val_images}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
