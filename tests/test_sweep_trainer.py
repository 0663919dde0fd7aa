"""A sweep by a trainer of a user's own: the example of docs/trainer.md, and what it may not ask."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from scalegrid import SweepSpec, load_sweep, run_sweep
from scalegrid.cli.main import main
from scalegrid.executors import InlineExecutor
from scalegrid.progress import Silence
from scalegrid.util.errors import UserError

PAGE = (Path(__file__).parent.parent / "docs" / "trainer.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(COMMANDS,) = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

REGRESSION = """
from torch import nn


def network(depth, width, num_classes):
    channels = round(16 * width)
    layers = [nn.Conv2d(3, channels, 3, padding=1)]
    layers += [nn.Conv2d(channels, channels, 3, padding=1) for _ in range(round(8 * depth))]
    return nn.Sequential(*layers)


network.resolution = 16


def train(trial):
    for epoch in range(1, trial.epochs + 1):
        yield {"mse": (1 + trial.seed / 100) * trial.depth * trial.resolution / epoch}


def below_zero(trial):
    return {"score": -(100 + trial.seed) * trial.depth * trial.resolution}


def forgetful(trial):
    yield {"mse" if trial.seed == 0 or trial.width == 1 else "loss": trial.depth}


def broken(trial):
    raise ValueError("no such file")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def module(folder: Path) -> str:
    """A module of its own, since Python keeps those that it has imported."""
    name = f"own_{re.sub(r'[^a-z0-9]', '_', folder.name.lower())}"
    (folder / f"{name}.py").write_text(REGRESSION)
    return name


class Notes(Silence):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def spec(module: str, function: str = "train", **changes: Any) -> SweepSpec:
    values = {
        "baseline": f"{module}:network",
        "trainer": f"{module}:{function}",
        "epochs": 2,
        "candidates": 4,
        "seeds": 2,
        "metric": "minimize mse",
        "name": "own",
        "device": "cpu",
    }
    return SweepSpec(**{**values, **changes})


def run(given: SweepSpec) -> tuple[Any, Notes]:
    shown = Notes()
    return run_sweep(given, display=shown, make_executor=lambda _: InlineExecutor()), shown


@pytest.mark.slow
def test_the_example_segments_by_real_workers(folder: Path) -> None:
    (folder / "segment.py").write_text(CODE.replace("range(100)", "range(40)"))  # steps
    fewer = ["--workers=1", "--max-trials=14"]
    for command in COMMANDS.splitlines():
        words = shlex.split(command)[1:]
        result = CliRunner().invoke(main, words + fewer * (words[0] == "sweep"))
        assert result.exit_code == 0, result.output
        if words[0] == "recommend":
            assert re.search(r"Its miou: 0\.\d+ measured", result.output)
            assert "%" not in result.output.split("Its miou")[1].splitlines()[0]
            assert " in miou (" in result.output
    sweep = load_sweep("discs")
    assert (sweep.trials["status"] == "finished").all()
    assert sweep.trials["miou"].between(0, 1).all()
    assert sweep.trials["miou"].median() > 0.6, "the background alone has 0.4"
    assert sweep.history.groupby("trial").size().eq(2).all()
    drawn = {path.stem for path in Path("results/discs/figures").glob("*.png")}
    assert {"equal-cost", "scaling", "price", "curves", "noise", "edf"} <= drawn
    page = Path("results/discs/report.html").read_text(encoding="utf-8")
    assert "miou" in page
    assert re.search(r"coefficients of \S+ at \d+ px, trained briefly by \S+:train<", page)


def test_less_is_better_where_the_metric_says_so(module: str) -> None:
    outcome, _ = run(spec(module))
    assert (outcome.exit_status, outcome.failed) == (0, 0)
    sweep = load_sweep("own")
    found = sweep.recommend()
    smallest = sweep.planned[sweep.planned["role"] != "baseline"]["resolution"].min()
    assert (found.best.role, found.best.resolution) == ("width", smallest)  # the others grow
    assert found.metric == "minimize mse"
    assert found.indifference == 0
    rows = pq.read_table(outcome.folder / "trials.parquet").to_pylist()
    assert {name for row in rows for name, _ in row["figures"]} == {"mse"}
    assert "batch_size" not in sweep.spec  # which means nothing here


def test_a_finished_sweep_is_not_trained_again_and_goes_on_with_more_seeds(module: str) -> None:
    first, _ = run(spec(module, seeds=1))
    again, _ = run(spec(module, seeds=1))
    more, _ = run(spec(module, seeds=2))
    assert again.trained == 0
    assert more.trained == first.trained == more.finished // 2


def test_a_race_by_a_trainers_figure_ends_with_a_leader(module: str) -> None:
    outcome, _ = run(spec(module, max_trials=20, allocation="racing"))
    assert outcome.finished <= 20
    assert load_sweep("own").recommend().best.probability_best > 0.9


def test_figures_may_lie_below_zero(module: str) -> None:
    run(spec(module, "below_zero", metric="maximize score"))
    best = load_sweep("own").recommend().best
    assert best.role == "width"
    assert best.low < best.accuracy < best.high < 0


def test_rungs_from_scratch_train_for_so_many_epochs(module: str) -> None:
    run(spec(module, rungs=(1, 2), rungs_from="scratch", seeds=1))
    trials = load_sweep("own").trials
    assert set(trials.loc[trials["rung"] == 2, "epochs"]) == {4}


def test_without_the_metric_the_sweep_stops_at_once_and_keeps_what_is_trained(module: str) -> None:
    outcome, shown = run(spec(module, metric="maximize miou"))
    assert outcome.exit_status == 4
    assert outcome.trained == 1
    assert "gives mse, and no miou to compare by" in shown.notes[-1]
    again, _ = run(spec(module))
    assert again.trained == again.finished - 1


def test_a_later_trial_without_the_metric_counts_as_failed(module: str) -> None:
    outcome, _ = run(spec(module, "forgetful"))
    trials = load_sweep("own").trials
    lacking = int(trials["mse"].isna().sum())
    assert 0 < lacking < len(trials)
    assert (outcome.exit_status, outcome.failed, outcome.trained) == (3, lacking, len(trials))
    again, shown = run(spec(module, "forgetful"))
    assert (again.exit_status, again.failed) == (3, lacking)
    assert f"{lacking} of them failed" in shown.notes[-1]
    assert {one.trials for one in load_sweep("own").recommend().ranking} == {1, 2}


@pytest.mark.parametrize(
    ("flags", "refused"),
    [
        ("--data leaves", True),
        ("--batch-size 16", True),
        ("--check-learning", True),
        ("--no-check-learning --rates same --no-compile", False),
    ],
)
def test_flags_that_a_trainer_would_not_heed_are_refused(
    module: str, flags: str, refused: bool
) -> None:
    """Also if they say what is the default without a trainer; in a file likewise."""
    given = ["--baseline", f"{module}:network", "--trainer", f"{module}:train", "--epochs", "2"]
    given += ["--metric", "mse", "--minimize"]
    result = CliRunner().invoke(main, ["plan", *given, *flags.split()])
    assert result.exit_code == (2 if refused else 0)
    assert (f"leave out {flags.split()[0]} or --trainer" in result.stderr) == refused
    lines = [f"baseline: '{module}:network'", f"trainer: '{module}:train'", "epochs: 2"]
    Path("s.yaml").write_text("\n".join([*lines, "batch_size: 16"]))
    assert "leave out --batch-size" in CliRunner().invoke(main, ["plan", "s.yaml"]).stderr


def test_a_trainer_that_fails_each_time_stops_the_sweep(module: str) -> None:
    outcome, shown = run(spec(module, "broken"))
    assert (outcome.exit_status, outcome.failed) == (4, 4)
    assert "failed in all of its 4 trials (ValueError: no such file)" in shown.notes[-1]


def test_a_trainer_that_has_changed_is_not_gone_on_with(
    folder: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(spec(module))
    ids = set(load_sweep("own").trials["trial"])
    with pytest.raises(UserError, match=r"trainer is own_.*:train there and own_.*:broken here"):
        run(spec(module, "broken"))
    path = folder / f"{module}.py"
    path.write_text(REGRESSION.replace("= 16", "= 16  # px"))
    run(spec(module))  # what the code does is the same
    path.write_text(REGRESSION.replace("/ epoch", "/ epoch**2"))
    with pytest.raises(UserError, match="has changed since the sweep in results/own was started"):
        run(spec(module))
    other, _ = run(spec(module, name="other"))
    assert other.finished
    assert not ids & set(load_sweep("other").trials["trial"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 8}, "--batch-size is for scalegrid's own training"),
        ({"data": "glyphs"}, "--data is for scalegrid's own training"),
        ({"learning_rate": 0.1}, "--learning-rate is for"),
        ({"rates": "tune"}, "--rates is for"),
        ({"compile": True}, "--compile is for"),
        ({"rungs": (1, 3)}, "--rungs-from scratch"),
        ({"trainer": "own"}, "'own' is no function: write package.module:function"),
        ({"trainer": "missing_module:train"}, "there is no module missing_module"),
        ({"trainer": None}, "'mse' is no figure of scalegrid's own training"),
    ],
)
def test_what_a_trainer_decides_itself_is_refused(
    module: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError) as refused:
        run(spec(module, **changes))
    assert said in str(refused.value)
    assert not Path("results").exists()


def test_the_length_of_a_training_must_be_said(module: str) -> None:
    given = spec(module).model_dump(exclude={"epochs"}, exclude_unset=True)
    with pytest.raises(UserError, match="--trainer needs --epochs"):
        run(SweepSpec(**given))


def test_ids_of_the_built_in_training_stay(module: str) -> None:
    """Those with a trainer are of its name and code too: see `test_frozen_ids` for the others."""
    run(spec(module))
    assert (
        load_sweep("own").data != load_sweep("v5", Path(__file__).parent / "fixtures/results").data
    )
