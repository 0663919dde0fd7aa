"""Which trial next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scalegrid.allocation.base import Allocator, Ask, At, Line, Result
from scalegrid.allocation.baseline_first import FIRST_SEEDS, BaselineFirst
from scalegrid.allocation.racing import Racing
from scalegrid.allocation.rates import RateSearch
from scalegrid.allocation.rung_standing import standing_of
from scalegrid.allocation.uniform import Uniform
from scalegrid.allocation.uniform_rungs import UniformRungs
from scalegrid.analysis import raced, zone
from scalegrid.spec import CONFIDENCE, SweepSpec


def make_allocator(
    spec: SweepSpec, variants: Sequence[Mapping[str, Any]], *, hours_before: float = 0.0
) -> Allocator:
    """The allocator that a specification asks for.

    Args:
        spec: the sweep's specification.
        variants: rows of the variants table, in the order in which to start them.
        hours_before: of training in earlier runs, which count for ``max_hours``.
    """
    allocator = _allocator(spec, variants, hours_before)
    if not spec.check_learning:
        return allocator
    return BaselineFirst(allocator, _baseline(variants), spec.max_trials)


def _baseline(variants: Sequence[Mapping[str, Any]]) -> str:
    return next(str(row["variant"]) for row in variants if row["role"] == "baseline")


def _allocator(
    spec: SweepSpec, variants: Sequence[Mapping[str, Any]], hours_before: float
) -> Allocator:
    ids = [row["variant"] for row in variants]
    rungs = len(spec.rungs) > 1
    if not spec.racing and not rungs:
        return Uniform(ids, spec.seeds)
    roles, phis, matched = ([row[key] for row in variants] for key in ("role", "phi", "matched"))
    candidates = {
        row["variant"]: [row[f"share_{axis}"] for axis in ("depth", "width", "resolution")]
        for row, eligible in zip(variants, raced(roles, phis, matched, spec.metric), strict=True)
        if eligible
    }
    if rungs and not spec.racing:
        baseline = _baseline(variants)
        return UniformRungs(
            ids,
            candidates,
            baseline,
            seeds=spec.seeds,
            rungs=spec.rungs,
            all_go_on=spec.allocation == "uniform",
        )
    return Racing(
        ids,
        candidates,
        replicates=spec.seeds,
        indifference=zone(spec.metric, spec.indifference),
        confidence=CONFIDENCE if spec.confidence is None else spec.confidence,
        max_trials=spec.max_trials,
        max_hours=spec.max_hours,
        hours_before=hours_before,
        rungs=spec.rungs,
        goes_on=spec.continues,
    )


__all__ = [
    "FIRST_SEEDS",
    "Allocator",
    "Ask",
    "At",
    "BaselineFirst",
    "Line",
    "Racing",
    "RateSearch",
    "Result",
    "Uniform",
    "UniformRungs",
    "make_allocator",
    "standing_of",
]
