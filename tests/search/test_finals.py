"""Finalists raced over rungs: what is trained, what is said of it, and how it goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from light_search import light_spec, run_light

from scalegrid.results.schema import MEASURED
from scalegrid.search.finals import chances
from scalegrid.search.run import SearchOutcome
from scalegrid.search.spec import SearchSpec
from scalegrid.search.tables import load_search
from scalegrid.training.trial import Epoch, Trial
from scalegrid.util.errors import UserError


def rung_spec(folder: Path, name: str = "s", **settings: Any) -> SearchSpec:
    few = {"trials": 4, "finalists": 2, "race_trials": 8, "rungs": (1, 3), "epochs": 2}
    return light_spec(folder, name, **{**few, **settings})


def tables(outcome: SearchOutcome) -> list[pd.DataFrame]:
    read = (
        pd.read_parquet(outcome.folder / f"{name}.parquet")
        for name in ("networks", "trials", "history", "answers")
    )
    return [table.drop(columns=list(MEASURED), errors="ignore") for table in read]


def slow_starter(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    """Networks of kernel 3 in their first stage are worse at rung 1, and better at rung 3."""
    slow = json.loads(trial.baseline)["stages"][0][0].find("_k3_") > 0
    top1 = 0.6 - 0.1 * slow if trial.rung == 1 else 0.6 + 0.1 * slow
    for number in range(trial.epochs):
        report(Epoch(number + 1, 1.0, 1.0, top1 + 0.002 * (trial.seed % 2), 0.9, 0.1, 1e3, 0.01))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> SearchOutcome:
    return run_light(rung_spec(tmp_path_factory.mktemp("undisturbed"), "parts"))


def test_finalists_go_on_to_the_highest_rung_which_answers(undisturbed: SearchOutcome) -> None:
    outcome = undisturbed
    trials = pd.read_parquet(outcome.folder / "trials.parquet")
    raced = trials[trials["seed"] > 0]
    assert (trials.loc[trials["seed"] == 0, "rung"] == 1).all()
    assert set(raced["rung"]) == {1, 3}
    assert (trials["epochs"] == 2 * trials["rung"]).all()
    assert len(raced) <= 8
    assert outcome.spec.schedule == "wsd"
    winner = outcome.finalists[0]
    at_top = raced[(raced["variant"] == winner.network.variant) & (raced["rung"] == 3)]
    assert (winner.rung, winner.trials) == (3, len(at_top))
    assert winner.accuracy == pytest.approx(at_top["top1"].mean())
    assert sum(one.best or 0 for one in outcome.finalists) == pytest.approx(1)
    assert "seeds at 3×); ACC·" in outcome.answer[2] or "1 seed at 3×" in outcome.answer[2]
    assert not (outcome.folder / "checkpoints").exists()


@pytest.mark.slow
def test_what_is_best_after_long_trainings_is_found(tmp_path: Path) -> None:
    outcome = run_light(
        rung_spec(tmp_path, trials=12, finalists=12, race_trials=60),
        function=f"{__name__}:slow_starter",
    )
    kernels = [
        json.loads(one.network.definition)["stages"][0][0].find("_k3_") > 0
        for one in outcome.finalists
    ]
    assert 0 < sum(kernels) < len(kernels)
    assert kernels[0]


@pytest.mark.parametrize(
    "rungs_from", ["continue", pytest.param("scratch", marks=pytest.mark.slow)]
)
def test_wherever_it_is_stopped_it_goes_on_to_the_same_tables(
    tmp_path: Path, undisturbed: SearchOutcome, rungs_from: str
) -> None:
    settings = {"rungs_from": rungs_from, "schedule": "wsd"}
    spec = rung_spec(tmp_path, "parts", **settings)
    parts = run_light(spec, 5)
    while parts.exit_status == 130:
        parts = run_light(spec, 4)
        kept = list((parts.folder / "checkpoints").glob("*"))
        assert not kept or rungs_from == "continue"
    for one, other in zip(tables(parts), tables(undisturbed), strict=True):
        pd.testing.assert_frame_equal(one, other)
    there, here = str(undisturbed.folder.parent.parent), str(tmp_path)
    assert parts.found.read_text() == undisturbed.found.read_text().replace(there, here)


@pytest.mark.slow
def test_a_finished_search_is_raced_over_rungs(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"schedule": "wsd", "race_trials": 4}
    before = run_light(rung_spec(tmp_path, rungs=(1,), **settings))
    assert {one.rung for one in before.finalists} == {1}
    after = run_light(rung_spec(tmp_path, **{**settings, "race_trials": 16}))
    assert after.finalists[0].rung == 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedule": "cosine"}, "the schedule 'cosine' does not hold its rate"),
        ({}, "s holds trainings by the schedule 'onecycle', which does not hold its rate"),
    ],
)
def test_a_schedule_that_holds_no_rate_goes_on_to_no_rung(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    run_light(rung_spec(tmp_path, rungs=(1,)), 2)
    with pytest.raises(UserError) as error:
        run_light(rung_spec(tmp_path, **settings))
    assert words in str(error.value)


def test_the_tables_say_what_the_run_has_said(undisturbed: SearchOutcome) -> None:
    tables = load_search("parts", undisturbed.folder.parent)
    assert tables.finalists == list(undisturbed.finalists)
    assert tables.answer == list(undisturbed.answer)


def test_a_lead_on_few_images_is_luck_in_part(undisturbed: SearchOutcome) -> None:
    """Right on 110 of 200 images and on the 90 others: 0.1 ± 0.07, so 92 % sure at most."""
    spec = undisturbed.spec.model_copy(update={"limit": "hard"})
    better, worse = (one.network for one in undisturbed.finalists)
    draw = np.random.default_rng(0)
    rows, answers = [], {}
    for network, right in ((better, np.arange(200) < 110), (worse, np.arange(200) >= 110)):
        for seed in range(1, 6):
            trial, flags = f"{network.variant}{seed}", right.copy()
            flags[draw.integers(200, size=2)] ^= True
            answers[trial] = flags
            row = {"trial": trial, "variant": network.variant, "seed": seed, "rung": 1}
            rows.append(row | {"status": "finished", "top1": flags.mean(), "device": "cpu"})
    on_these, on_all = (chances(spec, (better, worse), rows, known) for known in ({}, answers))
    assert on_these.best[better.variant] > 0.99
    assert 0.6 < on_all.best[better.variant] < 0.92
