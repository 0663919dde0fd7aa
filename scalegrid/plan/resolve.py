"""From what the user gave to what a plan needs: defaults, a name, the data."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from math import ceil, sqrt
from pathlib import Path
from typing import Literal, TypeVar

from scalegrid import baselines
from scalegrid.baselines import BUILT_IN, Baseline, brief_rate
from scalegrid.coefficients import DepthRule
from scalegrid.data import EMBEDDED, Source, open_source
from scalegrid.executors import decoders
from scalegrid.plan.kept import kept
from scalegrid.plan.trainer import check_trainer, trainer_source
from scalegrid.spec import BRIEF_IMAGES, HELD_SCHEDULE, SMALL, Recipe, SweepSpec
from scalegrid.training.held import DECAY
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest

_ALL_RIGHT = 5  # classes, of which the right one is always among the first five
_PLAIN = ("sgd", "momentum")
Spec = TypeVar("Spec", bound=SweepSpec)

ADAPTIVE_RATE = 0.003
"""The default rate of optimisers other than SGD, which divide by the size of the gradient."""


def resolve(spec: SweepSpec, *, by_files: bool = False) -> SweepSpec:
    """The specification with the defaults that depend on others: px, rounding, rate and name.

    A resolved specification stays as it is. ``by_files`` is that of `make_plan`.

    Raises:
        UserError: the baseline is unknown, or trials cannot go on by the schedule given.
    """
    check_trainer(spec)
    recipe = {**_learning_rate(spec), **held_schedule(spec), **_switched_off(spec)}
    if all((spec.resolution, spec.resolution_step, spec.name, spec.depth_rounding, spec.rates)):
        return spec.model_copy(update=recipe) if recipe else spec
    resolution, step = _sides(spec, by_files)
    spec = spec.model_copy(
        update={
            "resolution": resolution,
            "resolution_step": step,
            "depth_rounding": spec.depth_rounding or _rounding(spec),
            "rates": spec.rates or _rates(spec),
            **recipe,
        }
    )
    return spec.model_copy(update={"name": spec.name or default_name(spec)})


def default_name(spec: SweepSpec) -> str:
    """``b0-leaves-36``: baseline, data or trainer, and px; of a path, its last part."""
    return f"{slug(spec.baseline)}-{slug(spec.trainer or spec.data)}-{spec.resolution}"


def check_training(spec: SweepSpec) -> None:
    """Check that the optimiser and the schedule exist.

    The usual ones do; to ask timm about others takes seconds.

    Raises:
        UserError: either does not.
    """
    default = Recipe()
    usual = spec.optimizer == default.optimizer and spec.warmup <= 1 - DECAY
    if not usual or spec.schedule not in (default.schedule, HELD_SCHEDULE):
        from scalegrid.training.recipe import check_recipe

        check_recipe(spec.recipe)


def open_data(spec: SweepSpec) -> Source:
    """The data that a specification names.

    Raises:
        UserError: there is no such data, it is bad, a batch is larger than all of it, or it has too
            few classes for the metric.
    """
    if spec.trainer is not None:
        return trainer_source(spec, spec.trainer)
    source = open_source(
        spec.data,
        train_images=spec.train_images,
        val_images=spec.val_images,
        download=spec.download,
        data_dir=Path(spec.data_dir) if spec.data_dir else None,
        channels=spec.channels,
        image_column=spec.image_column,
        label_column=spec.label_column,
        skip_bad_images=spec.skip_bad_images,
        fit=spec.fit,
        workers=decoders(spec),
    )
    if source.num_train < spec.batch_size:
        raise UserError(
            f"{spec.data} has {source.num_train} training images, fewer than a batch of "
            f"{spec.batch_size}; lower --batch-size or use more images."
        )
    if spec.metric == "top5" and source.num_classes <= _ALL_RIGHT:
        raise UserError(
            f"--metric top5 is always 100 % of the {source.num_classes} classes of {spec.data}; "
            "use top1, balanced or val_loss."
        )
    return source if spec.num_classes is None else _with_classes(source, spec.num_classes)


def with_epochs(spec: Spec, source: Source, flops: int) -> Spec:
    """The specification with a number of epochs: by default those of a brief training."""
    if "epochs" in spec.model_fields_set:
        return spec
    return spec.model_copy(update={"epochs": ceil(brief_images(flops) / source.num_train)})


def brief_images(flops: int) -> int:
    """How many images a brief training shows, of a baseline of ``flops`` an image.

    `BRIEF_IMAGES`, and twice as many below `SMALL`: it takes little time, and learns more slowly.
    """
    return BRIEF_IMAGES * (2 if flops < SMALL else 1)


def _with_classes(source: Source, num_classes: int) -> Source:
    """The same images, and a classifier with outputs to spare."""
    spare = num_classes - source.num_classes
    if spare < 0:
        raise UserError(
            f"--num-classes {num_classes} is too few: {source.name} has {source.num_classes} "
            "classes; leave it out to use those."
        )
    return replace(
        source,
        class_names=source.class_names + ("",) * spare,
        fingerprint=digest([source.fingerprint, num_classes]) if spare else source.fingerprint,
    )


def _sides(spec: SweepSpec, by_files: bool) -> tuple[int, int]:
    """Resolution and step in px; a network may have to be run to find them."""

    def find() -> tuple[int, int]:
        baseline = baselines.get(spec.baseline)
        step = spec.resolution_step or baseline.resolution_step
        return spec.resolution or _brief(baseline, step, spec.flops_factor), step

    given: list[float | None] = [spec.resolution, spec.resolution_step]
    if spec.flops_factor < 1:
        given.append(spec.flops_factor)
    resolution, step = kept("sides", spec.baseline, given, find, by_files=by_files)
    return resolution, step


def _brief(baseline: Baseline, step: int, factor: float) -> int:
    """The px of a brief sweep; to shrink, so many that resolution alone can end there.

    Raises:
        UserError: the baseline's own are smaller than its total stride.
    """
    brief = baseline.brief_resolution
    if brief < baseline.total_stride:
        raise UserError(
            f"the {brief} px that {baseline.name} starts from are too small for it: its strides "
            f"need at least {baseline.total_stride} px; give --resolution."
        )
    return brief if factor > 1 else brief + step * ceil((brief / sqrt(factor) - brief) / step)


def _rounding(spec: SweepSpec) -> DepthRule:
    """The authors' rule for the authors' grid; else to the nearest.

    Rounding up, B0 has no network between 1 and 1.48 times its cost along depth, and at many input
    sizes none of equal cost that uses all three axes (docs/planning.md).
    """
    return "authors" if spec.grid == "classic" else "round"


def _rates(spec: SweepSpec) -> Literal["same", "tune"]:
    """Tuned, but for built-in networks on drawn images with SGD, which the default rate suits."""
    usual = spec.optimizer.lower() in _PLAIN
    tried = usual and spec.baseline in BUILT_IN and spec.data in EMBEDDED
    return "same" if tried or "learning_rate" in spec.model_fields_set else "tune"


def _learning_rate(spec: SweepSpec) -> dict[str, float]:
    """Where none is given: that of adaptive optimisers if it is one, or of the network's family."""
    if "learning_rate" in spec.model_fields_set or spec.trainer is not None:
        return {}
    rate = brief_rate(spec.baseline)
    if rate is not None and spec.optimizer.lower() in _PLAIN:
        return {"learning_rate": rate}
    return default_rate(spec)


def default_rate(spec: SweepSpec) -> dict[str, float]:
    """The rate of adaptive optimisers, where one is used and no rate is given."""
    if "learning_rate" in spec.model_fields_set or spec.optimizer.lower() in _PLAIN:
        return {}
    return {"learning_rate": ADAPTIVE_RATE}


def _switched_off(spec: SweepSpec) -> dict[str, object]:
    """What is not searched and not checked where a trainer is given."""
    return {} if spec.trainer is None else {"rates": "same", "check_learning": False}


def held_schedule(spec: SweepSpec) -> dict[str, str]:
    """Where trials are to continue and none is given: the one by which they can.

    Raises:
        UserError: another one is given.
    """
    if spec.trainer is not None or not spec.continues or spec.schedule.lower() == HELD_SCHEDULE:
        return {}
    if "schedule" in spec.model_fields_set:
        raise UserError(
            f"the schedule {spec.schedule!r} does not hold its rate, so that no training can go on "
            f"to a higher rung; use --schedule {HELD_SCHEDULE}, or --rungs-from scratch."
        )
    return {"schedule": HELD_SCHEDULE}


def slug(text: str) -> str:
    """A name in the name of a folder; of a path its last part."""
    path = Path(os.path.expanduser(text))
    is_file = path.suffix in (".yaml", ".yml", ".py", ".csv", ".tsv")
    is_path = is_file or "/" in text or "\\" in text or path.is_dir()
    name = path.stem if is_file else path.resolve().name if is_path else text
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "data"
