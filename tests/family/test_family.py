"""Families: against the paper's formula, the release's networks, and slow obvious searches."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from scalegrid import make_family
from scalegrid.baselines import get
from scalegrid.baselines.blocks import BlockBaseline
from scalegrid.baselines.families import FAMILIES
from scalegrid.coefficients import PAPER, Coefficients
from scalegrid.family import RELEASE, Size, Terms, at_budgets, at_phis, with_sweep
from scalegrid.family.intervals import interval, narrower, range_at
from scalegrid.family.phis import parse
from scalegrid.family.start import start
from scalegrid.family.swept import swept
from scalegrid.plan.realisable import measured_shares, realisable
from scalegrid.results import load_sweep
from scalegrid.util.errors import UserError

PUBLISHED = Path(__file__).parent.parent.parent / "results" / "published"
SHRINKING = Coefficients(*PAPER.scaling(-1))


def sizes(baseline: str, phis: tuple[float, ...], way: str = "formula") -> list[Size]:
    return list(at_phis(Terms(start(baseline), PAPER), phis, way).sizes)  # type: ignore[arg-type]


def test_sizes_are_the_papers_formula_rounded_as_its_authors_do() -> None:
    for size in sizes("b0", (0, 0.5, 1, 2, 7)):
        phi = size.phi
        assert size.scaling == (1.2**phi, 1.1**phi, 1.15**phi)
        blocks = [math.ceil(round(n * 1.2**phi, 9)) for n in (1, 2, 2, 3, 3, 4, 1)]
        assert size.layers == "-".join(map(str, [1, *blocks, 1]))
        assert size.resolution == 4 * round(224 * 1.15**phi / 4)
        assert all(int(channels) % 8 == 0 for channels in size.channels.split("-"))
        assert size.nominal_ratio == 2**phi


@pytest.mark.parametrize("number", range(8))
def test_at_the_releases_multipliers_a_size_is_the_releases_network(number: int) -> None:
    released, flops, params = FAMILIES["EfficientNet"][number]
    assert isinstance(released, BlockBaseline)
    triple = (released.depth, released.width, released.resolution / 224)
    table = make_family("b0", PAPER if number == 0 else triple, [min(number, 1)])
    assert table[["resolution", "flops", "params"]].iloc[0].tolist() == [
        *(released.resolution, flops, params)
    ]
    assert table["layers"][0] == "-".join(str(row.layers) for row in released.layout(1.0, 1.0))


def test_dropout_is_that_of_b0_to_b7() -> None:
    table = make_family("b0", PAPER)
    assert [round(rate, 1) for rate in table["dropout"]] == [0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5]
    assert set(table["drop_path"]) == {0.2}
    assert set(table["weight_decay"]) == {1e-5}
    assert [RELEASE.dropout.at(doublings) for doublings in (-3, 9)] == [0.2, 0.5]
    four = make_family("b0", Coefficients(*PAPER.scaling(2)), [3.5], flops_factor=4.0)
    assert four["dropout"][0] == pytest.approx(0.5)  # seven doublings


def test_memory_is_activations_at_the_batch_size_and_four_copies_of_the_weights() -> None:
    small, large = (make_family("b0", PAPER, [1], batch_size=n).iloc[0] for n in (1, 33))
    kept = get("b0").kept_per_activation
    assert kept is not None
    assert large["memory"] - small["memory"] == pytest.approx(
        32 * 4 * kept * large["activations"], rel=1e-6
    )
    assert small["memory"] == pytest.approx(
        4 * (kept * small["activations"] + 4 * small["params"]), rel=1e-6
    )


def test_a_negative_phi_makes_smaller_networks_on_the_same_line() -> None:
    table = make_family("b0", PAPER, [-4, -2, -1, 0])
    assert table["resolution"].tolist() == [4 * round(224 * 1.15**p / 4) for p in (-4, -2, -1, 0)]
    assert (table["flops"].diff().dropna() > 0).all()
    down = make_family("b0", SHRINKING, [4, 2, 1, 0], flops_factor=0.5)
    assert down["variant"].tolist() == table["variant"].tolist()
    assert down["nominal_ratio"].tolist() == [1 / 16, 1 / 4, 1 / 2, 1]


@pytest.mark.parametrize("kind", ["flops", "params"])
@pytest.mark.parametrize("part", [0.3, 0.9, 1.6, 5.0])
def test_a_budget_finds_the_nearest_of_all_phi(kind: str, part: float) -> None:
    terms = Terms(start("nano"), PAPER)
    budget = part * getattr(sizes("nano", (0,))[0], kind)
    found = at_budgets(terms, [budget], kind).sizes[0]  # type: ignore[arg-type]
    scan = at_phis(terms, [round(found.phi - 1 + i / 50, 9) for i in range(101)]).sizes
    misses = [abs(math.log(getattr(size, kind) / budget)) for size in scan]
    assert abs(math.log(getattr(found, kind) / budget)) <= min(misses) + 1e-12
    assert found.matched == (abs(getattr(found, kind) / budget - 1) <= 0.03)


@pytest.mark.parametrize(("triple", "factor"), [(PAPER, 2.0), (SHRINKING, 0.5)])
@pytest.mark.parametrize("phi", [0.5, 1, 2])
def test_an_exact_size_is_the_nearest_of_equal_cost(
    triple: Coefficients, factor: float, phi: float
) -> None:
    first = start("nano", resolution=64, depth_rounding="round")
    terms = Terms(first, triple, factor)
    found = at_phis(terms, [phi], "exact").sizes[0]
    assert found.matched
    assert abs(found.flops_ratio / factor**phi - 1) <= 0.03
    budget = (1.03 if factor > 1 else 0.97) * factor**phi
    every = realisable(first.costs, 64, first.step, budget)
    target = np.array(triple.shares())
    points = [np.array(measured_shares(every.costs, at)) for at in every.within(factor**phi, 0.03)]
    best = min(float(np.linalg.norm(point - target)) for point in points)
    ours = first.costs.table([1.0, found.depth], [1.0, found.width], [64, found.resolution])
    mine = np.array(measured_shares(ours, (1, 1, 1)))
    assert float(np.linalg.norm(mine - target)) == pytest.approx(best, abs=1e-9)


def test_exact_sizes_meet_their_budget_and_the_formulas_drift() -> None:
    both = make_family("b0", PAPER, [0, 2, 5, 7], budget="both")
    formula, exact = (both[both["budget"] == way] for way in ("formula", "exact"))
    assert formula["matched"].tolist() == [True, False, False, False]
    assert exact["matched"].all()
    assert np.allclose(exact["flops_ratio"], exact["nominal_ratio"], rtol=0.03)


def test_where_no_network_costs_what_is_asked_the_nearest_is_marked() -> None:
    terms = Terms(start("nano", resolution_step=16), Coefficients(1, 1, math.sqrt(2)), 2.0, 0.0001)
    found = at_phis(terms, [0.25], "exact")
    assert not found.sizes[0].matched
    assert any("no network costs what is asked within 0.01 %" in note for note in found.notes)


@pytest.fixture(scope="module")
def tables() -> dict[str, object]:
    names = ("nano-cifar10-32", "b0-leaves-36")
    return {name: load_sweep(name, PUBLISHED) for name in names}


@pytest.mark.parametrize("name", ["nano-cifar10-32", "b0-leaves-36"])
def test_a_sweeps_family_starts_with_what_it_recommends(name: str, tables: dict) -> None:  # type: ignore[type-arg]
    sweep = tables[name]
    known = swept(sweep)
    rows = sweep.planned.set_index("variant")
    found = at_phis(Terms(known.start, known.coefficients), [0, 1])
    assert found.sizes[0].variant == rows.index[0]
    best = rows.loc[found.sizes[1].variant]  # one that was planned
    assert found.sizes[1].flops == best["flops"]
    assert tuple(known.coefficients) == (best["alpha"], best["beta"], best["gamma"])
    for axis in ("alpha", "beta"):
        for end in ("low", "high"):
            ours = getattr(getattr(known.interval, end), axis)
            assert ours == pytest.approx(best[f"{axis}_{end}"], abs=1e-6)
    assert ("has not decided" in " ".join(known.notes)) == (name == "b0-leaves-36")


def test_every_coefficient_within_the_interval_builds_the_same_network() -> None:
    first = start("b0", resolution=96, depth_rounding="round")
    low, high = interval(first, PAPER)
    here = first.place(first.scaling(PAPER, 1.0))
    margin = 1e-6
    for inside in (0.0, 0.5, 1.0):  # the ends too
        triple = [a ** (1 - inside) * b**inside for a, b in zip(low, high, strict=True)]
        assert first.place(first.scaling(Coefficients(*triple), 1.0)) == here
    for i in range(3):
        for out in (low[i] - 2 * margin, high[i] + 2 * margin):
            triple = list(PAPER)
            triple[i] = out
            assert first.place(first.scaling(Coefficients(*triple), 1.0)) != here


def test_ranges_hold_the_formulas_size_and_widen_with_phi(tables: dict) -> None:  # type: ignore[type-arg]
    known = swept(tables["nano-cifar10-32"])
    terms = Terms(known.start, known.coefficients)
    found = with_sweep(at_phis(terms, [0, 1, 2, 4, 7]), known)
    assert [one.phi for one in found.ranges] == [1, 2, 4, 7]
    sized = {size.phi: size for size in found.sizes}
    for one in found.ranges:
        assert one.flops_low <= sized[one.phi].flops <= one.flops_high
    spreads = [one.spread for one in found.ranges]
    assert spreads == sorted(spreads)
    assert spreads[0] == 1  # at φ = 1 both ends build the network that the sweep recommends
    assert "; beyond φ = 2 they differ by more than 2" in found.notes[-1]
    alone = with_sweep(at_phis(terms, [7]), known)
    assert "beyond" not in alone.notes[-1]
    better = narrower(terms, known.start, 7)
    assert better is not None
    assert better.spread < spreads[-1]
    phi = math.log2(better.flops_factor)
    said = f"A sweep at φ = {phi:g}, by --flops-factor {better.flops_factor:.3g}, would leave"
    assert said in found.notes[-1]
    wider = interval(known.start, known.coefficients, phi)
    assert range_at(known.start, wider, 7).spread == better.spread


def test_ranges_of_phi() -> None:
    assert parse("0:7") == tuple(range(8))
    assert parse("-1:1:0.5") == (-1, -0.5, 0, 0.5, 1)
    assert parse("0:1:0.1")[-1] == 1
    assert parse("2,0.5,2") == (0.5, 2)


@pytest.mark.parametrize("text", ["7:0", "0:7:0", "0:7:-1", "", "x", "nan", "0:inf", "1:2:3:4"])
def test_no_range_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--phi"):
        parse(text)


@pytest.mark.parametrize(
    ("triple", "factor", "message"),
    [
        ((0, 1.1, 1.1), 2, "--alpha 0 must be a number from 1/64 to 64"),
        ((1, 1, 1), 2, "costs stay as φ grows"),
        ((0.9, 0.9, 1), 2, "costs shrink as φ grows"),
        (PAPER, 0.5, "costs grow as φ grows"),
        (PAPER, 1, "--flops-factor 1 must be"),
        (PAPER, math.nan, "--flops-factor nan must be"),
    ],
)
def test_coefficients_that_do_not_scale_are_refused(
    triple: tuple[float, float, float], factor: float, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        make_family("nano", triple, flops_factor=factor)


@pytest.mark.parametrize(
    ("phi", "message"),
    [
        (30, "multiplies the depth of b0 by 237"),
        (1e9, "multiplies the depth of b0 by inf"),
        (-20, "images of 12 px are too small for b0"),
    ],
)
def test_a_phi_that_makes_no_network_is_refused(phi: float, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make_family("b0", PAPER, [phi])


def test_weights_larger_than_the_machine_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalegrid.family.sizes.device_memory", lambda _: 2**25)
    with pytest.raises(UserError, match=r"at φ = 3 the weights of b0 need 0\.061 GiB"):
        make_family("b0", PAPER, [0, 3])


def test_what_does_not_fit_while_training_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scalegrid.family.family.device_memory", lambda _: 2**32)
    found = at_phis(Terms(start("b0"), PAPER), [0, 1, 2, 3])
    assert any("needs 4.8 GiB at φ = 2" in note for note in found.notes)


def test_as_json_every_column_is_plain() -> None:
    table = make_family("nano", PAPER, [0, 1])
    assert len(json.loads(table.to_json(orient="records"))) == 2
