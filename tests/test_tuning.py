"""Sweeps that find their learning rate first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from light_sweep import light_spec, run_light_sweep
from test_sweep import Recorder

from scalegrid.cli.main import main
from scalegrid.executors import KILLED, InlineExecutor
from scalegrid.plan import resolve
from scalegrid.results import load_sweep, read_stored
from scalegrid.rounds import SweepOutcome
from scalegrid.spec import SweepSpec
from scalegrid.sweep import run_sweep
from scalegrid.training.trial import Trial
from scalegrid.util.errors import UserError


class Sweeps:
    """Sweeps in one folder, and the rates of all their trainings."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._results, self._log = folder, folder / "log"
        self.folder = folder / "light-leaves-32"
        monkeypatch.setenv("LIGHT_LOG", str(self._log))
        monkeypatch.setenv("LIGHT_RATE", "0.02")
        self.shown = Recorder()

    def run(self, rates: str | None = "tune", **settings: Any) -> SweepOutcome:
        arguments = {key: settings.pop(key) for key in ("make_executor",) if key in settings}
        spec = light_spec(self._results, epochs=1, rates=rates, **settings)
        return run_light_sweep(spec, "light_training:rated", display=self.shown, **arguments)

    @property
    def rates(self) -> list[float]:
        return [float(rate) for rate in self._log.read_text().split()]

    @property
    def chosen(self) -> float:
        stored = read_stored(self.folder)
        assert stored is not None
        return stored.spec.learning_rate

    @property
    def table(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "rates.parquet")


@pytest.fixture
def sweeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweeps:
    return Sweeps(tmp_path, monkeypatch)


def test_all_variants_are_trained_at_the_rate_that_suits_the_baseline(sweeps: Sweeps) -> None:
    outcome = sweeps.run()
    assert outcome.exit_status == 0
    assert sweeps.chosen == pytest.approx(0.02, rel=0.05)
    assert sweeps.rates[-5:] == [sweeps.chosen] * 5
    tried = sweeps.rates[:-5]
    assert tried == pytest.approx([0.25, 0.0833, 0.75, 0.0278, 0.00926], rel=0.01)
    assert sweeps.table["learning_rate"].tolist() == pytest.approx(tried, rel=0.01)
    assert set(sweeps.table["variant"]) == {"v000"}
    failed = sweeps.table.set_index("status").loc["failed"]
    assert failed["learning_rate"].tolist() == pytest.approx([0.25, 0.75])


def test_a_person_sees_what_was_tried(sweeps: Sweeps) -> None:
    sweeps.run()
    notes = "\n".join(sweeps.shown.notes)
    assert "Finding the learning rate: light is trained at three rates or more" in notes
    assert "baseline at 0.0278: loss 1.011, top-1 50.0 %" in notes
    assert "baseline at 0.75: failed: the loss became nan in epoch 1" in notes
    assert "The learning rate is 0.02." in notes


@pytest.mark.parametrize("again", [{}, {"rates": None}, {"learning_rate": 0.25}])
def test_a_finished_sweep_is_not_tuned_again(sweeps: Sweeps, again: dict[str, Any]) -> None:
    sweeps.run()
    before, chosen = len(sweeps.rates), sweeps.chosen
    assert sweeps.run(**again).trained == 0
    assert (len(sweeps.rates), sweeps.chosen) == (before, chosen)


def test_a_rate_that_is_given_is_not_passed_over(sweeps: Sweeps) -> None:
    sweeps.run()
    with pytest.raises(UserError, match=r"learning-rate is 0\.02 there and 0\.7 here"):
        sweeps.run(rates=None, learning_rate=0.7, seeds=2)


def test_more_seeds_are_trained_at_the_same_rate(sweeps: Sweeps) -> None:
    sweeps.run()
    before = len(sweeps.rates)
    assert sweeps.run(seeds=2).trained == 5
    assert sweeps.rates[before:] == [sweeps.chosen] * 5


class Stopped(InlineExecutor):
    """Interrupts after three trainings."""

    def __init__(self, _placement: object) -> None:
        super().__init__(function="light_training:rated")
        self._left = 3

    def submit(self, trial: Trial) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        super().submit(trial)


def test_an_interrupted_search_goes_on_where_it_was(sweeps: Sweeps) -> None:
    assert sweeps.run(make_executor=Stopped).exit_status == 130
    assert len(sweeps.table) == 3
    sweeps.run()
    assert len(sweeps.rates) == 5 + 5
    assert sweeps.chosen == pytest.approx(0.02, rel=0.05)


def test_status_says_that_the_rate_is_being_found(sweeps: Sweeps) -> None:
    run_light_sweep(light_spec(sweeps.folder.parent, name="earlier", seeds=2))
    sweeps.run(make_executor=Stopped)
    for name in ([], [sweeps.folder.name], []):
        command = ["status", *name, "--results", str(sweeps.folder.parent)]
        shown = CliRunner().invoke(main, command).output
        assert (
            shown
            == "light-leaves-32 is stopped: the learning rate is searched, 3 trainings made.\n"
        )
        (sweeps.folder / "rates.parquet").unlink(missing_ok=True)  # as before the first has ended
    sweeps.run()
    assert "light-leaves-32 is finished: 5 of 5 trials." in CliRunner().invoke(main, command).output


def test_the_time_of_a_search_counts(sweeps: Sweeps) -> None:
    sweeps.run(make_executor=Stopped, max_hours=1)
    path = sweeps.folder / "rates.parquet"
    table = pq.read_table(path)
    rows = [{**row, "seconds": 7200.0} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    assert sweeps.run(max_hours=1).trained == 0


def test_a_training_whose_worker_was_killed_is_made_again(sweeps: Sweeps) -> None:
    sweeps.run(make_executor=Stopped)
    path = sweeps.folder / "rates.parquet"
    table = pq.read_table(path)
    rows = [
        {**row, "status": "failed", "error": f"{KILLED} by signal 9"} for row in table.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    sweeps.run()
    assert len(sweeps.rates) == 3 + 5 + 5
    assert sweeps.table["trial"].is_unique
    assert sweeps.chosen == pytest.approx(0.02, rel=0.05)


def test_where_nothing_can_be_trained_it_says_so(
    sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHT_RATE", "0")
    with pytest.raises(
        UserError, match=r"light cannot be trained at any learning rate from .* nan"
    ):
        sweeps.run()


class Checked(Sweeps):
    """Sweeps of nano, planned for real, in which no network is trained."""

    exponents = (-0.5, 0.0, 0.3)

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, monkeypatch)
        self.folder = folder / "nano-leaves-32"
        monkeypatch.setenv("LIGHT_EXPONENTS", " ".join(map(str, self.exponents)))
        monkeypatch.setenv("LIGHT_CURVATURE", "50")  # so that a prior hardly counts

    def run(self, rates: str | None = "check", **settings: Any) -> SweepOutcome:
        settings = {"baseline": "nano", "check_learning": False, **settings}
        small = {"epochs": 1, "train_images": 64, "val_images": 32, "candidates": 6}
        more: dict[str, Any] = {"rates": rates, "results": str(self._results)}
        spec = SweepSpec(**{**small, **settings, **more})
        return run_sweep(
            spec,
            display=self.shown,
            make_executor=lambda _placement: InlineExecutor(function="light_training:rated"),
            measure_rate=False,
        )

    @property
    def trials(self) -> pd.DataFrame:
        """The trials with their variants."""
        tables = load_sweep("nano-leaves-32", self._results)
        return pd.merge(tables.trials, tables.variants, on="variant")


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checked:
    return Checked(tmp_path, monkeypatch)


def test_each_variant_is_trained_at_the_rate_that_suits_it(checked: Checked) -> None:
    assert checked.run().exit_status == 0
    trials = checked.trials
    least = trials[["alpha_low", "beta_low"]].clip(lower=1.0)  # that builds the network
    multipliers = least.assign(px=trials["resolution"] / 32)
    best = 0.02 * np.prod(multipliers.to_numpy() ** checked.exponents, axis=1)
    assert trials["learning_rate"].tolist() == pytest.approx(best.tolist(), rel=0.05)
    assert trials["learning_rate"].nunique() > 3
    roles = checked.table.merge(trials.drop_duplicates("variant"), on="variant")["role"]
    assert set(roles) == {"baseline", "depth", "width", "resolution"}
    stored = read_stored(checked.folder)
    assert stored is not None
    assert stored.spec.rate_exponents == pytest.approx(checked.exponents, abs=0.05)


def test_a_person_sees_what_the_check_found(checked: Checked) -> None:
    checked.run()
    notes = "\n".join(checked.shown.notes)
    assert "Checking whether depth or width or resolution alone wants another rate." in notes
    assert "depth alone at 0.0833: loss" in notes
    assert "depth alone: 0.014 instead of 0.02 (depth^-0.50 ± 0.00), a loss lower by 7." in notes


def test_without_networks_of_one_axis_one_rate_is_used_and_that_is_said(sweeps: Sweeps) -> None:
    assert sweeps.run("check").exit_status == 0
    assert "one rate is used for all" in sweeps.shown.notes[-2]
    assert sweeps.rates[-5:] == [sweeps.chosen] * 5


def test_more_candidates_are_trained_at_rates_by_the_same_law(checked: Checked) -> None:
    checked.run()
    before = checked.trials.set_index("trial")["learning_rate"]
    tried = len(checked.table)
    assert checked.run(candidates=8).trained > 0
    assert len(checked.table) == tried
    after = checked.trials.set_index("trial")["learning_rate"]
    assert after[before.index].tolist() == before.tolist()
    assert len(after) > len(before)


def test_exponents_given_to_a_check_are_replaced_and_that_is_said(checked: Checked) -> None:
    checked.run(rate_exponents=(1.0, 0.0, 0.0))
    assert "replaced by those found" in "\n".join(checked.shown.notes)
    stored = read_stored(checked.folder)
    assert stored is not None
    assert stored.spec.rate_exponents == pytest.approx(checked.exponents, abs=0.05)


def test_an_interrupted_check_goes_on_where_it_was(checked: Checked) -> None:
    checked.run()
    whole = checked.rates
    (checked.folder / "sweep.yaml").unlink()  # as if it had been killed before the sweep began
    for name in ("trials", "variants", "history", "answers"):
        (checked.folder / f"{name}.parquet").unlink(missing_ok=True)
    table = pq.read_table(checked.folder / "rates.parquet")
    pq.write_table(table.slice(0, 9), checked.folder / "rates.parquet")
    checked.run()
    assert checked.rates == whole + whole[9:]


def test_recommend_says_what_the_check_changed(checked: Checked) -> None:
    checked.run()
    command = ["recommend", "nano-leaves-32", "--results", str(checked.folder.parent)]
    said = CliRunner().invoke(main, command).output
    assert "Variants were trained at learning rates of their own, 0.01" in said


def test_exponents_can_be_given(checked: Checked) -> None:
    checked.run(rates="same", learning_rate=0.1, rate_exponents=(-1.0, 0.0, 0.0))
    trials = checked.trials
    least = trials["alpha_low"].clip(lower=1.0)  # that builds the network
    assert trials["learning_rate"].tolist() == pytest.approx((0.1 / least).tolist(), rel=0.01)


@pytest.mark.parametrize(
    ("settings", "rates", "learning_rate"),
    [
        ({}, "same", 0.12),  # built in, on drawn images: the family's
        ({"baseline": "nano"}, "same", 0.25),
        ({"baseline": "nano", "rates": "check"}, "check", 0.25),
        ({"data": "glyphs"}, "same", 0.12),
        ({"data": "photographs"}, "tune", 0.12),
        ({"data": "photographs", "learning_rate": 0.1}, "same", 0.1),
        ({"data": "photographs", "learning_rate": 0.1, "rates": "tune"}, "tune", 0.1),
        ({"baseline": "timm/resnet18"}, "tune", 0.25),
        ({"optimizer": "adamw"}, "tune", 0.003),
        ({"optimizer": "adamw", "rates": "same", "name": "x"}, "same", 0.003),
        ({"optimizer": "adamw", "learning_rate": 0.01}, "same", 0.01),
        ({"rates": "tune"}, "tune", 0.12),
    ],
)
def test_what_is_tuned_unless_said(
    settings: dict[str, Any], rates: str, learning_rate: float
) -> None:
    given = SweepSpec(resolution=32, resolution_step=32, depth_rounding="round", **settings)
    spec = resolve(given)
    assert (spec.rates, spec.learning_rate) == (rates, learning_rate)
