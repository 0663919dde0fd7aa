"""Plans hold for any baseline, and agree with published facts of EfficientNet-B0."""

import math
from functools import cache
from itertools import product
from typing import get_args

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from planning import planned
from torch import Tensor, nn

from scalegrid import baselines, cost
from scalegrid.baselines.blocks import BlockBaseline
from scalegrid.baselines.factory import FactoryBaseline
from scalegrid.coefficients import PAPER, Coefficients, DepthRule
from scalegrid.plan import Plan, Variant, classic_plan, make_plan, resolve
from scalegrid.plan.summary import scaled_variants, summarise
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError

CLASSES = 10
KINDS = ("ir", "er", "ds")
slow = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def block_baselines(draw: st.DrawFn) -> BlockBaseline:
    """Small networks of two to four stages."""
    stages = []
    for _ in range(draw(st.integers(2, 4))):
        kind = draw(st.sampled_from(KINDS))
        expansion = "" if kind == "ds" else f"_e{draw(st.sampled_from([2, 4, 6]))}"
        squeeze = draw(st.sampled_from(["", "_se0.25"]))
        stages.append(
            (
                f"{kind}_r{draw(st.integers(1, 3))}_k{draw(st.sampled_from([3, 5]))}"
                f"_s{draw(st.integers(1, 2))}{expansion}"
                f"_c{8 * draw(st.integers(1, 8))}{squeeze}",
            )
        )
    return BlockBaseline(
        name="random",
        stages=tuple(stages),
        resolution=64,
        brief_resolution=32,
        stem=8 * draw(st.integers(1, 4)),
        head=draw(st.sampled_from([0, 64, 128])),
        depth_rounding=draw(st.sampled_from(["ceil", "round"])),
    )


def recount(baseline: baselines.Baseline, variant: Variant) -> cost.Cost:
    """The slow, obvious count of one network."""
    model = baselines.skeleton(
        baseline.rounded(variant.depth_rounding), variant.depth, variant.width, CLASSES
    )
    return cost.measure(model, variant.resolution)


def check(plan: Plan, baseline: baselines.Baseline, spec: SweepSpec) -> None:
    assert plan.variants[0].role == "baseline"
    networks = [(v.layout, v.resolution) for v in plan.variants]
    assert len(set(networks)) == len(networks)
    assert len({v.variant for v in plan.variants}) == len(networks)
    base = recount(baseline, plan.variants[0])
    for variant in plan.variants:
        assert (variant.flops, variant.params, variant.activations) == recount(baseline, variant)
        assert variant.flops_ratio == variant.flops / base.flops
        near = abs(variant.flops_ratio / spec.flops_factor**variant.phi - 1)
        assert variant.matched == (near <= spec.cost_tolerance)
        if variant.role == "baseline":
            assert all(math.isnan(share) for share in variant.shares)
        else:
            assert sum(variant.shares) == pytest.approx(1)
            assert sum(variant.nominal) == pytest.approx(1)
            check_intervals(variant, baseline.rounded(variant.depth_rounding))


def check_intervals(variant: Variant, baseline: baselines.Baseline) -> None:
    phi, outside = variant.phi, 1e-5
    for realise, value, low, high in (
        (baseline.depths, variant.alpha, variant.alpha_low, variant.alpha_high),
        (baseline.channels, variant.beta, variant.beta_low, variant.beta_high),
    ):
        here = realise(value**phi)
        assert low - 1e-9 <= value <= high + 1e-9
        # A power and its root do not cancel to the last digit, so step inside by a little.
        inside = 1e-6 if phi != 1 else 0
        if high - low > 2 * inside:
            assert realise((low + inside) ** phi if low > 1 else 1.0) == here
            assert realise((high - inside) ** phi) == here
        assert realise((high + outside) ** phi) != here
        assert low == 1 or realise((low - outside) ** phi) != here


@slow
@given(block_baselines(), st.sampled_from(["matched", "simplex", "classic"]), st.integers(0, 2))
def test_a_plan_of_any_baseline(baseline: BlockBaseline, grid: str, curve: int) -> None:
    curves = ((), (1.5,), (1.0, 3.0))[curve]
    spec = SweepSpec(grid=grid, candidates=8, divisions=2, step=0.25, tolerance=0.3, curves=curves)  # type: ignore[arg-type]
    try:
        plan = planned(spec, baseline, CLASSES)
    except UserError as error:
        assert "the grid is empty" in str(error)  # noqa: PT017
        assume(False)
    check(plan, baseline, spec)
    if grid != "classic":
        assert all(v.matched for v in plan.variants if v.role == "grid")
        roles = {v.role for v in scaled_variants(plan)}
        for role in ("depth", "width", "resolution"):
            assert role in roles or any(role in note for note in plan.notes)


@slow
@given(block_baselines(), st.integers(4, 12), st.integers(1, 8))
@pytest.mark.slow
def test_adding_candidates_never_removes_one(baseline: BlockBaseline, few: int, extra: int) -> None:
    try:
        small = planned(SweepSpec(candidates=few), baseline, CLASSES)
    except UserError:
        assume(False)
    large = planned(SweepSpec(candidates=few + extra), baseline, CLASSES)
    assert {v.variant for v in small.variants} <= {v.variant for v in large.variants}
    assert len(small.variants) <= few + 2  # the baseline and the paper's coefficients


@cache
def b0_plan(grid: str, resolution: int = 224) -> Plan:
    spec = SweepSpec(grid=grid, resolution=resolution, resolution_step=8, candidates="all")  # type: ignore[arg-type]
    return planned(spec, baselines.get("b0"), 1000)


def test_the_classic_grid_of_b0_spends_from_1_9_to_3_3_times_the_baseline() -> None:
    # Known of B0 at 224 px: 109 triples, about 62 networks, 1.89 to 3.25 times, few near 2.
    plan = b0_plan("classic")
    assert plan.considered == 109
    assert 60 <= len(scaled_variants(plan)) <= 65
    ratios = [v.flops_ratio for v in scaled_variants(plan)]
    assert min(ratios) == pytest.approx(1.89, abs=0.005)
    assert max(ratios) == pytest.approx(3.25, abs=0.005)


def test_the_matched_grid_of_b0_costs_twice_the_baseline() -> None:
    plan = b0_plan("matched")
    assert plan.considered > 179  # found on a coarser scan of α and β
    assert all(1.94 <= v.flops_ratio <= 2.06 for v in scaled_variants(plan))
    assert plan.notes == ()
    corners = {v.role: v for v in scaled_variants(plan)}
    assert corners["depth"].shares == (1, 0, 0)
    assert corners["width"].shares == (0, 1, 0)
    assert corners["resolution"].shares == (0, 0, 1)
    assert corners["depth"].layers == "1-2-4-4-6-6-8-2-1"  # repeats doubled
    assert corners["depth"].alpha == pytest.approx(2)


@pytest.mark.parametrize("name", ["b0", "mobilenetv2", "mobilenetv3_large"])
def test_the_default_plan_covers_the_triangle(name: str) -> None:
    plan = planned(SweepSpec(), baselines.get(name), CLASSES)
    points = np.array([v.shares for v in scaled_variants(plan)])
    assert (points.min(1) >= 0.1).sum() >= (2 if name == "mobilenetv2" else 5)
    apart = [min(math.dist(p, q) for q in points if q is not p) for p in points]
    assert min(apart) >= 0.5 * np.median(apart)
    assert summarise(plan).gap <= 0.36
    if name == "b0":
        assert summarise(plan).gap <= 0.3


def test_fewer_are_offered_where_fewer_cover() -> None:
    spec = SweepSpec(resolution=32, candidates=40)
    plan = planned(spec, baselines.get("nano"), CLASSES)
    count = len(scaled_variants(plan))
    assert count < 20
    (note,) = (note for note in plan.notes if "near twins" in note)
    assert note.startswith(f"{count} of the ")
    everything = planned(spec.model_copy(update={"candidates": "all"}), baselines.get("nano"), 10)
    assert summarise(plan).gap <= summarise(everything).gap + 0.05


def test_rounding_to_the_nearest_has_finer_steps_of_depth() -> None:
    # By the authors' rule every stage of B0 gains a block at once, for half as much again.
    rules = ("ceil", "round", "authors")
    plans = {
        rule: planned(
            SweepSpec(resolution=68, candidates="all", depth_rounding=rule),  # type: ignore[arg-type]
            baselines.get("b0"),
            CLASSES,
        )
        for rule in rules
    }
    depths = {rule: {v.layers for v in plan.variants} for rule, plan in plans.items()}
    assert "1-1-2-2-3-3-5-1-1" in depths["round"] - depths["ceil"]
    assert depths["ceil"] == depths["authors"]
    assert {v.variant for v in plans["ceil"].variants} == {
        v.variant for v in plans["authors"].variants
    }
    away = min(from_paper(plans["round"]))
    assert away < 0.05, "by the authors' rule no network of equal cost is nearer than 0.3"


def from_paper(plan: Plan) -> list[float]:
    """How far the shares of the candidates of equal cost are from the paper's."""
    return [math.dist(v.shares, PAPER.shares()) for v in scaled_variants(plan) if v.matched]


def test_a_candidate_is_the_nearest_to_the_paper_of_equal_cost_by_either_rule() -> None:
    def distances(rule: DepthRule) -> list[float]:
        spec = SweepSpec(resolution=64, candidates="all", depth_rounding=rule)
        return from_paper(planned(spec, baselines.get("mobilenetv2"), CLASSES))

    spec = SweepSpec(resolution=64, depth_rounding="round", candidates=4)
    plan = planned(spec, baselines.get("mobilenetv2"), CLASSES)
    best = min(*distances("ceil"), *distances("round"))
    assert min(from_paper(plan)) == pytest.approx(best)


@pytest.mark.parametrize("grid", ["matched", "classic"])
def test_the_paper_is_exactly_its_coefficients_at_their_own_cost(grid: str) -> None:
    spec = SweepSpec(resolution=48, resolution_step=8, grid=grid, curves=(2, 4))  # type: ignore[arg-type]
    b0 = baselines.get("b0")
    paper, larger = (v for v in planned(spec, b0, CLASSES).variants if v.role == "paper")
    assert (paper.alpha, paper.beta, paper.gamma, paper.phi) == (*PAPER, 1)
    assert paper.layout == b0.layout(1.2, 1.1)
    assert paper.resolution == 56  # 55.2 in steps of 8
    assert paper.flops_ratio == pytest.approx(2.25, abs=0.005)
    assert not paper.matched
    assert (larger.alpha, larger.beta, larger.gamma) == pytest.approx(PAPER)
    assert PAPER.flops_factor**larger.phi == pytest.approx(4)


def test_the_paper_goes_as_far_as_the_candidates() -> None:
    spec = SweepSpec(resolution=64, flops_factor=4)
    (paper,) = (
        v for v in planned(spec, baselines.get("b0"), CLASSES).variants if v.role == "paper"
    )
    assert (paper.alpha, paper.beta, paper.gamma) == pytest.approx([c**2 for c in PAPER])
    assert paper.phi == 1


def test_a_scaled_baseline_keeps_its_own_layers_by_any_rule() -> None:
    for name, network in baselines.BUILT_IN.items():
        for rule in get_args(DepthRule):
            assert network.rounded(rule).layout(1, 1) == network.layout(1, 1), name


def test_a_network_is_one_variant_whichever_rule_builds_it() -> None:
    b0 = baselines.get("b0")
    up, nearest = b0.rounded("ceil"), b0.rounded("round")
    assert up.definition == nearest.definition == b0.definition
    assert up.layout(2.0, 1.0) == nearest.layout(2.0, 1.0)
    assert up.layout(1.1, 1.0) != nearest.layout(1.1, 1.0)
    assert nearest.rounded("authors") == b0
    plan = planned(SweepSpec(candidates="all"), b0, CLASSES)
    assert len({(v.layout, v.resolution) for v in plan.variants}) == len(plan.variants)


@pytest.mark.parametrize(("grid", "rule"), [("matched", "round"), ("classic", "authors")])
def test_the_default_rule_is_the_authors_for_their_grid(grid: str, rule: str) -> None:
    assert resolve(SweepSpec(grid=grid)).depth_rounding == rule  # type: ignore[arg-type]


class Flat(nn.Module):
    """A network that ignores its depth."""

    def __init__(self, width: float, classes: int) -> None:
        super().__init__()
        channels = round(24 * width)
        self.stem = nn.Conv2d(3, channels, 3, 2, 1)
        self.body = nn.Sequential(*(nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(3)))
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.head(self.body(self.stem(x)).mean((2, 3)))
        return result


def test_an_axis_that_does_not_scale_has_no_coefficient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")  # nothing is read from the working directory
    flat = FactoryBaseline("flat", lambda depth, width, num_classes: Flat(width, num_classes))
    plan = planned(SweepSpec(resolution=32, resolution_step=2), flat, CLASSES)
    assert plan.axes == ("width", "resolution")
    for variant in scaled_variants(plan):
        assert math.isnan(variant.alpha)
        assert variant.depth == 1.0
        assert variant.shares.depth == 0
        low = variant.beta_low**2 * variant.gamma**2
        high = variant.beta_high**2 * variant.gamma**2
        if variant.role not in ("width", "resolution"):
            assert variant.beta**2 * variant.gamma**2 == pytest.approx(min(max(2, low), high))
    assert summarise(plan).gap < 0.3, "of the edge between width and resolution"
    assert any("depth cannot be scaled alone" in note for note in plan.notes)


def test_memory_follows_the_batch_and_what_does_not_fit_is_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, large = (
        planned(SweepSpec(batch_size=batch, workers=2), baselines.get("b0"), CLASSES)
        for batch in (16, 64)
    )
    for one, other in zip(small.variants, large.variants, strict=True):
        assert one.memory
        assert other.memory == pytest.approx(4 * one.memory)
    monkeypatch.setattr("scalegrid.plan.memory.device_memory", lambda device: 2**30)
    little, much = (
        planned(SweepSpec(resolution=68, batch_size=batch, workers=2), baselines.get("b0"), CLASSES)
        for batch in (16, 512)
    )
    assert not little.notes
    (note,) = (note for note in much.notes if "updates" not in note)
    assert note.startswith("2 trials at once of the largest variant")
    assert "cpu has 1.0 GiB; give a smaller --batch-size or fewer --workers" in note


@pytest.mark.parametrize(("epochs", "updates"), [(1, 100), (2, 200)])
def test_too_few_updates_are_noted(epochs: int, updates: int) -> None:
    spec = SweepSpec(resolution=68, batch_size=16, epochs=epochs, train_images=1600)
    notes = [note for note in make_plan(spec).notes if "updates" in note]
    assert [note.split()[3] for note in notes] == [str(updates)] * (updates < 200)


def test_depth_alone_costs_half_as_much_again_at_once() -> None:
    # B0 at α = 1.05 already costs 1.48 times: every stage gains a block.
    b0 = baselines.get("b0")
    base, deeper = (cost.measure(baselines.skeleton(b0, d, 1, 1000), 224) for d in (1, 1.05))
    assert deeper.flops / base.flops == pytest.approx(1.48, abs=0.01)


def test_plans_are_deterministic_and_the_cached_one_is_the_same() -> None:
    spec = SweepSpec(resolution=64)
    once = planned(spec, baselines.get("b0"), CLASSES)
    again = planned(spec, baselines.get("b0"), CLASSES)
    assert repr(once) == repr(again)


def test_coefficients_meet_the_constraint_where_their_steps_allow() -> None:
    for variant in scaled_variants(b0_plan("matched")):
        if max(variant.shares) == 1:  # along one axis, see below
            continue
        triple = Coefficients(variant.alpha, variant.beta, variant.gamma)
        low = variant.alpha_low * variant.beta_low**2 * variant.gamma**2
        high = variant.alpha_high * variant.beta_high**2 * variant.gamma**2
        assert triple.flops_factor == pytest.approx(min(max(2, low), high))


def test_a_single_axis_is_the_only_one_that_is_scaled() -> None:
    # B0 at 48 px: no α reaches twice the cost exactly, and a little β would make up for it.
    for resolution in (48, 64, 224):
        plan = b0_plan("matched", resolution)
        for role, others in (("depth", "beta gamma"), ("width", "alpha gamma")):
            (corner,) = (v for v in plan.variants if v.role == role)
            assert [getattr(corner, name) for name in others.split()] == [1.0, 1.0]


def test_curves_add_the_axes_at_other_factors() -> None:
    spec = SweepSpec(resolution=64, candidates=4, curves=(1.0, 1.5, 2.0, 3.0))
    plan = planned(spec, baselines.get("b0"), CLASSES)
    for role in ("depth", "width", "resolution"):
        factors = [2**v.phi for v in plan.variants if v.role == role]
        assert factors == pytest.approx([1.5, 2, 3])


@pytest.mark.parametrize("grid", ["matched", "classic"])
def test_compound_adds_a_direction_at_the_factors_of_the_curves(grid: str) -> None:
    nano, triple = baselines.get("nano"), (1.1, 1.2, 1.15)
    spec = SweepSpec(grid=grid, candidates=6, step=0.1, curves=(1.5, 3.0))  # type: ignore[arg-type]
    before = planned(spec, nano, CLASSES)
    plan = planned(spec.model_copy(update={"compound": triple}), nano, CLASSES)
    added = [one for one in plan.variants if one not in before.variants]
    assert [one for one in plan.variants if one not in added] == list(before.variants)
    compound = [one for one in added if one.role == "compound"]
    assert [2**one.phi for one in compound] == pytest.approx([1.5, 3])
    if grid == "classic":  # what the coefficients build
        assert added == compound
        for one in compound:
            depth, width, _ = Coefficients(*triple).scaling(one.phi / math.log2(2.0949))
            assert one.layout == nano.layout(depth, width)
        return
    assert all(one.matched for one in added)
    (candidate,) = (one for one in added if one not in compound)  # none is nearer at φ = 1
    assert (candidate.role, candidate.phi) == ("grid", 1)
    assert plan.of_grid == before.of_grid | {candidate.variant}
    target = Coefficients(*triple).shares()
    every = planned(spec.model_copy(update={"candidates": "all"}), nano, CLASSES)
    away = [math.dist(one.shares, target) for one in every.variants if one.role == "grid"]
    assert math.dist(candidate.shares, target) == pytest.approx(min(away))


@pytest.mark.parametrize("grid", ["matched", "classic"])
def test_width_curves_add_widths_at_two_depths_and_resolutions(grid: str) -> None:
    nano = baselines.get("nano")
    spec = SweepSpec(grid=grid, candidates=6, step=0.1)  # type: ignore[arg-type]
    before = planned(spec, nano, CLASSES)
    plan = planned(spec.model_copy(update={"width_curves": (1.0, 1.5, 2.0)}), nano, CLASSES)
    # Nothing else changes: the others come first, with their roles, and are the candidates.
    assert plan.variants[: len(before.variants)] == before.variants
    assert plan.of_grid == before.of_grid
    added = plan.variants[len(before.variants) :]
    assert {v.role for v in added} == {"curve"}
    assert all(v.matched for v in added)
    networks = {(v.layers, v.channels, v.resolution) for v in plan.variants}
    for depth, width, pixels in product((1.0, 2.0), (1.0, 1.5, 2.0), (32, 42)):
        layout = nano.rounded(plan.spec.depth_rounding or "authors").layout(depth, width)
        layers, channels = (
            "-".join(str(getattr(row, key)) for row in layout) for key in ("layers", "channels")
        )
        assert (layers, channels, pixels) in networks
    for one in added:
        ratio = one.depth * one.width**2 * 1.3 ** (2 * (one.resolution > 32))
        assert 2**one.phi == pytest.approx(ratio)
        assert (one.alpha**one.phi, one.beta**one.phi) == pytest.approx((one.depth, one.width))


def test_the_baseline_is_no_candidate_even_where_it_costs_as_much() -> None:
    # 1.02 times the baseline, within 3 %, is also once the baseline.
    spec = SweepSpec(resolution=64, flops_factor=1.02, candidates="all")
    plan = planned(spec, baselines.get("b0"), CLASSES)
    assert [v.role for v in plan.variants].count("paper") == 1
    assert all(not math.isnan(v.shares.depth) for v in scaled_variants(plan))
    assert plan.considered == sum(v.matched for v in scaled_variants(plan))


def test_a_short_network_marks_the_corner_it_cannot_reach() -> None:
    # One block beside a large stem: a second block costs far less than the whole again.
    short = BlockBaseline(
        name="short", stages=(("ds_r1_k3_s2_c8",),), resolution=32, brief_resolution=32, head=0
    )
    plan = planned(SweepSpec(resolution=32, cost_tolerance=0.02), short, CLASSES)
    marked = [v for v in plan.variants if not v.matched and v.role != "baseline"]
    assert {v.role for v in marked} <= {"depth", "width", "resolution", "paper"}
    for variant in marked:
        assert variant.role == "paper" or any(
            f"{variant.flops_ratio:.2f}×" in note for note in plan.notes
        )


def test_bounds_limit_the_grid_but_not_the_corners() -> None:
    spec = SweepSpec(resolution=64, candidates="all", alpha_range=(1.2, 1.6))
    plan = planned(spec, baselines.get("b0"), CLASSES)
    grid = [v for v in plan.variants if v.role == "grid"]
    assert grid
    assert all(1.2 <= v.alpha <= 1.6 for v in grid)
    assert {"depth", "width", "resolution"} <= {v.role for v in plan.variants}


def test_matching_parameters_keeps_the_pixels() -> None:
    spec = SweepSpec(resolution=64, match="params")
    plan = planned(spec, baselines.get("b0"), CLASSES)
    base = plan.variants[0]
    for variant in scaled_variants(plan):
        assert variant.resolution == 64
        if variant.role != "depth":
            assert variant.params / base.params == pytest.approx(2, rel=0.03)
    assert any("resolution cannot be scaled alone" in note for note in plan.notes)


def test_matching_activations_makes_activations_equal() -> None:
    spec = SweepSpec(resolution=64, match="activations")
    plan = planned(spec, baselines.get("b0"), CLASSES)
    base = plan.variants[0]
    for variant in scaled_variants(plan):
        ratio = variant.activations / base.activations
        assert variant.matched == (abs(ratio / 2 - 1) <= 0.03)
    assert sum(v.matched for v in scaled_variants(plan)) >= 8


@pytest.mark.parametrize("grid", ["matched", "classic"])
def test_an_empty_grid_says_what_would_fill_it(grid: str) -> None:
    spec = SweepSpec(resolution=64, grid=grid, cost_tolerance=1e-5, step=0.4, tolerance=0.0)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"grid is empty.*raise --(cost-)?tolerance"):
        planned(spec, baselines.get("b0"), CLASSES)


def test_a_resolution_below_the_stride_is_refused() -> None:
    with pytest.raises(UserError, match="31 px is too small for b0: its strides need at least 32"):
        planned(SweepSpec(resolution=31), baselines.get("b0"), CLASSES)


def test_the_summary_counts_what_lies_near_the_factor() -> None:
    classic = summarise(classic_plan(b0_plan("matched")))
    matched = summarise(b0_plan("matched"))
    assert classic.near < 0.2
    assert matched.near == 1
    assert matched.minimum <= matched.median <= matched.maximum


def test_too_few_trials_for_all_variants_are_noted() -> None:
    spec = SweepSpec(resolution=224, max_trials=3)
    (note,) = planned(spec, baselines.get("b0"), CLASSES).notes
    assert note == "--max-trials 3 leaves some of the 14 variants untrained"
