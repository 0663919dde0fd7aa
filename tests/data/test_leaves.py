from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from scalegrid.data import EMBEDDED, open_source
from scalegrid.data.leaves import LeafTask, Traits, render, species_traits
from scalegrid.data.sources import Split

SMALL = LeafTask(size=32)
PLAIN = LeafTask(
    coarse_variation=0.0,
    fine_variation=0.0,
    bend=0.0,
    turn=0.0,
    offset=0.0,
    litter=(0, 0),
    stalks=(0, 0),
    gradient=0.0,
    texture=0.0,
    contrast=(1.0, 1.0),
    noise=0.0,
)


def pixels(task: LeafTask, split: Split, index: int) -> npt.NDArray[np.float64]:
    return np.asarray(render(task, split, index)).astype(np.float64)


def test_they_are_the_default_data() -> None:
    assert next(iter(EMBEDDED)) == "leaves"
    source = open_source("leaves", train_images=40, val_images=20)
    assert (source.name, source.num_classes, source.num_train) == ("leaves", 20, 40)
    assert open_source("leaves").num_train == 6400


def test_every_level_of_a_trait_has_as_many_species() -> None:
    for levels in zip(*species_traits(LeafTask()), strict=True):
        assert Counter(levels) == dict.fromkeys((-2.0, -1.0, 0.0, 1.0, 2.0), 4)


def test_any_two_species_differ_in_several_traits() -> None:
    species = np.array(species_traits(LeafTask()))
    differing = (species[:, None] != species[None]).sum(2)
    assert differing[~np.eye(20, dtype=bool)].min() >= 5


def test_a_leaf_without_variation_is_that_of_its_species() -> None:
    """Images of one species differ by spots, veins and shade alone, those of others by more."""
    same = replace(PLAIN, length=(0.8, 0.8))
    first, again, other = (pixels(same, "train", index) for index in (0, 20, 1))
    assert abs(first - again).mean() < 0.5 * abs(first - other).mean()


def test_the_colours_alone_tell_a_part_of_the_species() -> None:
    """A nearest-mean classifier on four numbers: more than guessing, far from all."""

    def colours(split: Split, count: int) -> npt.NDArray[np.float64]:
        images = np.stack([pixels(SMALL, split, index) for index in range(count)])
        edge = np.concatenate([images[:, :3], images[:, -3:]], axis=1)
        return np.concatenate([edge.mean((1, 2)), images[:, 10:22, 10:22].mean((1, 2))], axis=1)

    train, val = colours("train", 400), colours("val", 200)
    scale = train.std(0)
    means = np.stack([train[species::20].mean(0) for species in range(20)])
    distances = ((val[:, None] - means) / scale) ** 2
    right = (distances.sum(2).argmin(1) == np.arange(200) % 20).mean()
    assert 0.10 < right < 0.40


def test_fine_traits_need_pixels() -> None:
    """Leaves that differ in their veins alone are alike where there are few pixels."""
    middle = dict.fromkeys(Traits._fields, 0.0)
    few, many = (Traits(**{**middle, "veins": level}) for level in (-2.0, 2.0))
    drawn = []
    for traits in (few, many):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("scalegrid.data.leaves.species_traits", lambda _, t=traits: (t,) * 20)
            drawn.append(render(replace(PLAIN, length=(0.8, 0.8)), "train", 0))
    difference = {
        side: abs(
            np.subtract(*(np.asarray(image.resize((side, side))).astype(float) for image in drawn))
        ).mean()
        for side in (16, 128)
    }
    assert difference[16] < 0.6 * difference[128]
