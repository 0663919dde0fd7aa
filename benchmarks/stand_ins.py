"""Substitutes for training and for a large sweep, to measure everything but training."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

# Unused here, but imported by the workers of a real sweep; most of their start-up time.
import scalegrid.training.loop  # noqa: F401
from scalegrid.executors import LocalExecutor, MakeExecutor, Placement
from scalegrid.plan import Plan, make_plan
from scalegrid.plan.resolve import resolve
from scalegrid.progress.status import Status, write_status
from scalegrid.results import Store
from scalegrid.results.rows import history_rows, variant_rows
from scalegrid.spec import SweepSpec
from scalegrid.sweep import run_sweep
from scalegrid.training.answers import Answers
from scalegrid.training.trial import Epoch, Outcome, Trial

SECONDS = "STAND_IN_SECONDS"
"""The environment variable with the computing time of a trial in seconds."""

_EPOCHS, _IMAGES = 2, 1000
_MEAN, _BETWEEN_VARIANTS, _BETWEEN_SEEDS = 0.6, 0.008, 0.007  # mean and sd of top-1


def train(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    """Keep a core busy for so many seconds of its own time, however long it has to wait for it."""
    seconds = float(os.environ.get(SECONDS, "0"))
    for number in range(1, trial.recipe.epochs + 1):
        end = time.thread_time() + seconds / trial.recipe.epochs
        while time.thread_time() < end:
            pass
        draw = np.random.default_rng(trial.seed).random()
        report(_epoch(number, draw))


def pause(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    """As `train`, but leave the core to others meanwhile."""
    time.sleep(float(os.environ.get(SECONDS, "0")))
    report(_epoch(1, np.random.default_rng(trial.seed).random()))


def in_workers(placement: Placement) -> LocalExecutor:
    """Worker processes that `train`."""
    return LocalExecutor(
        placement.workers, placement.devices, placement.threads, f"{__name__}:train"
    )


def run(
    results: Path,
    variants: int,
    seeds: int,
    make_executor: MakeExecutor = in_workers,
    *,
    join: bool = False,
) -> None:
    """Run a sweep of the first ``variants`` of nano as the command does, without training."""

    def first(spec: SweepSpec) -> Plan:
        made = make_plan(spec)
        return replace(made, variants=made.variants[:variants])

    spec = SweepSpec(
        baseline="nano", results=str(results), device="cpu", seeds=seeds, epochs=_EPOCHS
    )
    with mock.patch("scalegrid.sweep.make_plan", first):
        run_sweep(spec, make_executor=make_executor, measure_rate=False, join=join)


def write_large_sweep(results: Path, variants: int, trials: int) -> str:
    """Write a finished sweep with ``trials`` trials; return its name.

    Variants differ in accuracy about as much as seeds do.
    """
    plan = large_plan(variants)
    with Store(results / "large") as store:
        store.start(large_spec(results, variants), variant_rows(plan), "stand-in")
        rows = list(trial_rows(plan, trials))
        history = [epoch for row in rows for epoch in epoch_rows(row)]
        store.add(rows, history, [answer_row(row) for row in rows])
    now = time.time()
    write_status(
        results / "large",
        Status("large", "finished", len(rows), 0, len(rows), started_at=now, updated_at=now),
    )
    return "large"


def trial_rows(plan: Plan, count: int) -> Iterator[dict[str, Any]]:
    """Rows of the first ``count`` trials of a plan, all finished, seed by seed."""
    generator = np.random.default_rng(0)
    means = _MEAN + _BETWEEN_VARIANTS * generator.standard_normal(len(plan.variants))
    for number in range(count):
        seed, index = divmod(number, len(plan.variants))
        variant = plan.variants[index]
        drawn = means[index] + _BETWEEN_SEEDS * generator.standard_normal()
        top1 = round(float(drawn) * _IMAGES) / _IMAGES
        yield {
            "trial": f"{variant.variant}-{seed}",
            "variant": variant.variant,
            "seed": seed,
            "rung": 1,
            "learning_rate": plan.spec.learning_rate,
            "status": "finished",
            "top1": top1,
            "top5": (1 + top1) / 2,
            "balanced": top1,
            "train_loss": 1.0,
            "val_loss": 1.0,
            "flops": variant.flops,
            "params": variant.params,
            "epochs": _EPOCHS,
            "images": 4800,
            "images_per_second": 1000.0,
            "seconds": 4.8,
            "device": "cpu",
            "threads": 1,
            "versions": "stand-in",
            "error": None,
            "finished_at": datetime(2020, 1, 1, tzinfo=timezone.utc),
            "figures": None,
        }


def epoch_rows(trial: dict[str, Any]) -> list[dict[str, Any]]:
    """The history of a trial, from its row."""
    epochs = tuple(_epoch(number, trial["top1"]) for number in range(1, trial["epochs"] + 1))
    return history_rows(Outcome(trial["trial"], "finished", epochs))


def answer_row(trial: dict[str, Any]) -> dict[str, Any]:
    """Which of a thousand images a trial got right: as many as its top-1 says."""
    order = np.random.default_rng(sum(trial["trial"].encode())).permutation(_IMAGES)
    packed = Answers.pack(order < round(trial["top1"] * _IMAGES))
    return {"trial": trial["trial"], "images": packed.images, "correct": packed.correct}


def large_plan(variants: int) -> Plan:
    """The plan of `large_spec`."""
    return make_plan(large_spec(Path(), variants))


def large_spec(results: Path, variants: int) -> SweepSpec:
    """A sweep of b0 at 224 px, with ``variants`` candidates."""
    settings: dict[str, Any] = {"baseline": "b0", "resolution": 224, "candidates": variants}
    return resolve(SweepSpec(**settings, results=str(results), name="large", device="cpu"))


def _epoch(number: int, top1: float) -> Epoch:
    return Epoch(
        epoch=number,
        train_loss=1.0,
        val_loss=1.0,
        top1=top1,
        top5=(1 + top1) / 2,
        learning_rate=0.01,
        images_per_second=1000.0,
        seconds=2.4,
    )
