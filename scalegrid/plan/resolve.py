"""From what the user gave to what a sweep needs: defaults, a name, a folder, the data."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from scalegrid import baselines
from scalegrid.data import Source, open_source
from scalegrid.plan import resolve_step
from scalegrid.spec import Recipe, SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest


def resolve(spec: SweepSpec) -> SweepSpec:
    """The specification with the defaults that depend on the baseline: resolution and name.

    Raises:
        UserError: the baseline is unknown.
    """
    baseline = baselines.get(spec.baseline)
    resolution = spec.resolution or baseline.brief_resolution
    step = resolve_step(spec, baseline)
    spec = spec.model_copy(update={"resolution": resolution, "resolution_step": step})
    return spec.model_copy(update={"name": spec.name or default_name(spec)})


def default_name(spec: SweepSpec) -> str:
    """``b0-glyphs-48``: baseline, data and resolution in px; of a path, its last part."""
    return f"{_slug(spec.baseline)}-{_slug(spec.data)}-{spec.resolution}"


def results_folder(spec: SweepSpec) -> Path:
    """Where the results of a resolved specification go."""
    return Path(spec.results) / str(spec.name)


def check_recipe(spec: SweepSpec) -> None:
    """Look whether the optimiser and the schedule exist.

    The default ones do; asking timm about them takes seconds, which much can do without.

    Raises:
        UserError: one does not.
    """
    default = Recipe()
    if (spec.optimizer, spec.schedule) != (default.optimizer, default.schedule):
        from scalegrid.training import recipe

        recipe.check_recipe(spec.recipe)


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


def resolve_recipe(spec: SweepSpec, source: Source) -> Recipe:
    """The recipe of every trial: images are mirrored where the data allow it, unless said."""
    flip = source.mirror if spec.flip is None else spec.flip
    return spec.recipe.model_copy(update={"flip": flip})


def _slug(text: str) -> str:
    path = Path(os.path.expanduser(text))
    is_file = path.suffix in (".yaml", ".yml", ".py")
    is_path = is_file or "/" in text or "\\" in text or path.is_dir()
    name = path.stem if is_file else path.resolve().name if is_path else text
    return re.sub(r"[^\w.+-]+", "-", name).strip("-.") or "data"
