"""From variants and outcomes to rows of the tables."""

from __future__ import annotations

import json
import math
import statistics
from dataclasses import asdict, fields
from datetime import datetime, timezone
from typing import Any, Protocol

from scalegrid.plan import Plan, Variant
from scalegrid.results.trial_file import Training
from scalegrid.training.trainer import KNOWN
from scalegrid.training.trial import Outcome, Trial
from scalegrid.util.files import digest

RowDict = dict[str, Any]


def variant_rows(plan: Plan) -> list[RowDict]:
    """The rows of ``variants.parquet`` for a plan, in its order."""
    return [variant_row(variant, order) for order, variant in enumerate(plan.variants)]


class Counted(Protocol):
    """A network with its cost at the resolution that it is trained at."""

    @property
    def flops(self) -> int:
        """Multiply-adds of one image."""

    @property
    def params(self) -> int:
        """Parameters."""


def trial_row(trial: Trial, variant: Counted, outcome: Outcome, num_train: int) -> RowDict:
    """The row of ``trials.parquet`` for a trial that has just ended.

    ``num_train`` is the number of training images; those that do not fill a batch are left out of
    an epoch, as `scalegrid.data.batches` does.
    """
    epochs = outcome.history
    batch = trial.recipe.batch_size
    per_epoch = num_train // batch * batch or num_train
    last = epochs[-1] if outcome.status == "finished" else None
    speeds = [epoch.images_per_second for epoch in epochs if epoch.images_per_second > 0]
    return {
        "trial": trial.trial,
        "variant": trial.variant,
        "seed": trial.seed,
        "rung": trial.rung,
        "learning_rate": math.nan if trial.trainer else trial.recipe.learning_rate,
        "status": outcome.status,
        "top1": last.top1 if last else math.nan,
        "top5": last.top5 if last else math.nan,
        "balanced": last.balanced if last else math.nan,
        "train_loss": last.train_loss if last else math.nan,
        "val_loss": last.val_loss if last else math.nan,
        "flops": variant.flops,
        "params": variant.params,
        "epochs": len(epochs),
        "images": 0 if trial.trainer else len(epochs) * per_epoch,
        # Epochs have equal numbers of images, so the whole's speed is the harmonic mean.
        "images_per_second": statistics.harmonic_mean(speeds) if speeds else math.nan,
        "seconds": outcome.seconds,
        "device": outcome.device,
        "threads": trial.threads,
        "number_format": outcome.number_format,
        "versions": outcome.versions,
        "error": outcome.error,
        "finished_at": datetime.now(timezone.utc),
        "figures": list((last.figures or {} if last else {}).items()) if trial.trainer else None,
    }


def imported_row(training: Training, variant: Variant, data: str) -> RowDict:
    """The row of a training that was made elsewhere; what is not known of it is NaN, 0 or 1970.

    ``data`` stands for the data that it was trained on.
    """
    own = {name: value for name, value in training.figures.items() if name not in KNOWN}
    known = {name: training.figures.get(name, math.nan) for name in KNOWN}
    return {
        "trial": digest(["imported", data, variant.variant, training.seed, training.rung]),
        "variant": variant.variant,
        "seed": training.seed,
        "rung": training.rung,
        "status": "finished",
        **known,
        "flops": variant.flops,
        "params": variant.params,
        "epochs": 0,
        "images": 0,
        "images_per_second": math.nan,
        "seconds": training.seconds,
        "device": training.device,
        "threads": 0,
        "number_format": None,
        "versions": "unknown",
        "error": None,
        "finished_at": datetime.fromtimestamp(0, timezone.utc),
        "figures": list(own.items()),
    }


def history_rows(outcome: Outcome) -> list[RowDict]:
    """The rows of ``history.parquet`` for a trial, one an epoch."""
    rows = [{"trial": outcome.trial, **vars(epoch)} for epoch in outcome.history]
    for row in rows:
        del row["own"]
        row["figures"] = None if row["figures"] is None else list(row["figures"].items())
    return rows


def answer_rows(outcome: Outcome) -> list[RowDict]:
    """The row of ``answers.parquet`` for a trial; none for one that failed."""
    return [{"trial": outcome.trial, **asdict(outcome.answers)}] if outcome.answers else []


def variant_row(variant: Variant, order: int) -> RowDict:
    """The row of ``variants.parquet`` for a variant at a position of the plan."""
    row = {field.name: getattr(variant, field.name) for field in fields(variant)}
    del row["shares"], row["nominal"]
    for prefix, shares in (("share", variant.shares), ("nominal", variant.nominal)):
        row |= {f"{prefix}_{axis}": value for axis, value in shares._asdict().items()}
    return row | {
        "layers": variant.layers,
        "channels": variant.channels,
        "layout": json.dumps([asdict(one) for one in variant.layout]),
        "order": order,
    }
