from __future__ import annotations

from pathlib import Path

import pytest
from light_sweep import light_baseline, light_plan, light_spec

from scalegrid.data import Source
from scalegrid.plan.resolve import default_name, open_data, resolve, with_epochs
from scalegrid.spec import SweepSpec, check_name
from scalegrid.util.errors import UserError


@pytest.mark.parametrize(
    ("baseline", "data", "name"),
    [
        ("b0", "glyphs", "b0-glyphs-48"),
        ("b0", "shared/data/clothing", "b0-clothing-48"),
        ("b0", "/data/my photos/", "b0-my-photos-48"),
        ("nets/tiny.yaml", "cifar10", "tiny-cifar10-48"),
        ("package.module:factory", "torch/mnist", "package.module-factory-mnist-48"),
        ("b0", "été", "b0-été-48"),
        ("b0", "/", "b0-data-48"),
        ("b0", "sets/birds.csv", "b0-birds-48"),
    ],
)
def test_the_default_name_is_made_of_baseline_data_and_resolution(
    baseline: str, data: str, name: str
) -> None:
    spec = SweepSpec(baseline=baseline, data=data, resolution=48)
    assert default_name(spec) == name
    check_name(default_name(spec))


def test_here_is_named_after_the_folder_one_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path / "birds")
    assert default_name(SweepSpec(data=".", resolution=64)) == "b0-birds-64"


def test_what_the_user_said_wins_over_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalegrid.baselines.get", light_baseline)
    spec = resolve(SweepSpec(baseline="any"))
    assert (spec.resolution, spec.resolution_step, spec.name) == (32, 8, "any-leaves-32")
    assert resolve(spec) is spec
    assert spec.folder == Path("results/any-leaves-32")
    said = resolve(SweepSpec(baseline="any", resolution=96, name="mine", results="r"))
    assert (said.resolution, said.folder) == (96, Path("r/mine"))


@pytest.mark.parametrize(("said", "flip"), [(None, False), (True, True), (False, False)])
def test_images_are_mirrored_where_the_data_allow_it_unless_said(
    said: bool | None, flip: bool
) -> None:
    plan = light_plan(light_spec("results", data="glyphs", flip=said))
    assert plan.recipe.flip is flip  # letters have a left and a right
    assert plan.recipe.model_copy(update={"flip": said}) == plan.spec.recipe


@pytest.mark.parametrize(
    ("images", "flops", "epochs"),
    [
        *((6400, 10**7, 1), (6401, 10**8, 1), (6399, 10**7, 2), (100, 10**9, 64)),
        *((6400, 10**7 - 1, 2), (12800, 10**6, 1), (100, 10**6, 128)),
    ],
)
def test_small_data_are_shown_often_enough_unless_said(
    images: int, flops: int, epochs: int
) -> None:
    source = open_data(SweepSpec(train_images=images, val_images=20))
    assert with_epochs(SweepSpec(), source, flops).epochs == epochs
    assert with_epochs(SweepSpec(epochs=3), source, flops).epochs == 3


def test_data_smaller_than_a_batch_are_refused() -> None:
    with pytest.raises(UserError, match="31 training images, fewer than a batch of 32"):
        open_data(SweepSpec(train_images=31, val_images=20, batch_size=32))


def test_a_classifier_may_have_outputs_to_spare_but_not_too_few() -> None:
    small = SweepSpec(train_images=40, val_images=20)

    def opened(num_classes: int | None) -> Source:
        return open_data(small.model_copy(update={"num_classes": num_classes}))

    assert (opened(None).num_classes, opened(22).num_classes) == (20, 22)
    assert opened(22).fingerprint != opened(None).fingerprint == opened(20).fingerprint
    with pytest.raises(UserError, match="--num-classes 19 is too few: leaves has 20"):
        opened(19)
