"""From what the user gave to what a plan needs: defaults, a name, the data."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from scalegrid import baselines
from scalegrid.baselines import Baseline
from scalegrid.coefficients import DepthRule
from scalegrid.data import Source, open_source
from scalegrid.spec import Recipe, SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest, recalled


def resolve(spec: SweepSpec) -> SweepSpec:
    """The specification with the defaults that depend on others: px, rounding and name.

    A resolved specification stays as it is.

    Raises:
        UserError: the baseline is unknown.
    """
    if spec.resolution and spec.resolution_step and spec.name and spec.depth_rounding:
        return spec
    baseline = baselines.get(spec.baseline)
    resolution, step = _sides(spec, baseline)
    spec = spec.model_copy(
        update={
            "resolution": resolution,
            "resolution_step": step,
            "depth_rounding": spec.depth_rounding or _rounding(spec),
        }
    )
    return spec.model_copy(update={"name": spec.name or default_name(spec)})


def default_name(spec: SweepSpec) -> str:
    """``b0-glyphs-48``: baseline, data and resolution in px; of a path, its last part."""
    return f"{_slug(spec.baseline)}-{_slug(spec.data)}-{spec.resolution}"


def check_training(spec: SweepSpec) -> None:
    """Check that the optimiser and the schedule exist.

    The default ones do; to ask timm about others takes seconds.

    Raises:
        UserError: either does not.
    """
    default = Recipe()
    if (spec.optimizer, spec.schedule) != (default.optimizer, default.schedule):
        from scalegrid.training.recipe import check_recipe

        check_recipe(spec.recipe)


def open_data(spec: SweepSpec) -> Source:
    """The data that a specification names.

    Raises:
        UserError: there is no such data, it is bad, or a batch is larger than all of it.
    """
    source = open_source(
        spec.data,
        train_images=spec.train_images,
        val_images=spec.val_images,
        download=spec.download,
        data_dir=Path(spec.data_dir) if spec.data_dir else None,
        channels=spec.channels,
        image_column=spec.image_column,
        label_column=spec.label_column,
    )
    if source.num_train < spec.batch_size:
        raise UserError(
            f"{spec.data} has {source.num_train} training images, fewer than a batch of "
            f"{spec.batch_size}; lower --batch-size or use more images."
        )
    return source if spec.num_classes is None else _with_classes(source, spec.num_classes)


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


def _sides(spec: SweepSpec, baseline: Baseline) -> tuple[int, int]:
    """Resolution and step in px; a model of timm is run to find them, and they are kept."""
    given = spec.resolution, spec.resolution_step

    def find() -> tuple[int, int]:
        resolution = spec.resolution or baseline.brief_resolution
        return resolution, spec.resolution_step or baseline.resolution_step

    if baseline.origin != "timm":
        return find()
    resolution, step = recalled("sides", [baseline.definition, given], find)
    return resolution, step


def _rounding(spec: SweepSpec) -> DepthRule:
    """The authors' rule for the authors' grid; else to the nearest.

    Rounding up, B0 has no network between 1 and 1.48 times its cost along depth, and at many input
    sizes none of equal cost that uses all three axes (docs/planning.md).
    """
    return "authors" if spec.grid == "classic" else "round"


def _slug(text: str) -> str:
    path = Path(os.path.expanduser(text))
    is_file = path.suffix in (".yaml", ".yml", ".py")
    is_path = is_file or "/" in text or "\\" in text or path.is_dir()
    name = path.stem if is_file else path.resolve().name if is_path else text
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "data"
