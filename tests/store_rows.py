"""Rows for the tables of a store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
from light_sweep import light_plan, light_spec

from scalegrid.results.rows import variant_rows
from scalegrid.training.answers import Answers

Row = dict[str, Any]
VARIANTS = ("v000", "v001", "v002")


def plan_rows(count: int = len(VARIANTS)) -> list[Row]:
    """Rows of a plan: variants v000, v001, ... (at least four)."""
    return variant_rows(light_plan(light_spec("results", candidates=max(4, count))))[:count]


def trial(variant: str, seed: int, **changes: Any) -> Row:
    """A finished trial of two epochs."""
    row: Row = {
        "trial": f"{variant}-{seed}",
        "variant": variant,
        "seed": seed,
        "rung": 1,
        "learning_rate": 0.1,
        "status": "finished",
        "top1": 0.5,
        "top5": 0.75,
        "balanced": 0.5,
        "train_loss": 1.0,
        "val_loss": 2.0,
        "flops": 100,
        "params": 10,
        "epochs": 2,
        "images": 128,
        "images_per_second": 1000.0,
        "seconds": 3.5,
        "device": "cpu",
        "threads": 1,
        "number_format": "fp32",
        "versions": "scalegrid 0",
        "error": None,
        "finished_at": datetime(2020, 1, 1, tzinfo=timezone.utc),
        "figures": None,
    }
    return {**row, **changes}


def failure(variant: str, seed: int, error: str = "the loss became nan in epoch 2") -> Row:
    """A failed trial without epochs."""
    missing: Row = dict.fromkeys(("top1", "top5", "balanced", "train_loss", "val_loss"), math.nan)
    missing["number_format"] = None
    return trial(variant, seed, status="failed", epochs=0, error=error, **missing)


def epochs(row: Row, count: int = 2) -> list[Row]:
    """The history of a trial."""
    values = ("train_loss", "val_loss", "top1", "top5", "balanced", "learning_rate")
    measured = ("images_per_second", "seconds")
    numbers = dict.fromkeys((*values, *measured), 0.25)
    whole = {"trial": row["trial"], **numbers, "figures": None}
    return [{**whole, "epoch": i} for i in range(1, count + 1)]


def answers(row: Row, images: int = 12) -> Row:
    """Which images a trial got right: as many as its top-1 says, others for another trial."""
    order = np.random.default_rng(sum(row["trial"].encode())).permutation(images)
    packed = Answers.pack(order < round(row["top1"] * images))
    return {"trial": row["trial"], "images": images, "correct": packed.correct}


def all_answers(rows: Sequence[Row]) -> list[Row]:
    """The answers of the finished ones of several trials."""
    return [answers(row) for row in rows if row["status"] == "finished"]


def histories(rows: Sequence[Row]) -> list[Row]:
    """The histories of several trials, one after the other."""
    return [epoch for row in rows for epoch in epochs(row, row["epochs"])]
