"""Networks of equal latency, on a pretended device whose latencies are known."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from planning import planned
from torch import nn

from scalegrid import baselines
from scalegrid.baselines import Baseline
from scalegrid.cost import latency
from scalegrid.cost.table import Costs
from scalegrid.plan import Plan, Variant, equal_latency
from scalegrid.plan.realisable import Cell, Realisable, realisable
from scalegrid.plan.summary import scaled_variants
from scalegrid.spec import SweepSpec

SPEC = SweepSpec(baseline="nano", match="latency", resolution=32, cost_tolerance=0.05)
NANO: Baseline = baselines.get("nano")


@pytest.fixture(scope="module")
def networks() -> Realisable:
    return realisable(Costs(NANO, 10), 32, 4, 3.0)


def pretended(networks: Realisable, at: Cell) -> float:
    """Seconds that follow neither FLOPs nor activations alone."""
    flops, _, activations = networks.costs[at] / networks.costs[0, 0, 0]
    return float(1e-3 * flops**0.4 * activations**0.5)


def test_only_measured_networks_have_a_ratio_and_many_are_near(networks: Realisable) -> None:
    asked: list[Cell] = []

    def measure(cells: Sequence[Cell]) -> list[list[float]]:
        asked.extend(cells)
        return [[f * pretended(networks, at) for f in (0.99, 1.0, 1.01)] for at in cells]

    ratios, noise = equal_latency.search(networks, 2.0, 32, measure)
    assert noise == pytest.approx(0.01)
    known = {(int(d), int(w), int(p)) for d, w, p in np.argwhere(~np.isnan(ratios))}
    assert known == set(asked)
    assert len(asked) - asked.count((0, 0, 0)) == len(known) - 1  # none is measured twice
    base = pretended(networks, (0, 0, 0))
    for at in known:
        assert ratios[at] == pytest.approx(pretended(networks, at) / base)
    for role in ("depth", "width", "resolution"):
        assert known.intersection(networks.axis(role, larger=True))
    near = np.abs(ratios / SPEC.flops_factor - 1) <= SPEC.cost_tolerance
    assert near.sum() >= 12


Pretended = list[tuple[str, int]]


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pretended:
    """The calls of a pretended measurement: the root of the parameters, times the px."""
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path))
    calls: Pretended = []

    def seconds(
        models: Sequence[nn.Module], shapes: Sequence[tuple[int, ...]], device: str, threads: int
    ) -> list[list[float]]:
        calls.append((device, threads))
        weights = [sum(p.numel() for p in model.parameters()) for model in models]
        return [
            [n**0.5 * px * factor for factor in (0.98, 1, 1.02)]
            for n, (_, px, _) in zip(weights, shapes, strict=True)
        ]

    monkeypatch.setattr(latency, "seconds", seconds)
    return calls


def pretended_ratio(plan: Plan, variant: Variant) -> float:
    base = plan.variants[0]
    return math.sqrt(variant.params / base.params) * variant.resolution / base.resolution


def test_a_plan_of_equal_latency_is_kept(rounds: Pretended) -> None:
    plan = planned(SPEC, NANO, 10)
    assert rounds[0] == ("cpu", 1)
    for variant in scaled_variants(plan):
        near = pretended_ratio(plan, variant) == pytest.approx(2, rel=0.05)
        assert variant.matched == near  # the paper's coefficients too
    assert sum(v.matched for v in scaled_variants(plan)) >= 4
    assert any("repeated measurements of a network spread by 2.0 %" in note for note in plan.notes)
    rounds.clear()
    assert repr(planned(SPEC, NANO, 10)) == repr(plan)
    assert rounds == []


@pytest.mark.slow
def test_further_factors_change_no_candidate_and_have_a_latency_of_their_own(
    rounds: Pretended,
) -> None:
    plan = planned(SPEC, NANO, 10)
    measured = len(rounds)
    further = SPEC.model_copy(update={"curves": (4.0,), "compound": (1.2, 1.1, 1.15)})
    extended = planned(further, NANO, 10)
    ids = {v.variant for v in extended.variants}
    assert {v.variant for v in plan.variants} <= ids
    assert len(rounds) > measured
    at_two = {v.role: v for v in extended.variants if v.phi == 2}
    assert set(at_two) == {"depth", "width", "resolution", "compound"}
    for variant in at_two.values():
        near = pretended_ratio(extended, variant) == pytest.approx(4, rel=0.05)
        assert variant.matched == near
    assert at_two["compound"].matched


def test_inferences_are_timed_in_turns_and_threads_are_given_back() -> None:
    turns: list[int] = []

    class Noting(nn.Module):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            turns.append(self.number)
            assert x.shape == (1, 3, 8 * self.number, 8 * self.number)
            assert not self.training
            assert torch.get_num_threads() == 1
            return x

    before = torch.get_num_threads()
    samples = latency.seconds([Noting(1), Noting(2)], [(3, 8, 8), (3, 16, 16)], "cpu", 1)
    assert torch.get_num_threads() == before
    assert turns == [1, 2] * (latency.WARM_UP + latency.REPEATS)
    assert [len(sample) for sample in samples] == [latency.REPEATS] * 2
    assert all(time > 0 for sample in samples for time in sample)
