"""Plans with layers added early, evenly and late: `--scale stages`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from planning import planned

from scalegrid import baselines, cost
from scalegrid.analysis.naming import placed_word
from scalegrid.baselines.blocks import BlockBaseline
from scalegrid.baselines.factory import factory_baseline
from scalegrid.executors import InlineExecutor
from scalegrid.plan import Plan, Variant
from scalegrid.results import load_sweep
from scalegrid.results.rows import variant_rows
from scalegrid.spec import SweepSpec
from scalegrid.sweep import run_sweep
from scalegrid.util.errors import UserError

TRIPLE = (1.5, 1.05, 1.12)
CLASSES = 10
FIXTURES = Path(__file__).parent.parent / "fixtures"


@cache
def placed(name: str = "nano", factor: float = 2.0, **settings: Any) -> Plan:
    triple = TRIPLE if factor > 1 else (0.6, 0.9, 0.95)
    px = 36 if name == "b0" and factor > 1 else 64
    values = {"scale": "stages", "compound": triple, "resolution": px, "candidates": 4}
    spec = SweepSpec(baseline=name, flops_factor=factor, **{**values, **settings})
    return planned(spec, baselines.get(name), CLASSES)


def by_placement(plan: Plan) -> dict[str, Variant]:
    """Those of the role ``stages``, and the candidate of their channels and pixels."""
    found = {placed_word(v.placement): v for v in plan.variants if v.role == "stages"}
    like = next(iter(found.values()))
    same = [
        v for v in plan.variants if (v.channels, v.resolution) == (like.channels, like.resolution)
    ]
    (found["even"],) = (v for v in same if v.role != "stages" and v.phi == 1)
    return found


def added(plan: Plan, variant: Variant) -> list[int]:
    """Layers that each row of the layer table has more than the baseline's."""
    rows = zip(variant.layout, plan.variants[0].layout, strict=True)
    return [own.layers - base.layers for own, base in rows]


@pytest.mark.parametrize("name", ["nano", "b0"])
def test_placements_have_equal_cost_width_and_pixels(name: str) -> None:
    plan = placed(name)
    found = by_placement(plan)
    assert set(found) == {"early", "even", "late"}
    for one in found.values():
        assert one.matched
        assert one.flops_ratio == pytest.approx(2, rel=0.03)
        assert (one.resolution, one.phi) == (found["even"].resolution, 1)
        assert min(added(plan, one)) >= 0
    means = [centre(plan, found[where]) for where in ("early", "even", "late")]
    assert means[0] < means[1] < means[2]


def test_of_smaller_networks_early_or_late_stages_lose_layers() -> None:
    plan = placed("b0", 0.5)
    found = by_placement(plan)
    assert all(max(added(plan, one)) <= 0 for one in found.values())
    assert centre(plan, found["early"]) < centre(plan, found["late"])
    assert all(one.flops_ratio == pytest.approx(0.5, rel=0.1) for one in found.values())


def centre(plan: Plan, variant: Variant) -> float:
    """The mean row of the layers that were added or removed."""
    more = np.abs(added(plan, variant))
    return float(np.arange(len(more)) @ more / more.sum())


@pytest.mark.parametrize(("where", "placement"), [("early", -1.0), ("late", 1.0)])
def test_the_network_is_the_nearest_in_cost_of_all_multipliers(
    where: str, placement: float
) -> None:
    """Against networks that are built and counted, at each of five hundred multipliers."""
    plan = placed()
    nano = baselines.get("nano").rounded("round").placed(placement)
    chosen = by_placement(plan)[where]
    networks = {nano.depths(m): m for m in np.linspace(1, 2, 501)[1:].tolist()}
    networks.pop(nano.depths(1.0), None)
    off, ids = [], []
    for depth in networks.values():
        model = baselines.skeleton(nano, depth, TRIPLE[1], CLASSES)
        flops = cost.measure(model, chosen.resolution).flops
        off.append(abs(np.log(flops / plan.variants[0].flops / 2)))
        layout = nano.layout(depth, TRIPLE[1])
        ids.append(baselines.network_id(nano, layout, chosen.resolution))
    assert chosen.variant == ids[int(np.argmin(off))]
    for depth in (chosen.alpha, chosen.alpha_low, chosen.alpha_high):
        assert nano.layout(depth, chosen.beta) == chosen.layout


def test_evenly_placed_is_a_candidate_and_the_others_are_none() -> None:
    plan = placed()
    found = by_placement(plan)
    assert found["even"].role == "grid"
    assert found["even"].variant in plan.of_grid
    assert not plan.of_grid & {found["early"].variant, found["late"].variant}
    without = planned(
        plan.spec.model_copy(update={"scale": "axes"}), baselines.get("nano"), CLASSES
    )
    assert len(plan.variants) - len(without.variants) <= 3
    assert {v.placement for v in without.variants} == {0}
    assert len({v.variant for v in plan.variants}) == len(plan.variants)


def test_a_classic_plan_has_them_too() -> None:
    plan = placed(grid="classic", depth_rounding="round")
    assert all(v.matched for v in by_placement(plan).values())


def test_equal_networks_are_equal_whatever_placed_them() -> None:
    b0 = baselines.get("b0")
    late = b0.placed(1.0)
    assert late.placed(0.0) == b0
    assert late.definition == b0.definition
    assert late.layout(1.0, 1.0) == b0.layout(1.0, 1.0)
    assert len({b0.placed(where).layout(1.5, 1.0) for where in (-1.0, 0.0, 1.0)}) == 3


@pytest.mark.parametrize("name", ["resnet18", "gernet_s", "convnext_atto"])
def test_stages_of_timms_networks_follow_the_rule(name: str) -> None:
    baseline = baselines.get(f"timm/{name}").rounded("ceil")
    for where in (-1.0, 1.0):
        own, rows = (
            [row.layers for row in baseline.placed(where).layout(depth, 1.0)]
            for depth in (1.0, 2.0)
        )
        grown = [m / n for n, m in zip(own, rows, strict=True) if m > n][:: int(where)]
        assert max(grown) == grown[-1] > 2
        assert len(grown) >= 2


def test_timms_blocks_grow_as_the_built_in_ones() -> None:
    for where in (-1.0, 0.7):
        ours: Any = baselines.get("b0").placed(where)
        timms = baselines.get("timm/efficientnet_b0").placed(where)
        for depth in (0.6, 1.3, 2.0):
            assert timms.depths(depth) == tuple(map(sum, ours.depths(depth)))


def test_a_network_of_one_stage_has_nothing_to_place() -> None:
    one = BlockBaseline("one", (("ir_r3_k3_s2_e2_c24",),), 32, 32, stem=16, head=64)
    spec = SweepSpec(scale="stages", compound=TRIPLE, candidates=4)
    plan = planned(spec, one, CLASSES)
    assert not [v for v in plan.variants if v.role == "stages"]
    assert any("no other placement of one's layers" in note for note in plan.notes)
    isotropic = baselines.get("timm/vit_tiny_patch16_224")
    assert isotropic.placed(1.0).depths(1.5) == isotropic.depths(1.5)


def test_coefficients_that_add_no_layers_have_nothing_to_place() -> None:
    plan = placed(compound=(1.0, 1.2, 1.2))
    assert not [v for v in plan.variants if v.role == "stages"]
    assert any("α = 1 adds no layers" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"compound": None}, "give them by --compound ALPHA BETA GAMMA"),
        ({"match": "latency"}, "not of equal latency; leave out"),
    ],
)
def test_what_cannot_be_placed_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        placed(**settings)


def test_user_code_of_two_multipliers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    tiny = factory_baseline("tinynet:tinynet")
    assert tiny.placed(0.0) is tiny
    with pytest.raises(UserError, match="takes one depth multiplier, so where its layers go"):
        tiny.placed(1.0)


def test_a_cost_that_no_placement_has_is_marked_and_said() -> None:
    plan = placed(
        cost_tolerance=0.0001, compound=(1.3, 1.1, 1.12), candidates="all", grid="classic"
    )
    assert not all(v.matched for v in plan.variants if v.role == "stages")
    assert any("layers added late do not reach 2×" in note for note in plan.notes)


def test_a_sweep_trains_stores_and_compares_them(tmp_path: Path) -> None:
    spec = placed().spec.model_copy(
        update={
            **{"name": "placed", "results": str(tmp_path), "data": "glyphs", "seeds": 2},
            **{"epochs": 1, "train_images": 64, "val_images": 40, "batch_size": 32},
            **{"device": "cpu", "check_learning": False, "rates": "same", "candidates": 4},
        }
    )
    seen: dict[str, float] = {}

    class Recording(InlineExecutor):
        def submit(self, trial: Any) -> None:
            seen[trial.variant] = trial.placement
            super().submit(trial)

    with mock.patch("scalegrid.training.devices.vector_instructions", return_value=None):
        run_sweep(
            spec,
            measure_rate=False,
            make_executor=lambda _: Recording(function="light_training:train"),
        )
    sweep = load_sweep("placed", tmp_path)
    assert seen == dict(zip(sweep.planned["variant"], sweep.planned["placement"], strict=True))
    found = sweep.recommend()
    stages = set(sweep.planned.loc[sweep.planned["role"] == "stages", "variant"])
    assert {one.variant for one in found.placements} == stages
    assert not stages & {one.variant for one in found.ranking}
    assert sorted(one.placement for one in found.placements) == [-1, 1]
    assert "early, evenly or late" in repr(found)


def test_rows_of_the_table_have_the_placement() -> None:
    rows = {row["variant"]: row["placement"] for row in variant_rows(placed())}
    assert rows == {v.variant: v.placement for v in placed().variants}
