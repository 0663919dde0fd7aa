"""The fields of a sweep: what each is called, its type, its bounds and its default.

Every field of `SweepSpec` is a key of the YAML file (`scalegrid.util.yaml` reads it) and, with
dashes for underscores, a flag of the command line.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from scalegrid.coefficients import LIMIT, Bounds, DepthRule
from scalegrid.metric import known_metric

if TYPE_CHECKING:
    from typing_extensions import Self

LARGEST_FACTOR = 16.0
"""The largest FLOPs factor of a brief sweep; the smallest is one over it."""

LEAST_FACTOR = 1.01
"""The FLOPs factor nearest 1, above; below it is 0.99."""

LARGEST_SIDE = 4096
"""The largest side of a baseline's square input, in px."""

LARGEST_WIDTH = 4.0
"""The largest width multiplier of `SweepSpec.width_curves`."""

BRIEF_IMAGES = 6400
"""Training images that a brief training sees by default, at least."""

SMALL = 10_000_000
"""FLOPs an image below which a baseline sees twice as many."""

CONFIDENCE = 0.95
"""Default probability of being good enough at which racing stops."""

INDIFFERENCE, LOSS_INDIFFERENCE = 0.3, 0.01
"""Default width of the indifference zone: points of accuracy, and nats for the loss."""

MOST_RUNGS = 8
"""Rungs that a sweep may have."""

IMPORTED = "imported"
"""The trainer of a sweep whose trainings were made elsewhere."""

UNKNOWN = "unknown"
"""The baseline of such a sweep where its networks are not known."""

SEARCH_SECTION = "search"
"""The key of a specification that holds the part of a search for the baseline; no sweep's."""

HELD_SCHEDULE = "wsd"
"""The schedule that holds its rate, so that a training can go on to a higher rung."""

Fit = Literal["crop", "pad", "stretch"]
Metric = Annotated[str, AfterValidator(known_metric)]
"""See `scalegrid.metric`."""

Precision = Literal["auto", "fp32", "bf16", "fp16"]
_Limit = Annotated[int, Field(ge=0, le=1_000_000)]
KernelLimits = tuple[_Limit, _Limit, _Limit]
"""See `SweepSpec.kernel_limits`."""

Match = Literal["flops", "params", "activations", "latency"]
Rates = Literal["same", "tune", "check"]
Engine = Literal["local", "ray", "slurm"]
TrackerName = Literal["tensorboard", "wandb", "trackio", "mlflow"]

PositiveInt = Annotated[int, Field(gt=0, le=10_000_000)]
Side = Annotated[int, Field(gt=0, le=LARGEST_SIDE)]
Parallel = Annotated[int, Field(gt=0, le=1024)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Exponent = Annotated[float, Field(allow_inf_nan=False, ge=-4, le=4)]


class Recipe(BaseModel):
    """How a trial is trained; all trials of a sweep alike, up to the learning rate."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    epochs: PositiveInt = Field(
        1,
        description="Passes over the training images; default: as many as show "
        f"{BRIEF_IMAGES:,} images (networks under {SMALL / 1e6:g} M FLOPs: twice as many).",
    )
    batch_size: PositiveInt = Field(16, description="Images per optimiser step.")
    optimizer: str = Field(
        "sgd", description="Optimiser: any of timm by name (sgd has Nesterov momentum)."
    )
    learning_rate: PositiveFloat = Field(
        0.25,
        description="Peak learning rate of the baseline; default: what suits a built-in family, "
        "else 0.25, or 0.003 for adaptive optimisers.",
    )
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        5e-4, description="Weight decay; none for norms and biases."
    )
    schedule: str = Field(
        "onecycle",
        description="Learning rate schedule: onecycle; wsd, which warms up, holds and decays; or "
        "any of timm by name (cosine, step, …).",
    )
    warmup: Fraction = Field(0.2, description="Warm-up, as a share of the steps.")
    label_smoothing: Fraction = Field(0.1, description="Label smoothing of the training loss.")
    clip_norm: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        1.0, description="Largest norm of the gradient; 0: no limit."
    )
    ema_decay: Fraction = Field(
        0.0, description="Decay per step of averaged weights; 0: no averaging."
    )
    flip: bool | None = Field(
        None, description="Mirror training images at random; default: where the data allow it."
    )
    shift: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.05, description="Largest random shift of a training image, as a share of its side."
    )
    precision: Precision = Field(
        "auto",
        description="Number format of products: fp32; bf16, or on CUDA devices fp16, by autocast; "
        "auto: for a sweep on CPUs the faster of fp32 and bf16, found by a few steps on noise; on "
        "CUDA devices bf16, or fp16 if one lacks that; else fp32.",
    )


class SweepSpec(Recipe):
    """All settings of a sweep. Paths are relative to the working directory."""

    # What is scaled
    baseline: str = Field("b0", description="Network to scale; see `scalegrid baselines`.")
    resolution: Side | None = Field(
        None, description="Input side of the baseline in px; default: as the baseline defines."
    )
    resolution_step: PositiveInt | None = Field(
        None,
        description="Step between resolutions in px; default: the network's own, such as an eighth "
        "of the total stride, or a patch.",
    )

    # Data
    data: str = Field(
        "leaves",
        description="Data set: leaves or glyphs, which are drawn; a folder of images or parquet "
        "shards; a CSV table with columns path, label and, if it has one, split; or a torchvision "
        "name such as cifar10.",
    )
    data_dir: str | None = Field(
        None, description="Folder of torchvision data sets; default: in the cache."
    )
    download: bool = Field(True, description="Download missing torchvision data sets.")
    channels: Annotated[int, Field(gt=0, le=4096)] | None = Field(
        None,
        description="Channels of the images, 1 for grey; default: 3, or those of multi-band files.",
    )
    image_column: str | None = Field(
        None,
        description="Column of images in parquet shards, by default the only one; or of paths in a "
        "CSV table, by default path.",
    )
    label_column: str | None = Field(
        None,
        description="Column of labels in parquet shards, by default the only one; or in a CSV "
        "table, by default label.",
    )
    fit: Fit = Field(
        "crop",
        description="How images become squares: crop keeps the middle, pad adds black, stretch "
        "scales each side alone.",
    )
    skip_bad_images: bool = Field(False, description="Leave out image files that cannot be read.")
    num_classes: PositiveInt | None = Field(
        None,
        description="Classes of the classifier; default: those of the data (trainer: 10).",
    )
    train_images: PositiveInt | None = Field(
        None, description="Training images per epoch; default: all (leaves: 6,400)."
    )
    val_images: PositiveInt | None = Field(
        None, description="Validation images; default: the data's own, else a tenth of all."
    )

    trainer: str | None = Field(
        None,
        description="Train by a function of your own, package.module:function, in the place of the "
        "recipe and its data (docs/trainer.md).",
    )

    # Recipe, beside the fields of Recipe
    rates: Rates | None = Field(
        None,
        description="Learning rates. same: as given; tune: one for all, found by a few trainings "
        "of the baseline; check: one for each variant, by trainings of each axis alone too. "
        "Default: tune where none is given, unless a built-in network is trained on leaves or "
        "glyphs.",
    )
    rate_exponents: tuple[Exponent, Exponent, Exponent] = Field(
        (0.0, 0.0, 0.0),
        description="Exponents of depth, width and resolution by which a variant's learning rate "
        "differs from the baseline's; --rates check finds them.",
    )

    # Candidates
    grid: Literal["matched", "simplex", "classic"] = Field(
        "matched",
        description="How candidates are chosen: at equal measured cost, or as in the paper.",
    )
    candidates: Annotated[int, Field(ge=4)] | Literal["all"] = Field(
        12, description="Matched grid: number of scaled networks, corners included, or all."
    )
    divisions: Annotated[int, Field(gt=0, le=100)] = Field(
        4, description="Simplex grid: N, where shares are multiples of 1/N."
    )
    match: Match = Field("flops", description="Matched and simplex grids: the cost that is equal.")
    cost_tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.03,
        description="Matched and simplex grids: largest relative deviation from F.",
    )
    step: PositiveFloat = Field(0.05, description="Classic grid: lattice step of α, β and γ.")
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.1, description="Classic grid: largest |α·β²·γ² − F|."
    )
    flops_factor: Annotated[float, Field(ge=1 / LARGEST_FACTOR, le=LARGEST_FACTOR)] = Field(
        2.0, description="FLOPs ratio at φ = 1, called F; below 1 networks are made smaller."
    )
    alpha_range: Bounds | None = Field(
        None, description="Bounds of α, also across 1; default: from 1 to F."
    )
    beta_range: Bounds | None = Field(
        None, description="Bounds of β, likewise; default: as F allows."
    )
    gamma_range: Bounds | None = Field(
        None, description="Bounds of γ, likewise; default: as F allows."
    )
    depth_rounding: DepthRule | None = Field(
        None,
        description="How multiplied layers become whole: ceil, round, or the authors' rule. "
        "Default: round; classic grid: authors.",
    )
    scale: Literal["axes", "stages"] = Field(
        "axes",
        description="axes: depth, width and resolution; stages: also where the added layers go, "
        "early, evenly or late, at the coefficients of --compound.",
    )
    curves: tuple[float, ...] = Field(
        (), description="FLOPs factors of further single-axis variants, such as 1,1.5,2,3."
    )
    compound: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None,
        description="Coefficients of further variants at the FLOPs factors of --curves, beside the "
        "single axes, and of --scale stages; --extend gives those that a sweep recommends.",
    )
    width_curves: tuple[float, ...] = Field(
        (),
        description="Width multipliers, such as 1,1.5,2, of further variants at once and twice the "
        "depth and once and 1.3 times the resolution.",
    )

    # Which trials, and where they run
    allocation: Literal["uniform", "racing"] | None = Field(
        None,
        description="uniform: the same seeds for all, and all candidates at all --rungs; racing: "
        "more where they decide something. Default: racing if one of its limits is given, else the "
        "same seeds for all that can still be best.",
    )
    confidence: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None,
        description="Racing: probability that the leader is good enough at which it stops; "
        f"default: {CONFIDENCE:g}.",
    )
    max_trials: PositiveInt | None = Field(
        None, description="Racing: largest number of trials, failed ones included."
    )
    max_hours: PositiveFloat | None = Field(
        None,
        description="Racing starts no trial after this many hours of training, "
        "earlier runs included.",
    )
    hours: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] | None = Field(
        None,
        description="Racing: plan for this many hours in all, by the speed of this machine and the "
        "noise measured of similar sweeps: max-hours, and, if not given, how many candidates, "
        "which rungs, and shorter trials where time is short.",
    )
    seeds: Annotated[int, Field(gt=0, le=10_000)] = Field(
        1, description="Replicates of each variant; racing: at the start."
    )
    rungs: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (1,),
        description="Multiples of the brief budget, such as 1,3,9: all variants are trained for "
        "the first, and the candidates that can still be best go on to the next.",
    )
    rungs_from: Literal["continue", "scratch"] = Field(
        "continue",
        description="A trial at a higher rung continues that of the one before, by a schedule "
        "that holds its rate (wsd), or starts from scratch, by any schedule.",
    )
    check_learning: bool = Field(
        True,
        description="Train the baseline twice at first, and stop if it has not learnt, or if its "
        "seeds differ too much for candidates to be compared.",
    )
    metric: Metric = Field(
        "top1",
        description="Criterion: top1, top5, balanced (mean over classes of the accuracy within "
        "each), val_loss, nas (accuracy times a power of FLOPs), or a trainer's figure, with "
        "--maximize or --minimize (in YAML: `maximize NAME`).",
    )
    indifference: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None,
        description="Differences of this many points of accuracy (nats for val_loss, the unit of a "
        "trainer's figure) do not matter; "
        f"default: {INDIFFERENCE:g} points, {LOSS_INDIFFERENCE:g} nats, 0.",
    )
    executor: Engine = Field(
        "local",
        description="Where trials run: in processes of this machine, on Ray, or by Slurm.",
    )
    ray_address: str | None = Field(
        None,
        description="Ray cluster to join, auto (this machine's) or HOST:PORT; default: a new one"
        " here.",
    )
    cpus_per_trial: Annotated[float, Field(ge=0.125, allow_inf_nan=False)] | None = Field(
        None, description="CPUs that Ray keeps for a trial; default: as many as threads."
    )
    gpus_per_trial: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(
        None,
        description="GPUs that Ray keeps for a trial, such as 0.5; default: one over "
        "trials-per-device where the cluster has GPUs and the device is not cpu.",
    )
    slurm: str | None = Field(
        None,
        description="Settings of sbatch for each job, such as partition=gpu,time=2:00:00,gpus=1 "
        "(docs/cluster.md).",
    )
    workers: Parallel | None = Field(
        None,
        description="Trials at once; default: one per core, or trials-per-device per GPU; by "
        "Slurm: 8.",
    )
    threads: Parallel = Field(
        1, description="CPU threads per worker; on a GPU, decoders of images that are not cached."
    )
    trials_per_device: Parallel | None = Field(
        None,
        description="Simultaneous trials per GPU; default: found by a few seconds of steps, or 1 "
        "on a cluster, in a search, with --compile and with --trainer.",
    )
    device: str = Field("auto", description="Device: auto, cpu, cuda, cuda:N, or mps.")
    fast_depthwise: bool = Field(
        True, description="Faster CPU kernels, mainly for depthwise convolutions."
    )
    kernel_limits: KernelLimits | None = Field(
        None,
        description="The largest maps of the faster CPU kernels: positions for pointwise "
        "convolutions as matrix products, pairs of positions for depthwise weight gradients by "
        "correlation, positions for dense ones by taps; default: found with the precision, or "
        "36 4096 0.",
    )
    keep_checkpoints: PositiveFloat = Field(
        10.0,
        description="Largest total size of the checkpoints that trials at higher rungs continue "
        "from, in GB; a trial without one starts from scratch.",
    )
    compile: bool = Field(
        False, description="Compile networks into CUDA graphs; useful for long trainings."
    )

    # Where results go
    name: str | None = Field(
        None, description="Name of the sweep; default: baseline, data and resolution."
    )
    results: str = Field("results", description="Folder that holds the sweeps.")
    track: tuple[TrackerName, ...] = Field(
        (),
        description="Send trials and figures to trackers: any of "
        f"{', '.join(get_args(TrackerName))}; repeated or separated by commas.",
    )

    @field_validator("track", mode="before")
    @classmethod
    def _words(cls, words: object) -> object:
        if isinstance(words, str):
            words = tuple(word.strip() for word in words.split(",") if word.strip())
        if not isinstance(words, tuple):
            raise ValueError("must be names separated by commas, or a list of them")
        return tuple(dict.fromkeys(words))

    @field_validator("flops_factor")
    @classmethod
    def _factor(cls, factor: float) -> float:
        if 0.99 < factor < LEAST_FACTOR:
            raise ValueError(
                f"must be {LEAST_FACTOR:g} or above, or 0.99 or below: at 1 nothing is scaled"
            )
        return factor

    @field_validator("alpha_range", "beta_range", "gamma_range")
    @classmethod
    def _bounds(cls, bounds: Bounds | None) -> Bounds | None:
        if bounds is None:
            return None
        low, high = bounds
        if not (math.isfinite(low) and math.isfinite(high)) or low <= 0:
            raise ValueError(f"the lower bound {low:g} must be above 0 and both finite")
        if low > high:
            raise ValueError(f"the lower bound {low:g} is above the upper bound {high:g}")
        return bounds

    @field_validator("curves")
    @classmethod
    def _curves(cls, factors: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        low, high = factors_allowed(info.data.get("flops_factor", 2.0))
        for factor in factors:
            if factor != 1 and not low <= factor <= high:
                raise ValueError(
                    f"the FLOPs factor {factor} must be 1, or from {low:g} to {high:g}"
                )
        return tuple(sorted(set(factors)))

    @field_validator("compound")
    @classmethod
    def _compound(
        cls, triple: tuple[float, float, float] | None, info: ValidationInfo
    ) -> tuple[float, float, float] | None:
        if triple is None:
            return None
        factor = info.data.get("flops_factor", 2.0)
        curves = set(info.data.get("curves", ())) - {1.0, factor}
        if not curves and info.data.get("scale") != "stages":
            raise ValueError(
                f"is for --curves of other FLOPs factors than 1 and {factor:g}, or --scale stages"
            )
        if not all(1 / LIMIT <= c <= LIMIT for c in triple):
            raise ValueError(f"must be from 1/{LIMIT:g} to {LIMIT:g} each")
        sign = 1 if factor > 1 else -1
        each = [sign * math.log(c) for c in triple]
        ranges = ("alpha_range", "beta_range", "gamma_range")
        across = any(info.data.get(key) for key in ranges) or info.data.get("grid") == "classic"
        if each[0] + 2 * (each[1] + each[2]) <= 0 or (min(each) < 0 and not across):
            most = "at least" if sign > 0 else "at most"
            raise ValueError(f"must be {most} 1 each, and not all 1, for networks of {factor:g}×")
        return triple

    @field_validator("width_curves")
    @classmethod
    def _width_curves(cls, widths: tuple[float, ...]) -> tuple[float, ...]:
        for width in widths:
            if not 1 <= width <= LARGEST_WIDTH:
                raise ValueError(f"the width {width} must be from 1 to {LARGEST_WIDTH:g}")
        if 0 < len(set(widths)) < 3:
            raise ValueError("must be three widths or more, such as 1,1.5,2")
        return tuple(sorted(set(widths)))

    @field_validator("rungs")
    @classmethod
    def _increasing(cls, rungs: tuple[int, ...]) -> tuple[int, ...]:
        if rungs[:1] != (1,) or list(rungs) != sorted(set(rungs)):
            raise ValueError("must begin with 1 and increase, such as 1,3,9")
        if len(rungs) > MOST_RUNGS:
            raise ValueError(f"must be {MOST_RUNGS} numbers at most, such as 1,3,9")
        return rungs

    @field_validator("confidence", "max_trials", "max_hours", "hours")
    @classmethod
    def _needs_racing(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("allocation") == "uniform":
            raise ValueError("is only for racing; leave it out, or use --allocation racing")
        return value

    @field_validator("kernel_limits")
    @classmethod
    def _of_fast_kernels(
        cls, limits: KernelLimits | None, info: ValidationInfo
    ) -> KernelLimits | None:
        if limits is not None and not info.data.get("fast_depthwise", True):
            raise ValueError("is only for --fast-depthwise; leave it out, or use that")
        return limits

    @field_validator("ray_address", "cpus_per_trial", "gpus_per_trial", "slurm")
    @classmethod
    def _of_its_executor(cls, value: object, info: ValidationInfo) -> object:
        engine = "slurm" if info.field_name == "slurm" else "ray"
        if value is not None and info.data.get("executor") != engine:
            raise ValueError(f"is only for --executor {engine}; leave it out, or use that")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _lists(cls, value: object) -> object:
        """Lists of Python are as good as tuples."""
        return tuple(value) if isinstance(value, list) else value

    @field_validator("*")
    @classmethod
    def _text(cls, value: object) -> object:
        if isinstance(value, str) and ("\0" in value or not _encodes(value)):
            raise ValueError("must be text without NUL characters and lone surrogates")
        return value

    @field_validator("results", "data", "data_dir", "baseline", "trainer")
    @classmethod
    def _named(cls, path: str | None) -> str | None:
        if path is not None and (not path.strip() or "\0" in path):
            raise ValueError("must be a name; perhaps a variable of the shell is unset")
        return path

    @field_validator("results", "data_dir", "baseline", "trainer")
    @classmethod
    def _path(cls, path: str | None) -> str | None:
        # A shell expands ~ only where a flag stands apart from its value.
        return path and os.path.expanduser(path)

    @field_validator("name")
    @classmethod
    def _name(cls, name: str | None) -> str | None:
        if name is not None:
            check_name(name)
        return name

    @model_serializer(mode="wrap")
    def _what_holds(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """All fields, less those that a trainer decides, or that trainings elsewhere lack."""
        fields: dict[str, Any] = write(self)
        if self.imported:
            return {key: value for key, value in fields.items() if key in IMPORTED_KEYS}
        dropped = TRAINER_KEYS if self.trainer is not None else ()
        return {key: value for key, value in fields.items() if key not in dropped}

    @property
    def imported(self) -> bool:
        """Whether the trainings were made elsewhere."""
        return self.trainer == IMPORTED

    @property
    def network_known(self) -> bool:
        """Whether the networks can be built; of trainings made elsewhere they need not be."""
        return not self.imported or self.baseline != UNKNOWN

    @property
    def matched_cost(self) -> Match:
        """The cost that the plan makes equal, or compares: FLOPs in a classic grid."""
        return "flops" if self.grid == "classic" else self.match

    @property
    def continues(self) -> bool:
        """Whether trials go on from checkpoints of the rung before."""
        return len(self.rungs) > 1 and self.rungs_from == "continue"

    @property
    def racing(self) -> bool:
        """Whether racing allocates the trials."""
        if self.allocation is not None:
            return self.allocation == "racing"
        limits = (self.confidence, self.max_trials, self.max_hours, self.hours)
        return any(limit is not None for limit in limits)

    def going_on(self, given: SweepSpec, stored: SweepSpec) -> Self:
        """This specification as a run that goes on with a stored sweep.

        Args:
            given: the specification as the user gave it, of which this one is resolved.
            stored: that of the sweep; its recipe and its rounding hold where none is given.
        """
        said = {key for key in given.model_fields_set if getattr(given, key) is not None}
        own = {*FOUND_KEYS, *Recipe.model_fields} - said
        if "learning_rate" in said:
            own.discard("rates")  # a rate that is given is not one to be found
        if self.precision == "auto":
            own.add("precision")  # what was found holds
        if "rates" in said and self.rates != "same":
            own |= {"learning_rate", "rate_exponents"}  # what is given is where the search began
        kept = {key: getattr(stored, key) for key in own}
        if self.hours is not None:
            kept |= self._planned_before(said, stored)
        return self.model_copy(update=kept)

    def _planned_before(self, said: set[str], stored: SweepSpec) -> dict[str, Any]:
        """What holds of a stored sweep where ``hours`` are given: its plan, and a limit by them."""
        kept = {key: getattr(stored, key) for key in HOURS_KEYS - said}
        if "max_hours" in said and self.max_hours != stored.max_hours:
            return kept
        if stored.hours is None or stored.max_hours is None:
            return kept | {"max_hours": self.hours}
        hours, longest = float(self.hours or 0.0), stored.hours - stored.max_hours
        return kept | {"max_hours": max(hours - longest, _HARDLY * hours)}

    @property
    def folder(self) -> Path:
        """Where the results of a resolved specification go."""
        return Path(self.results) / str(self.name)

    @property
    def recipe(self) -> Recipe:
        """The part of the specification that determines how a trial is trained."""
        return Recipe(**{key: getattr(self, key) for key in Recipe.model_fields})


def factors_allowed(flops_factor: float) -> tuple[float, float]:
    """The least and the largest FLOPs factor of a curve, in a sweep that scales by this one."""
    return (LEAST_FACTOR, LARGEST_FACTOR) if flops_factor > 1 else (1 / LARGEST_FACTOR, 0.99)


def _encodes(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


_HARDLY = 0.01  # of the hours, where none is left to begin a trial in

_LONGEST_NAME = 255  # bytes, the limit of file systems


def check_name(name: str) -> None:
    """Raise ValueError unless ``name`` can be a folder directly under the results folder."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise ValueError(f"{name!r} must be a plain folder name without path separators")
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise ValueError(f"a name of {len(name)} characters is too long for a folder")


GROUPS: dict[str, tuple[str, ...]] = {
    "What is scaled": ("baseline", "resolution", "resolution_step"),
    "Data": (
        *("data", "train_images", "val_images", "channels", "num_classes"),
        *("fit", "skip_bad_images", "image_column", "label_column", "data_dir", "download"),
    ),
    "Recipe": (
        *(
            "epochs",
            "trainer",
            "batch_size",
            "learning_rate",
            "rates",
            "rate_exponents",
            "optimizer",
            "schedule",
            "weight_decay",
        ),
        *("warmup", "label_smoothing", "clip_norm", "ema_decay", "flip", "shift", "precision"),
    ),
    "Candidates": (
        *("candidates", "grid", "flops_factor", "curves", "compound", "scale", "width_curves"),
        *("match", "cost_tolerance"),
        *(
            "depth_rounding",
            "alpha_range",
            "beta_range",
            "gamma_range",
            "divisions",
            "step",
            "tolerance",
        ),
    ),
    "Allocation": (
        *("hours", "seeds", "allocation", "max_trials", "max_hours", "confidence"),
        *("rungs", "rungs_from"),
        *("metric", "indifference", "check_learning"),
    ),
    "Where it runs": (
        *("workers", "device", "trials_per_device", "threads", "fast_depthwise", "kernel_limits"),
        *(
            "compile",
            "keep_checkpoints",
            "executor",
            "ray_address",
            "cpus_per_trial",
            "gpus_per_trial",
        ),
        "slurm",
    ),
    "Results": ("name", "results", "track"),
}
"""Every key under a heading, most used first, for help."""

ENGINE_KEYS: dict[Engine, tuple[str, ...]] = {
    "local": (),
    "ray": ("ray_address", "cpus_per_trial", "gpus_per_trial"),
    "slurm": ("slurm",),
}
"""Keys that mean something to one executor alone."""


def of_other_engines(given: Mapping[str, Any]) -> dict[str, None]:
    """What no longer holds of other settings, if those that are given have an executor."""
    engine = given.get("executor")
    others = {key: keys for key, keys in ENGINE_KEYS.items() if engine not in (None, key)}
    return {key: None for keys in others.values() for key in keys}


JUDGING_KEYS = frozenset({"metric", "indifference", "confidence"})
"""Keys that decide how results are compared; `scalegrid recommend` uses them."""

FOUND_KEYS = frozenset({"depth_rounding", "rates", "rate_exponents", "kernel_limits"})
"""Keys beside those of the recipe for which a sweep finds a value, and keeps it."""

RUNTIME_KEYS = frozenset(
    {
        *("workers", "threads", "trials_per_device", "device", "data_dir", "download"),
        *("name", "results", "track", "keep_checkpoints"),
        *("executor", *(key for keys in ENGINE_KEYS.values() for key in keys)),
    }
)
"""Keys that decide where and how trials run, not their numbers."""

TRAINER_KEYS = frozenset(
    {
        *("data", "data_dir", "download", "image_column", "label_column"),
        *("skip_bad_images", "fit"),
        *("train_images", "val_images", "rates", "rate_exponents"),
        *("fast_depthwise", "kernel_limits", "compile", "keep_checkpoints"),
        *(key for key in Recipe.model_fields if key != "epochs"),
    }
)
"""Keys that mean nothing where a trainer is given: it decides what they do."""

IMPORTED_KEYS = frozenset(
    {
        *("baseline", "resolution", "resolution_step", "channels", "num_classes", "trainer"),
        *("flops_factor", "depth_rounding", "curves", "compound", "rungs"),
        *("metric", "indifference", "confidence", "name", "results"),
    }
)
"""Keys that mean something where trainings were made elsewhere."""

IMAGE_KEYS = frozenset(
    {"data", "channels", "image_column", "label_column", "skip_bad_images", "fit"}
)
"""Keys that decide the images: two values may mean the same, so their fingerprint is compared."""

ALLOCATION_KEYS = frozenset(
    {
        *("allocation", "confidence", "max_trials", "max_hours", "hours"),
        *("seeds", "rungs", "rungs_from", "metric", "indifference", "check_learning"),
    }
)
"""Keys that decide how many trials each variant gets, and at which rungs."""

HOURS_KEYS = frozenset({"candidates", "rungs", "epochs", "train_images", "max_hours"})
"""Keys that ``hours`` decide where they are not given."""

CANDIDATE_KEYS = frozenset(
    {
        *("grid", "candidates", "divisions", "match", "cost_tolerance", "depth_rounding"),
        *("step", "tolerance", "alpha_range", "beta_range", "gamma_range"),
        *("curves", "compound", "scale", "width_curves"),
    }
)
"""Keys that decide which variants a sweep has."""

EXTENDABLE_KEYS = ALLOCATION_KEYS | CANDIDATE_KEYS
"""Keys for which trials a sweep has; changing them extends the sweep."""
