"""What higher rungs take: which variants go on, how large checkpoints are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scalegrid.analysis import raced
from scalegrid.plan.variants import Variant
from scalegrid.spec import SweepSpec

GB = 1e9
"""Bytes."""

_NUMBER = 4  # bytes: float32
_MOMENTS = {"sgd": 1, "momentum": 1}  # that an optimiser keeps of a parameter, where not two
_SEEDS_OF_A_RACE = 20  # of each variant; that of study 1 in docs/study.md began ten
_MORE = 1.05  # times that: statistics of batch norm, random states, names


class Sized(Protocol):
    """A network, as far as the size of a checkpoint goes."""

    @property
    def variant(self) -> str:
        """Its id."""

    @property
    def params(self) -> int:
        """Parameters."""


def raced_variants(variants: Sequence[Variant], spec: SweepSpec) -> set[str]:
    """The ids of the variants that are compared at equal cost."""
    roles, phis, matched = zip(*((v.role, v.phi, v.matched) for v in variants), strict=True)
    eligible = raced(roles, phis, matched, spec.metric)
    return {v.variant for v, here in zip(variants, eligible, strict=True) if here}


def rising_variants(variants: Sequence[Variant], spec: SweepSpec) -> list[str]:
    """The ids of the variants that may go on to higher rungs: the candidates and the baseline."""
    rising = raced_variants(variants, spec)
    return [v.variant for v in variants if v.role == "baseline" or v.variant in rising]


def checkpoint_bytes(variant: Sized, spec: SweepSpec) -> float:
    """The size of a checkpoint, rather too large: weights, averages, the optimiser's state."""
    copies = 1 + _MOMENTS.get(spec.optimizer.lower(), 2) + (spec.ema_decay > 0)
    return _MORE * _NUMBER * copies * variant.params


def all_checkpoints_bytes(variants: Sequence[Variant], spec: SweepSpec) -> float:
    """What the checkpoints of all trials may need that may go on; 0 where none continues.

    Of a race, which decides as it goes, as many of the largest as it may have trials, or more than
    it is likely to begin.
    """
    if not spec.continues:
        return 0.0
    rising = set(rising_variants(variants, spec))
    sizes = [checkpoint_bytes(v, spec) for v in variants if v.variant in rising]
    if not spec.racing:
        return spec.seeds * sum(sizes)
    likely = _SEEDS_OF_A_RACE * len(sizes)
    return max(sizes) * min(likely, spec.max_trials or likely)


def checkpoint_notes(variants: Sequence[Variant], spec: SweepSpec) -> list[str]:
    """A sentence if the checkpoints may need more than they are allowed to."""
    needed = all_checkpoints_bytes(variants, spec) / GB
    if needed <= spec.keep_checkpoints:
        return []
    return [
        f"checkpoints may need {needed:.2g} GB, and --keep-checkpoints allows for "
        f"{spec.keep_checkpoints:g} GB: trials whose checkpoint is not kept start again at their "
        "next rung"
    ]
