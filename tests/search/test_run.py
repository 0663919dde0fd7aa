"""Searches: what is trained, stored and found, also if they are stopped and go on."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from light_search import SPACE, light_spec, run_light
from light_sweep import third_in_fp16

from scalegrid import baselines
from scalegrid.progress import read_status
from scalegrid.results import load_sweep
from scalegrid.results.schema import MEASURED
from scalegrid.search.answer import beside
from scalegrid.search.spec import SEARCHERS
from scalegrid.training.trial import Epoch, Trial
from scalegrid.util.errors import UserError

TABLES = ("networks", "trials", "history", "answers")


def tables(folder: Path) -> dict[str, Any]:
    """The tables of a search, less what is measured."""
    found = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    return {
        name: table.drop(columns=[key for key in MEASURED if key in table]).to_dict("list")
        for name, table in found.items()
    }


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_an_interrupted_search_goes_on_to_the_same_tables(tmp_path: Path, searcher: str) -> None:
    whole = run_light(light_spec(tmp_path, "whole", searcher=searcher))
    spec = light_spec(tmp_path, "parts", searcher=searcher)
    for trials in (1, 7, 10):
        assert run_light(spec, trials).exit_status == 130
    parts = run_light(spec)
    assert repr(tables(parts.folder)) == repr(tables(whole.folder))
    assert [one.network for one in parts.finalists] == [one.network for one in whole.finalists]
    names = [folder.found.read_text().replace("whole", "parts") for folder in (whole, parts)]
    assert names[0] == names[1]


def test_the_number_of_workers_changes_nothing(tmp_path: Path) -> None:
    spec = light_spec(tmp_path, "alone", ahead=2, workers=1, searcher="tpe")
    other = light_spec(tmp_path, "two", ahead=2, workers=2, searcher="tpe")
    one, two = (run_light(each) for each in (spec, other))
    assert tables(one.folder)["networks"] == tables(two.folder)["networks"]


def test_the_winner_is_a_baseline_within_the_window(tmp_path: Path) -> None:
    outcome = run_light(light_spec(tmp_path, limit="hard"))
    found = baselines.get(str(outcome.found))
    winner = outcome.finalists[0].network
    assert found.definition == baselines.get(winner.definition).definition
    assert found.layout(1.0, 1.0) == winner.layout
    low, high = outcome.spec.objective.bounds
    assert high == 1.1e6
    networks = pd.read_parquet(outcome.folder / "networks.parquet")
    assert networks["cost"].between(low, high).all()
    assert (networks["cost"] == networks["flops"]).all()
    assert networks["outside"].sum() > 0
    assert networks["definition"].is_unique


def test_finalists_are_the_best_and_raced_by_other_seeds(tmp_path: Path) -> None:
    outcome = run_light(light_spec(tmp_path, finalists=3, seeds=2, race_trials=7))
    trials = pd.read_parquet(outcome.folder / "trials.parquet")
    costs = pd.read_parquet(outcome.folder / "networks.parquet").set_index("variant")["cost"]
    first = trials[trials["seed"] == 0].set_index("variant")
    assert len(first) == 16
    objective = first["top1"] * (costs / 1.1e6) ** -0.07
    best = set(objective.nlargest(3).index)
    raced = trials[trials["seed"] > 0]
    assert set(raced["variant"]) == best == {one.network.variant for one in outcome.finalists}
    assert len(raced) <= 7
    assert (raced["variant"].value_counts() >= 2).all()
    chances = [one.best for one in outcome.finalists]
    assert sum(chance or 0.0 for chance in chances) == pytest.approx(1)
    assert chances == sorted(chances, key=lambda chance: -(chance or 0))
    for one in outcome.finalists:
        own = raced.loc[raced["variant"] == one.network.variant, "top1"]
        assert one.trials == len(own)
        assert one.accuracy == pytest.approx(own.mean())


def test_a_finished_search_trains_nothing_and_goes_on_with_more_trials(tmp_path: Path) -> None:
    spec = light_spec(tmp_path, trials=10)
    run_light(spec)
    assert run_light(spec, 0).trained == 0
    more = run_light(spec.model_copy(update={"trials": 14}))
    assert len(more.networks) == 14
    assert more.trained >= 4


def test_fewer_trials_than_are_made_are_none_to_make(tmp_path: Path) -> None:
    spec = light_spec(tmp_path, finalists=1)
    run_light(spec, 9)
    fewer = spec.model_copy(update={"trials": 5})
    assert len(run_light(fewer).networks) >= 9
    status = read_status(fewer.folder)
    assert status is not None
    assert status.total == status.finished


def test_without_a_race_the_first_is_found(tmp_path: Path) -> None:
    outcome = run_light(light_spec(tmp_path, finalists=1))
    assert [(one.trials, one.best) for one in outcome.finalists] == [(1, None)]
    assert outcome.trained == 16


def test_the_front_is_of_accuracy_and_cost(tmp_path: Path) -> None:
    outcome = run_light(light_spec(tmp_path, searcher="nsga2"))
    trials = pd.read_parquet(outcome.folder / "trials.parquet")
    accuracy = trials[trials["seed"] == 0].set_index("variant")["top1"]
    networks = pd.read_parquet(outcome.folder / "networks.parquet").set_index("variant")
    expected = {
        one
        for one in accuracy.index
        if not any(
            accuracy[other] >= accuracy[one]
            and networks["cost"][other] <= networks["cost"][one]
            and (accuracy[other], networks["cost"][other]) != (accuracy[one], networks["cost"][one])
            for other in accuracy.index
        )
    }
    assert {network.variant for network in outcome.front} <= expected
    assert outcome.front


def fail(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    raise ValueError("no such layer")


def guess(trial: Trial, report: Callable[[Epoch], None], device: str) -> None:
    report(Epoch(1, 3.0, 3.0, 0.06, 0.3, 0.1, 1000.0, 0.01))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("fail", "the first 8 networks all failed to train: ValueError: no such layer"),
        ("guess", "none of the first 8 networks has learnt: the best top-1 is 6 %"),
    ],
)
def test_a_hopeless_search_stops(tmp_path: Path, function: str, words: str) -> None:
    spec = light_spec(tmp_path)
    with pytest.raises(UserError) as error:
        run_light(spec, function=f"{__name__}:{function}")
    assert words in str(error.value)
    with pytest.raises(UserError):  # again, and trains nothing more
        run_light(spec, function=f"{__name__}:{function}")
    assert len(pd.read_parquet(tmp_path / "results" / "s" / "trials.parquet")) == 8


def test_a_search_keeps_to_one_number_format(tmp_path: Path) -> None:
    refused = pytest.raises(UserError, match=r"trials before are in bf16, and on cpu.* are in fp16")
    with third_in_fp16(), refused:
        run_light(light_spec(tmp_path))
    stored = pd.read_parquet(tmp_path / "results" / "s" / "trials.parquet")
    assert stored["number_format"].tolist() == ["bf16", "bf16"]


def test_without_the_check_guessing_goes_on(tmp_path: Path) -> None:
    spec = light_spec(tmp_path, check_learning=False, trials=10, finalists=1)
    assert run_light(spec, function=f"{__name__}:guess").trained == 10


def test_without_optuna_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match="needs Optuna"):
        run_light(light_spec(tmp_path))
    assert not (tmp_path / "results").exists()


def test_a_latency_is_measured_once(tmp_path: Path) -> None:
    spec = light_spec(tmp_path, target="3ms", window=(0.0, 1000.0), trials=3, finalists=1)
    run_light(spec, 1)
    before = pd.read_parquet(tmp_path / "results" / "s" / "networks.parquet")
    after = pd.read_parquet(run_light(spec).folder / "networks.parquet")
    assert before["cost"].tolist() == after["cost"].tolist()[: len(before)]
    assert after["cost"].between(1e-6, 3).all()


def test_the_layer_table_is_beside_b0s(tmp_path: Path) -> None:
    outcome = run_light(light_spec(tmp_path, trials=3, finalists=1))
    table = beside(outcome.finalists[0].network)
    assert [row["b0"] for row in table][:3] == ["Conv3x3", "MBConv1, k3x3, SE", "MBConv6, k3x3, SE"]
    assert [row["b0 channels"] for row in table][-2:] == ["320", "1280"]
    assert [row["found channels"] for row in table][4:] == [""] * 5


def test_a_small_space_is_exhausted(tmp_path: Path) -> None:
    small = SPACE.replace("kernel: [3, 5, 7], se: [0, 0.25], ", "").replace("[1, 2, 3]", "[2]")
    spec = light_spec(tmp_path, window=(0.0, 100.0), target="1M")
    Path(spec.space).write_text(small)
    assert len(run_light(spec).networks) == 9


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": "1G"}, "no network of "),
        ({"target": "20k"}, "k FLOPs to "),
        ({"target": "1 params"}, " parameters, and those from "),
        ({"resolution": 2}, "more than images of 2 px"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError) as error:
        run_light(light_spec(tmp_path, **settings))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": "1.2M"}, "--target is 1.1M there and 1.2M here"),
        ({"searcher": "evolution"}, "--searcher is random there and evolution here"),
        ({"train_images": 96}, "--train-images is 64 there and 96 here"),
    ],
)
def test_another_search_does_not_go_on_in_the_same_folder(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    run_light(light_spec(tmp_path), 2)
    with pytest.raises(UserError) as error:
        run_light(light_spec(tmp_path, **settings))
    assert words in str(error.value)


def test_a_changed_space_does_not_go_on(tmp_path: Path) -> None:
    spec = light_spec(tmp_path)
    run_light(spec, 2)
    Path(spec.space).write_text(SPACE.replace("stem: 8", "stem: 16"))
    with pytest.raises(UserError, match=r"space.yaml has changed since the search"):
        run_light(spec)


def test_a_search_is_no_sweep(tmp_path: Path) -> None:
    spec = light_spec(tmp_path)
    run_light(spec, 2)
    with pytest.raises(UserError, match=r"is a search for a baseline, which has no coefficients"):
        load_sweep("s", spec.results)
