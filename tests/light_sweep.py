"""Sweeps of stand-in networks: a plan without torch, trained by `light_training`.

Run as a program it is one such sweep, for tests that kill it:
``python light_sweep.py [--join] RESULTS CANDIDATES SEEDS WORKERS [RUNG ...]``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from scalegrid.baselines import Baseline, LayerRow
from scalegrid.coefficients import Coefficients
from scalegrid.cost.table import Costs
from scalegrid.executors import InlineExecutor, LocalExecutor, Placement
from scalegrid.plan import Plan, Variant, open_data, resolve
from scalegrid.progress.display import Lines
from scalegrid.rounds import SweepOutcome
from scalegrid.spec import SweepSpec
from scalegrid.sweep import run_sweep

TRAIN_IMAGES, VAL_IMAGES, BATCH = 64, 32, 32


def light_spec(results: object, **settings: Any) -> SweepSpec:
    """A specification whose data are small; of ``candidates`` variants."""
    values: dict[str, Any] = {
        "candidates": 5,
        "epochs": 2,
        "batch_size": BATCH,
        "train_images": TRAIN_IMAGES,
        "val_images": VAL_IMAGES,
        "workers": 2,
        "device": "cpu",
        "results": str(results),
        "baseline": "light",
        "check_learning": False,
        "rates": "same",
    }
    return SweepSpec(**{**values, **settings})


def light_plan(spec: SweepSpec) -> Plan:
    """The baseline and ``spec.candidates`` − 1 variants, whatever the grid."""
    with mock.patch("scalegrid.baselines.get", light_baseline):
        spec = resolve(spec)
    assert isinstance(spec.candidates, int)
    variants = tuple(_variant(number) for number in range(spec.candidates))
    of_grid = frozenset(variant.variant for variant in variants[1:])
    costs = Costs(light_baseline(spec.baseline), num_classes=10)
    axes = ("depth", "width", "resolution")
    return Plan(spec, open_data(spec), variants, len(variants), of_grid, axes, costs)


def light_baseline(name: str) -> Baseline:
    """A stand-in for any name."""
    stand_in: Any = SimpleNamespace(
        name=name,
        origin="built-in",
        brief_resolution=32,
        resolution_step=8,
        total_stride=32,
        known_layers=lambda *_: None,
    )
    found: Baseline = stand_in
    return found


def run_light_sweep(
    spec: SweepSpec, function: str = "light_training:train", **arguments: Any
) -> SweepOutcome:
    """`run_sweep` with stand-ins for the network, the plan and the training.

    Trials run in this process unless ``make_executor`` is `in_workers`; the speed of the machine is
    not measured unless ``measure_rate`` says so.
    """
    arguments.setdefault("make_executor", lambda _placement: InlineExecutor(function=function))
    arguments.setdefault("measure_rate", False)
    with light():
        return run_sweep(spec, **arguments)


@contextmanager
def light() -> Iterator[None]:
    """Within, stand-ins for the network, the plan and the speed of sweeps in any thread."""
    with (
        mock.patch("scalegrid.sweep.make_plan", light_plan),
        mock.patch("scalegrid.baselines.get", light_baseline),
        # Workers of stand-ins do without torch, which this process may have imported.
        mock.patch("scalegrid.training.devices.vector_instructions", return_value=None),
    ):
        yield


@contextmanager
def third_in_fp16() -> Iterator[None]:
    """The first trials compute in bfloat16, and the third finds that it has in float16."""
    formats = ["bf16"] * 5 + ["fp16"]  # before and after each training
    module = sys.modules["scalegrid.training.attempt"]  # the package has the function of this name
    with mock.patch.object(module, "number_format", side_effect=formats):
        yield


def in_workers(placement: Placement, function: str = "light_training:train") -> LocalExecutor:
    """Trials in worker processes."""
    return LocalExecutor(placement.workers, placement.devices, placement.threads, function)


def _variant(number: int) -> Variant:
    triple = Coefficients(1 + 0.1 * number, 1.0, 1.0)
    return Variant(
        variant=f"v{number:03}",
        role="grid" if number else "baseline",
        phi=1.0 if number else 0.0,
        alpha=triple.alpha,
        beta=triple.beta,
        gamma=triple.gamma,
        alpha_low=triple.alpha,
        alpha_high=triple.alpha,
        beta_low=1.0,
        beta_high=1.0,
        depth=triple.alpha,
        width=1.0,
        resolution=32,
        flops=1_000_000 + 1000 * number,
        flops_ratio=1 + number / 1000,
        params=5000,
        activations=700 + number,
        memory=None,
        matched=True,
        shares=triple.shares(),
        nominal=triple.shares(),
        depth_rounding="authors",
        layout=(LayerRow("Conv", 3, 2, 8, 1),),
    )


if __name__ == "__main__":
    join = "--join" in sys.argv
    results, candidates, seeds, workers, *rungs = sys.argv[1 + join :]
    numbers = {"candidates": int(candidates), "seeds": int(seeds), "workers": int(workers)}
    ended = run_light_sweep(
        light_spec(results, **numbers, rungs=tuple(map(int, rungs)) or (1,)),
        display=Lines(sys.stderr),
        make_executor=in_workers,
        join=join,
    )
    sys.exit(ended.exit_status)
