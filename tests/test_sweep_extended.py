"""A stored sweep goes on at further φ: `scalegrid sweep --extend NAME --phi ...`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import pytest
from click.testing import CliRunner

from scalegrid.analysis.direction import coefficients_of, direction
from scalegrid.cli.main import main
from scalegrid.executors import InlineExecutor
from scalegrid.family import Terms, at_phis
from scalegrid.family.start import start
from scalegrid.results import SweepTables, load_sweep
from scalegrid.results.extension import Extension, extend
from scalegrid.results.schema import MEASURED
from scalegrid.rounds import SweepOutcome
from scalegrid.spec import SweepSpec
from scalegrid.sweep import run_sweep
from scalegrid.training.trial import Trial
from scalegrid.util.errors import UserError

PHIS = (0.5, 2.0)
AXES = ("depth", "width", "resolution", "paper")
FACTORS = {"up": 2.0, "down": 0.5}


class Tired(InlineExecutor):
    """An executor that is interrupted as it is given its fourth trial."""

    left = 3

    def submit(self, trial: Trial) -> None:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        super().submit(trial)


def run(spec: SweepSpec, executor: type[InlineExecutor] = InlineExecutor) -> SweepOutcome:
    """`run_sweep` with a stand-in for the training alone."""

    def make(_placement: object) -> InlineExecutor:
        return executor(function="light_training:train")

    with (
        mock.patch("scalegrid.training.devices.vector_instructions", return_value=None),
        mock.patch("scalegrid.plan.plan.check_closed_form"),  # it needs torch
    ):
        return run_sweep(spec, make_executor=make, measure_rate=False)


def small(results: Path, **settings: Any) -> SweepSpec:
    values: dict[str, Any] = {
        **{
            "baseline": "nano",
            "data": "glyphs",
            "train_images": 64,
            "val_images": 32,
            "batch_size": 32,
        },
        **{"epochs": 1, "rates": "same", "candidates": 6, "seeds": 2, "check_learning": False},
        **{"workers": 2, "device": "cpu", "results": str(results)},
    }
    return SweepSpec(**{**values, **settings})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sweeps that are finished: ``up`` and ``down`` of two seeds, and ``race`` at its limit."""
    results = tmp_path_factory.mktemp("finished")
    for name, factor in FACTORS.items():
        run(small(results, name=name, flops_factor=factor))
    run(small(results, name="race", max_trials=8, seeds=1))
    return results


@pytest.fixture
def results(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "results"))


def test_it_may_go_on_where_the_settings_of_its_executor_mean_nothing(results: Path) -> None:
    path = results / "up" / "sweep.yaml"
    text = path.read_text()
    path.write_text(text.replace("executor: local", "executor: slurm\nslurm: partition=gpu"))
    assert extend("up", PHIS, results).spec.slurm == "partition=gpu"
    spec = extend("up", PHIS, results, {"executor": "local"}).spec
    assert (spec.executor, spec.slurm) == ("local", None)


def frames(results: Path, name: str) -> list[pd.DataFrame]:
    tables, measured = load_sweep(name, results), list(MEASURED)
    names = ("variants", "trials", "history", "answers")
    return [getattr(tables, one).drop(columns=measured, errors="ignore") for one in names]


@pytest.mark.parametrize("name", FACTORS)
def test_networks_of_equal_cost_in_the_recommended_direction_join_the_sweep(
    results: Path, name: str
) -> None:
    before = load_sweep(name, results)
    triple, factor = direction(before.recommend()).coefficients, FACTORS[name]
    outcome = run(extend(name, PHIS, results).spec)
    after = load_sweep(name, results)
    assert outcome.trained == len(after.trials) - len(before.trials) > 0
    assert set(before.trials["trial"]) < set(after.trials["trial"])
    kept = after.planned[after.planned["variant"].isin(before.planned["variant"])]
    new = after.planned.drop(kept.index)
    columns = [column for column in before.planned if column != "order"]
    pd.testing.assert_frame_equal(
        kept[columns].reset_index(drop=True), before.planned[columns].reset_index(drop=True)
    )
    assert set(new["phi"].where(new["role"] != "paper").dropna().round(9)) == set(PHIS)
    assert (after.trials.groupby("variant").size() == 2).all()
    # Another search finds the same networks.
    px = int(after.planned["resolution"].iloc[0])
    terms = Terms(
        start("nano", resolution=px, num_classes=10, depth_rounding="round"), triple, factor
    )
    compound = after.planned[after.planned["role"] == "compound"]
    sizes = at_phis(terms, PHIS, "exact").sizes
    assert compound["phi"].tolist() == pytest.approx(PHIS)
    assert compound["variant"].tolist() == [size.variant for size in sizes]
    assert compound["matched"].tolist() == [size.matched for size in sizes]
    found = after.recommend().advantage
    assert found is not None
    assert found.coefficients == triple


def test_an_interrupted_extension_goes_on_and_ends_as_one_that_was_not(
    finished: Path, tmp_path: Path
) -> None:
    whole, parts = (Path(shutil.copytree(finished, tmp_path / n)) for n in ("whole", "parts"))
    run(extend("up", PHIS, whole).spec)
    stopped = run(extend("up", PHIS, parts).spec, Tired)
    assert stopped.interrupted
    assert stopped.trained == 3
    # What the sweep would recommend now does not matter: the direction is stored.
    again = extend("up", PHIS, parts)
    assert any("as before" in note for note in again.notes)
    assert run(again.spec).exit_status == 0
    for one, other in zip(frames(whole, "up"), frames(parts, "up"), strict=True):
        pd.testing.assert_frame_equal(one, other)
    written = (parts / "up" / "sweep.yaml").read_bytes()
    assert run(extend("up", PHIS, parts).spec).trained == 0
    assert (parts / "up" / "sweep.yaml").read_bytes() == written


def test_more_phis_and_seeds_join_those_of_before(results: Path) -> None:
    run(extend("up", [2.0], results).spec)
    triple = load_sweep("up", results).spec["compound"]
    run(extend("up", [1.0, 0.5], results, {"seeds": 3}).spec)
    other = extend("up", [2.0], results, {"compound": (1.1, 1.1, 1.3)})
    assert any("--compound is another direction than α" in note for note in other.notes)
    tables = load_sweep("up", results)
    assert tables.spec["compound"] == triple
    compound = tables.planned[tables.planned["role"] == "compound"]
    assert compound["phi"].tolist() == pytest.approx([0.5, 2.0])
    assert (tables.trials.groupby("variant").size() == 3).all()


@pytest.mark.parametrize("phis", [(), (1.0,), (2.0,)])
def test_layers_are_placed_at_coefficients_of_the_sweep(
    results: Path, phis: tuple[float, ...]
) -> None:
    before = load_sweep("up", results)
    grid = before.planned[before.planned["role"] == "grid"]
    even = grid.loc[grid["alpha"].idxmax()]
    triple = tuple(even[["alpha", "beta", "gamma"]])
    run(extend("up", phis, results, {"scale": "stages", "compound": triple}).spec)
    after = load_sweep("up", results)
    new = after.planned[~after.planned["variant"].isin(before.planned["variant"])]
    assert set(new["role"]) == ({"stages"} if phis != (2.0,) else {"stages", *AXES, "compound"})
    found = after.recommend().placements
    assert {one.even for one in found} == {even["variant"]}
    assert {one.variant for one in found} == set(new.loc[new["role"] == "stages", "variant"])
    # Extended again, by the direction that is stored, it is finished.
    assert run(extend("up", (1.0,), results, {"scale": "stages"}).spec).trained == 0


def test_layers_are_placed_at_the_recommended_coefficients(results: Path) -> None:
    triple = direction(load_sweep("up", results).recommend()).coefficients
    assert extend("up", (), results, {"scale": "stages"}).spec.compound == triple
    with pytest.raises(UserError, match=r"give --max-trials 11"):
        extend("race", (), results, {"scale": "stages"})


def test_a_race_gives_further_networks_their_first_trials(results: Path) -> None:
    with pytest.raises(UserError, match=r"has made 8 of at most 8 trials.*give --max-trials 18"):
        extend("race", PHIS, results)
    more = extend("race", PHIS, results, {"max_trials": 18})
    assert any("gets one seed" in note for note in more.notes)
    run(more.spec)
    tables = load_sweep("race", results)
    assert set(tables.planned["variant"]) == set(tables.trials["variant"])
    others = tables.planned.loc[~tables.planned["phi"].isin([0, 1]), "variant"]
    assert set(tables.trials.groupby("variant").size()[others]) == {1}


def test_where_an_axis_is_recommended_the_best_of_several_axes_is_compound(results: Path) -> None:
    tables = load_sweep("up", results)
    width = tables.planned["variant"][tables.planned["role"] == "width"].iloc[0]
    trials = tables.trials.assign(
        top1=tables.trials["top1"].where(tables.trials["variant"] != width, 0.99)
    )
    found = SweepTables(**{**vars(tables), "trials": trials, "answers": tables.answers[:0]})
    said = found.recommend()
    assert said.best.variant == width
    triple, (note,) = direction(said)
    several = [one for one in said.ranking if one.role not in ("depth", "width", "resolution")]
    assert triple == coefficients_of(several[0])
    assert note.startswith("width alone is recommended")


def test_a_sweep_that_has_not_decided_is_a_warning(results: Path) -> None:
    said: Extension = extend("up", PHIS, results)
    assert any("up has not decided" in note for note in said.notes)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--extend", "up"), "--extend needs --phi"),
        (("--phi", "2"), "--phi is for --extend"),
        (("--extend", "upp", "--phi", "2"), "did you mean 'up'"),
        (("--extend", "up", "--phi", "0,2"), "φ = 0 must be from 0.0144 to 4"),
        (("--extend", "up", "--phi", "-1"), "φ = -1 must be from 0.0144 to 4"),
        (("--extend", "up", "--phi", "5"), "1.01 to 16 times the FLOPs"),
        (("--extend", "up", "--phi", "1"), "no φ that up lacks"),
        (("--extend", "up", "--phi", "x"), "--phi x must be"),
        (("--extend", "up", "--phi", "2", "--baseline", "b0"), "leave out --baseline b0"),
        (("--extend", "up", "--phi", "2", "--name", "x"), "leave out --name x"),
        (("spec.yaml", "--extend", "up", "--phi", "2"), "leave out spec.yaml"),
        (("--extend", "empty", "--phi", "2"), "no candidate has a finished trial"),
        (("--extend", "race", "--phi", "2", "--max-trials", "8"), "give --max-trials 13"),
    ],
)
def test_a_mistake_is_one_sentence(
    results: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(results.parent)
    if "empty" in arguments:
        shutil.copytree("results/up", "results/empty")
        for name in ("trials", "history", "answers"):
            Path(f"results/empty/{name}.parquet").unlink()
    result = CliRunner().invoke(main, ["sweep", *arguments])
    assert result.exit_code == 2
    (sentence,) = result.stderr.strip().splitlines()
    assert says in sentence


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"compound": (1.2, 1.1, 1.15)}, "is for --curves of other FLOPs factors"),
        ({"compound": (1.2, 1.1, 1.15), "curves": (1.0, 2.0)}, "is for --curves"),
        ({"compound": (1.2, 0.9, 1.15), "curves": (3.0,)}, "at least 1 each"),
        ({"compound": (1.0, 1.0, 1.0), "curves": (3.0,)}, "not all 1"),
        ({"compound": (1e300, 1, 1), "scale": "stages"}, "from 1/64 to 64 each"),
        ({"compound": (1.2, 1, 1), "curves": (0.3,), "flops_factor": 0.5}, "at most 1 each"),
    ],
)
def test_coefficients_that_lead_nowhere_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SweepSpec(**settings)
