"""Whether brief trainings order candidates as long ones do, where the truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from light_sweep import light_spec, run_light_sweep
from scipy.stats import kendalltau

from benchmarks.fidelity import LONG, between, kept_from, main, measure, parser
from benchmarks.selection_worlds import PUBLISHED, World, candidates_of, rung_worlds, table_world
from scalegrid.results import SweepTables, load_sweep
from scalegrid.util.errors import UserError

SIZE, SEEDS = 12, 4


def worlds(correlation: float, seed: int, noise: float = 0.5) -> tuple[World, World]:
    """Candidates brief and long; a line keeps half of its luck."""
    generator = np.random.default_rng(seed)
    between_ = np.array([[1.0, correlation], [correlation, 1.0]])
    truth = generator.multivariate_normal([60.0, 70.0], between_, SIZE)
    luck = noise * generator.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], (SIZE, SEEDS))
    shares = generator.dirichlet([1, 1, 1], SIZE)
    made = []
    for column in range(2):
        values = truth[:, column, None] + luck[..., column]
        loss = 0.03 * values + 0.01 * generator.standard_normal(values.shape)
        made.append(World(shares, truth[:, column], values, (loss, loss)))
    return made[0], made[1]


def test_the_interval_holds_the_true_tau_and_noise_does_not_lower_it() -> None:
    held, low, plain = [], [], []
    for seed in range(10):
        brief, top = worlds(0.9, seed)
        true = kendalltau(brief.truth, top.truth).statistic
        found = dict(between(brief, top))["top1"]
        held.append(found.low <= true <= found.high)
        low.append(found.tau - true)
        means = brief.values.mean(1), top.values.mean(1)
        plain.append(kendalltau(*means).statistic - true)
    assert np.mean(held) >= 0.8
    assert abs(np.mean(low)) < 0.08
    assert np.mean(plain) < np.mean(low) + 0.05


@pytest.mark.slow
def test_more_is_lost_where_the_order_is_another() -> None:
    lost = []
    for correlation in (0.99, 0.0):
        found = [dict(between(*worlds(correlation, seed, 0.1)))["top1"].lost for seed in range(6)]
        lost.append(np.mean(found))
    assert lost[0] < 0.2
    assert lost[1] > 0.8


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> SweepTables:
    folder = tmp_path_factory.mktemp("results")
    run_light_sweep(
        light_spec(folder, candidates=5, seeds=3, rungs=(1, 2), allocation="uniform", name="light")
    )
    return load_sweep("light", folder)


def test_every_metric_of_a_brief_training_has_a_row(light: SweepTables) -> None:
    rows = measure("made", light)
    assert [row["metric"] for row in rows] == ["top1", "val_loss", "train_loss", "joint"]
    assert {row["rung"] for row in rows} == {1}
    for row in rows:
        assert float(str(row["lost"])) >= 0
        assert (row["metric"] == "joint") == np.isnan(float(str(row["tau"])))
    assert kept_from("made", rows).startswith("made: τ of top-1")


def test_brief_trainings_alone_are_compared_with_the_longest_of_another(
    light: SweepTables, tmp_path: Path
) -> None:
    run_light_sweep(light_spec(tmp_path, candidates=5, seeds=3, name="brief"))
    brief = load_sweep("brief", tmp_path)
    rows = measure("brief", brief, light)
    assert [row["metric"] for row in rows] == ["top1", "val_loss", "train_loss", "joint"]
    top = rung_worlds(light)[2]
    own = dict(between(rung_worlds(brief)[1], top, going_on=False))
    assert rows[0]["tau"] == own["top1"].tau


def test_what_it_is_compared_with_comes_first() -> None:
    with pytest.raises(UserError, match="give --only nano-cifar10 before it"):
        main(["--only", "nano-cifar10-default", "--cifar10", "no/such"])


def test_lines_are_those_that_all_candidates_have_at_all_rungs(light: SweepTables) -> None:
    """A line that failed late is left out early too: its place is not taken by another seed."""
    trials = light.trials.copy()
    late = candidates_of(light)["variant"].iloc[0], 0, 2
    trials.loc[trials.set_index(["variant", "seed", "rung"]).index == late, "status"] = "failed"
    lines = rung_worlds(replace(light, trials=trials))
    whole = rung_worlds(light)
    for rung in (1, 2):
        np.testing.assert_array_equal(lines[rung].values, whole[rung].values[:, 1:])
    np.testing.assert_array_equal(
        table_world(replace(light, trials=trials)).values, whole[1].values
    )


def test_three_seeds_unless_told_otherwise() -> None:
    assert parser().parse_args([]).seeds == 3
    assert parser().parse_args(["--only", "b0-leaves"]).only == ["b0-leaves"]


@pytest.mark.parametrize(
    ("setup", "tau", "lost"),
    [
        ("nano-cifar10", 0.61, 0.1),
        ("nano-cifar10-default", 0.74, 0.1),
        ("mobilenetv2-clothing", 0.32, 0.3),
        ("b0-leaves", 0.07, 0.2),
    ],
)
def test_the_committed_tables_give_what_docs_fidelity_says(
    setup: str, tau: float, lost: float
) -> None:
    long = load_sweep(f"fidelity-{LONG[setup]}", PUBLISHED) if setup in LONG else None
    top1 = measure(setup, load_sweep(f"fidelity-{setup}", PUBLISHED), long)[0]
    assert top1["metric"] == "top1"
    assert top1["tau"] == pytest.approx(tau, abs=0.006)
    assert top1["lost"] == pytest.approx(lost, abs=0.06)
