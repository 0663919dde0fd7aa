from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from light_sweep import (
    BATCH,
    TRAIN_IMAGES,
    in_workers,
    light_baseline,
    light_plan,
    light_spec,
    run_light_sweep,
    third_in_fp16,
)
from PIL import Image

from scalegrid.allocation import Ask, Result, Uniform
from scalegrid.analysis.pace import Pace
from scalegrid.baselines import network_id
from scalegrid.executors import SPOOL, Executor, InlineExecutor, Placement
from scalegrid.plan import Plan
from scalegrid.progress.display import Ended, Silence
from scalegrid.progress.status import Status, read_status
from scalegrid.results import Store, load_sweep, read_stored
from scalegrid.results.joined import JoinedStore
from scalegrid.results.journal import Journal
from scalegrid.results.schema import MEASURED
from scalegrid.speed import Probed
from scalegrid.training.trial import Epoch, Trial
from scalegrid.util.errors import UserError
from scalegrid.util.processes import INTERRUPTIONS

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


class Recorder(Silence):
    """Remembers what it was shown."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.trials: list[tuple[Ended, Status]] = []
        self.closed = 0

    def note(self, text: str) -> None:
        self.notes.append(text)

    def ended(self, trial: Ended, status: Status) -> None:
        self.trials.append((trial, status))

    def close(self) -> None:
        self.closed += 1


class Forbidden:
    """An executor that must not be made."""

    def __init__(self, *_arguments: object) -> None:
        raise AssertionError("nothing should be trained")


class Unused(InlineExecutor):
    """An executor that is closed without having been given a trial."""

    def __init__(self, _place: object) -> None:
        super().__init__(function="light_training:train")
        self.closed = False

    def submit(self, trial: Trial) -> None:
        raise AssertionError(f"{trial.trial} should not be trained")

    def cancel(self) -> None:
        self.closed = True


def frames(results: Path, name: str = "light-leaves-32") -> dict[str, pd.DataFrame]:
    tables = load_sweep(name, results)
    names = ("variants", "trials", "history", "answers")
    measured = list(MEASURED)
    return {name: getattr(tables, name).drop(columns=measured, errors="ignore") for name in names}


def assert_equal(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, other[name])


def test_a_clock_that_jumps_back_changes_no_duration_and_no_order(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock shows a day less than the one before."""
    spec = light_spec(results, name="before", seeds=2)
    run_light_sweep(spec)
    today = time.time()
    days = count(1)
    shown = Recorder()

    class Backwards(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(time.time(), tz)

    monkeypatch.setattr(time, "time", lambda: today - 86400 * next(days))
    monkeypatch.setattr("scalegrid.results.rows.datetime", Backwards)
    run_light_sweep(spec.model_copy(update={"name": "jumps"}), display=shown, measure_rate=False)
    tables = {name: load_sweep(name, results).trials for name in ("before", "jumps")}
    assert list(tables["jumps"]["trial"]) == list(tables["before"]["trial"])
    assert tables["jumps"]["seconds"].between(0, 60).all()
    assert not tables["jumps"]["finished_at"].is_monotonic_increasing
    pace = Pace.of(tables["jumps"], tables["jumps"]["variant"])
    assert pace.busy is not None
    assert 0 <= pace.busy <= tables["jumps"]["seconds"].sum() + 1e-4  # ends are in microseconds
    left = [status.seconds_left for _, status in shown.trials if status.seconds_left is not None]
    assert all(0 <= seconds < 60 for seconds in left)
    last = read_status(results / "jumps")
    assert last is not None
    assert last.state == "finished"


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_a_folder_without_locks_is_locked_by_a_link_and_that_is_said(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    shown = Recorder()
    spec = light_spec(results, name="s")
    assert run_light_sweep(spec, display=shown).exit_status == 0
    assert [note for note in shown.notes if "has no locks" in note] == [
        f"Note: the file system of {results / 's'} has no locks, so that the link .lock.held in it "
        "is one."
    ]
    assert not (results / "s" / ".lock.held").is_symlink()
    (results / "s" / ".lock.held").symlink_to("node7 12")
    with pytest.raises(UserError, match=r"process 12 on node7 .*another --name"):
        run_light_sweep(spec.model_copy(update={"seeds": 2}))


def test_a_sweep_trains_every_variant_with_every_seed(results: Path) -> None:
    shown = Recorder()
    outcome = run_light_sweep(light_spec(results, seeds=2), display=shown)
    assert (outcome.trained, outcome.finished, outcome.failed) == (10, 10, 0)
    assert outcome.exit_status == 0
    assert outcome.folder == results / "light-leaves-32"
    trials = load_sweep(None, results).trials
    ids = [variant.variant for variant in light_plan(light_spec(results)).variants]
    wanted = [(variant, seed) for variant in ids for seed in range(2)]
    assert list(zip(trials["variant"], trials["seed"], strict=True)) == wanted
    assert trials["trial"].is_unique
    assert set(trials["epochs"]) == {2}
    assert set(trials["images"]) == {2 * (TRAIN_IMAGES // BATCH) * BATCH}
    assert trials["images_per_second"].tolist() == pytest.approx([1000.0] * 10)
    history = load_sweep(None, results).history
    last = history[history["epoch"] == 2].reset_index()
    assert last["top1"].tolist() == trials["top1"].tolist()
    sweep = load_sweep(None, results)
    assert sweep.answers["trial"].tolist() == trials["trial"].tolist()
    assert sweep.correct.mean(axis=1).tolist() == pytest.approx(trials["top1"].tolist())
    assert [status.ended for _, status in shown.trials] == sorted(range(1, 11))
    assert shown.closed == 1
    status = read_status(outcome.folder)
    assert status is not None
    assert (status.state, status.finished, status.total) == ("finished", 10, 10)


def test_the_tables_do_not_depend_on_where_and_in_which_order_trials_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_light_sweep(light_spec(tmp_path / "inline", seeds=2))
    monkeypatch.setenv("LIGHT_SECONDS", "0.02")
    spec = light_spec(tmp_path / "workers", seeds=2, workers=3)
    run_light_sweep(spec, make_executor=in_workers)
    assert_equal(frames(tmp_path / "inline"), frames(tmp_path / "workers"))


def test_a_trial_is_on_disk_before_it_is_reported(results: Path) -> None:
    class Reader(Silence):
        seen = 0

        def ended(self, trial: Ended, status: Status) -> None:
            self.seen += 1
            assert len(load_sweep(None, results).trials) >= self.seen

    reader = Reader()
    run_light_sweep(light_spec(results), display=reader)
    assert reader.seen == 5


def test_a_finished_sweep_is_left_alone_and_says_so(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = light_spec(results)
    run_light_sweep(spec)
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in results.rglob("*.*")}

    def unneeded(*_arguments: object, **_keywords: object) -> None:
        raise AssertionError("a finished sweep needs neither data nor plan")

    monkeypatch.setattr("scalegrid.sweep.open_data", unneeded)
    shown = Recorder()
    outcome = run_light_sweep(spec, display=shown, make_executor=Forbidden)
    assert (outcome.trained, outcome.finished, outcome.exit_status) == (0, 5, 0)
    (note,) = shown.notes
    assert "finished already" in note
    assert "nothing was trained" in note
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in before}


def test_a_finished_sweep_of_another_plan_is_left_alone_while_its_folder_is_in_use(
    results: Path,
) -> None:
    run_light_sweep(light_spec(results, seeds=2))
    with Store(results / "light-leaves-32"):
        outcome = run_light_sweep(light_spec(results, candidates=4), make_executor=Forbidden)
    assert (outcome.trained, outcome.finished) == (0, 8)


@pytest.mark.parametrize("definition", ["light", "edited"])
def test_a_finished_sweep_of_an_own_network_is_left_alone_unless_it_was_edited(
    results: Path, monkeypatch: pytest.MonkeyPatch, definition: str
) -> None:
    def own(name: str, definition: str) -> Any:
        stand_in = light_baseline(name)
        vars(stand_in).update(origin="code", definition=definition, layout=lambda *_: layout)
        return stand_in

    spec = light_spec(results)
    layout = light_plan(spec).variants[0].layout
    network = network_id(own("light", "light"), layout, 32)
    plan = light_plan(spec)
    plan = replace(plan, variants=(replace(plan.variants[0], variant=network), *plan.variants[1:]))
    monkeypatch.setattr("light_sweep.light_plan", lambda _: plan)
    run_light_sweep(spec)
    monkeypatch.setattr("light_sweep.light_plan", Forbidden)
    monkeypatch.setattr("light_sweep.light_baseline", partial(own, definition=definition))
    if definition == "light":
        assert run_light_sweep(spec, make_executor=Forbidden).finished == 5
    else:
        with pytest.raises(UserError, match="light has changed since the sweep"):
            run_light_sweep(spec, make_executor=Forbidden)


def test_the_speed_is_measured_once_where_it_is_not_known(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted: list[Trial] = []

    class Counting(InlineExecutor):
        def __init__(self, _placement: object) -> None:
            super().__init__(function="light_training:train")

        def submit(self, trial: Trial) -> None:
            submitted.append(trial)
            super().submit(trial)

    def trials_on(folder: str, **settings: Any) -> tuple[int, int]:
        """How many trials the executor got, and how many of them the sweep trained."""
        submitted.clear()
        spec = light_spec(results / folder, **settings)
        outcome = run_light_sweep(spec, make_executor=Counting, measure_rate=True)
        return len(submitted), outcome.trained

    assert trials_on("a") == (6, 5), "one on noise first"
    assert trials_on("a", seeds=2) == (5, 5), "the trials of before tell the speed"
    assert trials_on("b") == (5, 5), "it was kept at the end"


def test_what_is_found_fastest_is_kept_and_holds_when_a_sweep_goes_on(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"precision": "bf16", "kernel_limits": (16, 36, 4)}
    asked: list[bool] = []
    trained: list[Trial] = []

    class Recording(InlineExecutor):
        def __init__(self, _placement: object) -> None:
            super().__init__(function="light_training:train")

        def submit(self, trial: Trial) -> None:
            trained.append(trial)
            super().submit(trial)

    def probed(plan: Plan, *_: object, choose: bool) -> Probed:
        asked.append(choose)
        plan = replace(plan, spec=plan.spec.model_copy(update=found)) if choose else plan
        return Probed(plan, None)

    monkeypatch.setattr("scalegrid.sweep.probed", probed)
    run = partial(run_light_sweep, make_executor=Recording, measure_rate=True)
    run(light_spec(results))
    found["precision"] = "fp32"  # as another machine would find
    run(light_spec(results, seeds=2))
    assert asked in ([True], [True, False])
    stored = read_stored(next(results.iterdir()))
    assert stored is not None
    assert (stored.spec.precision, stored.spec.kernel_limits) == ("bf16", (16, 36, 4))
    assert len(trained) == 10
    assert {(t.recipe.precision, t.kernel_limits) for t in trained} == {("bf16", (16, 36, 4))}
    assert set(stored.trials["number_format"].to_pylist()) == {"bf16"}
    with pytest.raises(UserError, match="--precision is bf16 there and fp32 here"):
        run(light_spec(results, seeds=3, precision="fp32"))


def test_how_many_trials_a_gpu_trains_at_once_is_found_by_each_run(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scalegrid.training.devices.cuda_devices", lambda: 2)
    monkeypatch.setattr("scalegrid.sweep.known_count", lambda *_: None)
    counts = iter([3, 2])  # as on another machine
    monkeypatch.setattr("scalegrid.sweep.trials_at_once", lambda *_: next(counts))
    monkeypatch.setattr("scalegrid.sweep._check_format", lambda *_: None)  # which asks a GPU
    monkeypatch.setattr("scalegrid.sweep.probed", lambda plan, *_, **__: Probed(plan, None))
    monkeypatch.setattr("scalegrid.training.devices.computes_in_bf16", lambda _: True)
    placements: list[Placement] = []

    def on_gpus(placement: Placement) -> Executor:
        placements.append(placement)
        return InlineExecutor(function="light_training:train")

    run = partial(run_light_sweep, make_executor=on_gpus, measure_rate=True)
    for seeds, found in ((2, 3), (4, 2)):
        run(light_spec(results, workers=None, device="cuda", seeds=seeds))
        stored = read_stored(next(results.iterdir()))
        assert stored is not None
        assert stored.spec.trials_per_device == found
        assert stored.spec.precision == "bf16", "so that all who go on with it use it"
    assert [one.workers for one in placements] == [6, 4]
    assert {one.devices for one in placements} == {("cuda:0", "cuda:1")}


def test_trials_in_two_number_formats_are_not_mixed(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_light_sweep(light_spec(results))
    monkeypatch.setattr("scalegrid.sweep.number_format", lambda *_: "bf16")
    with pytest.raises(UserError, match="trials in fp32, and on cpu they would be in bf16"):
        run_light_sweep(light_spec(results, seeds=2))


def test_a_trial_in_another_number_format_ends_the_sweep_and_is_not_stored(results: Path) -> None:
    inline = partial(InlineExecutor, function="light_training:train")
    refused = pytest.raises(UserError, match=r"trials before are in bf16, and on cpu.* are in fp16")
    with third_in_fp16(), refused:
        run_light_sweep(light_spec(results), make_executor=lambda _: inline())
    stored = read_stored(next(results.iterdir()))
    assert stored is not None
    assert stored.trials["number_format"].to_pylist() == ["bf16", "bf16"]


def test_a_network_that_was_edited_is_refused(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_light_sweep(light_spec(results))
    before = {p: p.read_bytes() for p in results.rglob("*.parquet")}
    edited = light_plan(light_spec(results, candidates=6))
    edited = replace(edited, variants=edited.variants[1:])  # another network under the same name
    monkeypatch.setattr("light_sweep.light_plan", lambda _: edited)
    with pytest.raises(UserError, match="light has changed since the sweep"):
        run_light_sweep(light_spec(results, candidates=6), make_executor=Forbidden)
    assert before == {p: p.read_bytes() for p in before}


@pytest.mark.parametrize("first", [None, 1])
def test_other_channels_are_refused_in_the_same_folder(results: Path, first: int | None) -> None:
    run_light_sweep(light_spec(results, channels=first))
    there, here = ("not given", "1") if first is None else ("1", "not given")
    with pytest.raises(UserError, match=f"channels is {there} there and {here} here"):
        run_light_sweep(light_spec(results, channels=None if first else 1), make_executor=Forbidden)


def test_another_column_of_labels_is_refused_in_the_same_folder(
    results: Path, tmp_path: Path
) -> None:
    image = io.BytesIO()
    Image.new("RGB", (8, 8)).save(image, "png")
    images = [{"bytes": image.getvalue()}] * 96
    labels = {"a": [index % 2 for index in range(96)], "b": [index % 3 for index in range(96)]}
    (tmp_path / "set").mkdir()
    pq.write_table(pa.table({"image": images, **labels}), tmp_path / "set" / "train.parquet")
    data = str(tmp_path / "set")
    run_light_sweep(light_spec(results, data=data, label_column="a"))
    named = light_spec(results, data=data, label_column="a", image_column="image")
    assert run_light_sweep(named, make_executor=Forbidden).finished == 5  # the only one, named
    other = light_spec(results, data=data, label_column="b")
    with pytest.raises(UserError, match="label-column is a there and b here"):
        run_light_sweep(other, make_executor=Forbidden)


def test_three_channels_are_the_default_and_a_sweep_from_before_them_stays_finished(
    results: Path,
) -> None:
    run_light_sweep(light_spec(results))
    file = results / "light-leaves-32" / "sweep.yaml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("channels")]
    file.write_text("\n".join(lines))
    for channels in (None, 3):
        spec = light_spec(results, channels=channels)
        assert run_light_sweep(spec, make_executor=Forbidden).finished == 5


def test_fewer_seeds_or_a_coarser_grid_than_there_are_is_finished_too(results: Path) -> None:
    run_light_sweep(light_spec(results, seeds=2))
    before = (results / "light-leaves-32" / "sweep.yaml").read_bytes()
    for settings in ({"seeds": 1}, {"candidates": 4}):
        run_light_sweep(light_spec(results, **settings), make_executor=Forbidden)
    assert (results / "light-leaves-32" / "sweep.yaml").read_bytes() == before


@pytest.mark.parametrize("more", [{"seeds": 3}, {"candidates": 7}, {"seeds": 2, "candidates": 6}])
def test_more_seeds_or_a_finer_grid_extend_a_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, int]
) -> None:
    monkeypatch.setenv("LIGHT_LOG", str(tmp_path / "log"))
    run_light_sweep(light_spec(tmp_path / "grown"))
    run_light_sweep(light_spec(tmp_path / "grown", **more))
    trained = (tmp_path / "log").read_text().split()
    assert len(trained) == len(set(trained))
    run_light_sweep(light_spec(tmp_path / "direct", **more))
    assert_equal(frames(tmp_path / "grown"), frames(tmp_path / "direct"))
    files = [tmp_path / name / "light-leaves-32" / "sweep.yaml" for name in ("grown", "direct")]
    grown, direct = ({**yaml.safe_load(f.read_text()), "results": ""} for f in files)
    assert grown == direct


def test_failed_trials_are_rows_and_the_others_go_on(results: Path) -> None:
    spec = light_spec(results, baseline="diverge seed 1", name="s", seeds=2)
    outcome = run_light_sweep(spec, "light_training:misbehave")
    assert (outcome.finished, outcome.failed, outcome.exit_status) == (5, 5, 3)
    trials = load_sweep("s", results).trials
    failed = trials[trials["status"] == "failed"]
    assert set(failed["seed"]) == {1}
    assert set(failed["error"]) == {"the loss became nan in epoch 2"}
    assert failed["top1"].isna().all()
    assert set(failed["epochs"]) == {1}
    # It would diverge again, so it is left as it is.
    again = run_light_sweep(spec, "light_training:misbehave", make_executor=Forbidden)
    assert (again.trained, again.failed, again.exit_status) == (0, 5, 3)


def test_a_trial_whose_worker_was_killed_is_tried_again_next_time(results: Path) -> None:
    spec = light_spec(results, baseline="kill seed 1", name="s", seeds=2, candidates=4)
    make_executor = partial(in_workers, function="light_training:misbehave")
    outcome = run_light_sweep(spec, make_executor=make_executor)
    assert (outcome.trained, outcome.finished, outcome.failed) == (8, 4, 4)
    assert load_sweep("s", results).trials["error"].str.contains("signal 9").sum() == 4
    again = run_light_sweep(spec)
    assert (again.trained, again.finished, again.failed, again.exit_status) == (4, 8, 0, 0)
    tables = load_sweep("s", results)
    assert tables.trials["error"].isna().all()
    assert len(tables.history) == 2 * 8


def test_longer_trials_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIGHT_LOG", str(tmp_path / "log"))
    run_light_sweep(light_spec(tmp_path / "results", workers=1, seeds=2))
    trained = (tmp_path / "log").read_text().split()
    trials = load_sweep(None, tmp_path / "results").trials.set_index("trial").loc[trained]
    assert trials["seed"].tolist() == [0] * 5 + [1] * 5
    assert trials["flops"].tolist()[:5] == sorted(trials["flops"].unique(), reverse=True)


def bad_batch(results: Path) -> Any:
    return light_spec(results, batch_size=65)


def bad_data(results: Path) -> Any:
    return light_spec(results, data="no/such/folder")


def unreadable_image(results: Path) -> Any:
    folder = results.with_name("images")
    for split, label, number in ((s, c, n) for s in ("train", "val") for c in "ab" for n in "123"):
        path = folder / split / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), "white").save(path)
    (folder / "train" / "a" / "2.png").write_bytes(b"no picture")
    settings = {"train_images": None, "val_images": None, "batch_size": 2}
    return light_spec(results, data=str(folder), **settings)


def bad_device(results: Path) -> Any:
    return light_spec(results, device="tpu")


def bad_results(results: Path) -> Any:
    results.with_name("file").touch()
    return light_spec(results.with_name("file"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (bad_batch, "64 training images, fewer than a batch of 65"),
        (bad_data, "no/such/folder"),
        (unreadable_image, r"2\.png"),
        (bad_device, "'tpu' is unknown"),
        (bad_results, "cannot write to"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    results: Path, make: Callable[[Path], Any], said: str
) -> None:
    spec = make(results)
    shown = Recorder()
    made: list[Unused] = []

    def make_executor(place: object) -> Unused:
        made.append(Unused(place))
        return made[-1]

    with pytest.raises(UserError, match=said):
        run_light_sweep(spec, display=shown, make_executor=make_executor)
    assert not results.exists()
    assert [executor.closed for executor in made] == [True] * (make is unreadable_image)
    assert shown.closed == 1


def test_other_settings_are_refused_before_anything_else(results: Path) -> None:
    run_light_sweep(light_spec(results, name="s"))
    before = {p: p.stat().st_mtime_ns for p in results.rglob("*")}
    with pytest.raises(UserError, match="epochs is 2 there and 3 here"):
        run_light_sweep(light_spec(results, name="s", epochs=3, data="no/such/folder"))
    assert before == {p: p.stat().st_mtime_ns for p in results.rglob("*")}


def test_two_runs_of_one_sweep_do_not_meet(results: Path) -> None:
    def meet(_place: object) -> Any:
        with pytest.raises(UserError, match="in use by another process"):
            run_light_sweep(light_spec(results, seeds=2))
        raise UserError("met")

    with pytest.raises(UserError, match="met"):
        run_light_sweep(light_spec(results, seeds=2), make_executor=meet)


def test_the_allocator_is_told_the_accuracies_and_devices_of_before(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, int, float, str | None]] = []

    class Listener(Uniform):
        def tell(self, ask: Ask, result: Result | None) -> None:
            assert result is not None
            told.append((*ask, result.value, result.device))
            super().tell(ask, result)

    monkeypatch.setattr(
        "scalegrid.sweep.make_allocator",
        lambda spec, rows, **_: Listener([row["variant"] for row in rows], spec.seeds),
    )
    run_light_sweep(light_spec(results))
    first = sorted(told)
    told.clear()
    run_light_sweep(light_spec(results))
    assert told == first  # in the order of the table, which is that of the plan
    trials = load_sweep(None, results).trials[["variant", "seed", "rung", "top1", "device"]]
    assert told == list(trials.itertuples(index=False, name=None))


def start(results: Path, *, seeds: int = 40, seconds: str = "0.05") -> subprocess.Popen[str]:
    """A sweep of four variants in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(TESTS / "light_sweep.py"), str(results), "4", str(seeds), "2"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "LIGHT_SECONDS": seconds, "PYTHONPATH": str(TESTS.parent)},
    )


def first_line(process: subprocess.Popen[str], beginning: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(beginning):
            return line
    raise AssertionError("the sweep ended early")


@pytest.mark.skipif(sys.platform != "linux", reason="process groups")
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        *(
            pytest.param(number, marks=pytest.mark.slow)
            for number in INTERRUPTIONS
            if number != signal.SIGINT
        ),
    ],
)
def test_an_interruption_stops_soon_and_says_how_to_go_on(
    results: Path, number: signal.Signals, request: pytest.FixtureRequest
) -> None:
    before = signal.signal(number, signal.default_int_handler)  # the tests may run under nohup
    request.addfinalizer(lambda: signal.signal(number, before))
    with start(results, seconds="0.3") as process:
        first_line(process, "trial 2/")
        running = read_status(results / "light-leaves-32")
        began = time.monotonic()
        # As a terminal does it for Ctrl-C: to the workers as well.
        os.killpg(process.pid, number)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait() == 130
        assert time.monotonic() - began < 5
    assert running is not None
    assert (running.state, running.total) == ("running", 160)
    assert "Traceback" not in said
    assert "run the same command again to go on" in said.splitlines()[-1]
    status = read_status(results / "light-leaves-32")
    assert status is not None
    assert (status.state, status.running) == ("interrupted", ())
    assert len(load_sweep(None, results).trials) == status.ended >= 2


def test_an_interruption_before_training_leaves_nothing(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_arguments: object, **_keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("scalegrid.sweep.prepare", interrupt)
    outcome = run_light_sweep(light_spec(results))
    assert outcome.exit_status == 130
    assert not results.exists()


def test_a_sweep_may_run_outside_the_main_thread(results: Path) -> None:
    outcomes: list[Any] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(run_light_sweep(light_spec(results, candidates=4)))
    )
    thread.start()
    thread.join()
    assert outcomes[0].finished == 4


def test_a_race_gives_more_trials_to_the_better_until_its_limit(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "commit_every", 0.0)
    shown = Recorder()
    outcome = run_light_sweep(light_spec(results, max_trials=12, confidence=0.999), display=shown)
    assert (outcome.trained, outcome.exit_status) == (12, 0)
    trials = load_sweep(None, results).trials
    first = trials[trials["seed"] == 0].set_index("variant")["top1"]
    assert len(first) == 5
    counts = trials["variant"].value_counts()
    assert counts["v000"] == 1, "the baseline cannot be recommended"
    assert counts[first.drop("v000").idxmin()] < counts.max()
    assert all(5 <= status.total <= 12 for _, status in shown.trials)
    certainties = [status.certainty for _, status in shown.trials]
    assert certainties[:4] == [None] * 4
    assert all(0 <= p <= 1 for p in certainties[-4:] if p is not None)
    assert certainties[-1] is not None


def test_trials_that_end_within_moments_are_stored_together(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "commit_every", 1e9)
    commits: list[int] = []

    def add(store: Store, rows: Any, *others: Any) -> None:
        real(store, rows, *others)
        commits.append(len(rows))

    real = Store.add
    monkeypatch.setattr(Store, "add", add)
    shown = Recorder()
    run_light_sweep(light_spec(results, candidates=6, seeds=2), display=shown)
    assert commits == [1, 11], "the first does not wait, nor does the last"
    assert [status.ended for _, status in shown.trials] == list(range(1, 13))
    assert len(load_sweep(None, results).trials) == 12


class StopsAtSeedOne(InlineExecutor):
    """An executor that raises as it is given the first trial of seed 1."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(function="light_training:train")
        self._error = error

    def submit(self, trial: Trial) -> None:
        if trial.seed == 1:
            raise self._error
        super().submit(trial)


def test_what_waits_to_be_stored_is_stored_where_a_sweep_is_interrupted(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "commit_every", 1e9)
    outcome = run_light_sweep(
        light_spec(results, candidates=6, seeds=2),
        make_executor=lambda _: StopsAtSeedOne(KeyboardInterrupt()),
    )
    assert (outcome.exit_status, outcome.finished) == (130, 6)
    assert len(load_sweep(None, results).trials) == 6


def test_what_waits_to_be_stored_is_stored_whatever_stops_a_sweep(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "commit_every", 1e9)
    with pytest.raises(RuntimeError, match="unforeseen"):
        run_light_sweep(
            light_spec(results, candidates=6, seeds=2),
            make_executor=lambda _: StopsAtSeedOne(RuntimeError("unforeseen")),
        )
    assert len(load_sweep(None, results).trials) == 6


@pytest.mark.parametrize("join", [False, True])
def test_a_commit_that_fails_is_tried_again_and_trials_are_counted_as_stored(
    results: Path, monkeypatch: pytest.MonkeyPatch, join: bool
) -> None:
    def append(journal: Journal, rows: Any) -> None:
        appended.append(rows)
        if len(appended) == 2:
            raise UserError("no space.")
        real(journal, rows)

    appended: list[Any] = []
    real = Journal.append
    monkeypatch.setattr(Journal, "append", append)
    monkeypatch.setattr(Store, "every", 1e9)
    monkeypatch.setattr(Store, "commit_every", 0.0)
    monkeypatch.setattr(JoinedStore, "every", 1e9)
    shown = Recorder()
    with pytest.raises(UserError, match="no space"):
        run_light_sweep(light_spec(results, candidates=6), display=shown, join=join)
    made = len(load_sweep(None, results).trials)
    status = read_status(results / "light-leaves-32")
    assert status is not None
    assert made == len(shown.trials) == status.ended > 1


def test_a_race_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_light_sweep(light_spec(whole, max_trials=14))
    for limit in (7, 10, 14):
        run_light_sweep(light_spec(parts, max_trials=limit))
    assert_equal(frames(whole), frames(parts))


def test_a_finished_race_is_left_alone(results: Path) -> None:
    spec = light_spec(results, max_trials=9)
    run_light_sweep(spec)
    shown = Recorder()
    outcome = run_light_sweep(spec, display=shown, make_executor=Forbidden)
    assert (outcome.trained, outcome.finished) == (0, 9)
    assert "finished already" in shown.notes[0]


def test_a_limit_that_is_reached_already_is_said_with_one_that_is_not(results: Path) -> None:
    run_light_sweep(light_spec(results, max_trials=9))
    shown = Recorder()
    more = light_spec(results, max_trials=9, candidates=8)
    assert run_light_sweep(more, display=shown, make_executor=Forbidden).trained == 0
    assert "has reached its limit with 3 variants untrained: 9 trials" in shown.notes[-1]
    assert "give --max-trials 12 to train them" in shown.notes[-1]
    run_light_sweep(light_spec(results, max_trials=12, candidates=8))
    assert load_sweep(None, results).trials["variant"].nunique() == 8


def test_what_jobs_left_of_a_finished_sweep_is_removed(results: Path) -> None:
    outcome = run_light_sweep(light_spec(results))
    (outcome.folder / SPOOL / "workers" / "1_0").mkdir(parents=True)
    (outcome.folder / "logs").mkdir()
    run_light_sweep(light_spec(results), make_executor=Forbidden)
    assert not (outcome.folder / SPOOL).exists()
    assert not (outcome.folder / "logs").exists()


def test_a_race_stops_when_its_time_is_up_earlier_runs_included(results: Path) -> None:
    run_light_sweep(light_spec(results))
    spent = load_sweep(None, results).trials["seconds"].sum() / 2  # workers
    run_light_sweep(light_spec(results, max_hours=spent / 3600), make_executor=Forbidden)
    late = run_light_sweep(light_spec(results, max_hours=1 + spent / 3600, max_trials=8))
    assert late.trained == 3


@pytest.mark.parametrize(
    ("metric", "worth"),
    [
        ("top1", 0.6),
        ("top5", 0.9),
        ("balanced", 0.7),
        ("val_loss", -1.5),
        ("nas", 0.6 * 0.5**-0.07),
    ],
)
def test_the_metric_decides_what_a_race_is_told(
    results: Path, monkeypatch: pytest.MonkeyPatch, metric: str, worth: float
) -> None:
    told: list[float | None] = []

    class Listener(Uniform):
        def tell(self, ask: Ask, result: Result | None) -> None:
            told.append(result and result.value)
            super().tell(ask, result)

    monkeypatch.setattr(
        "scalegrid.sweep.make_allocator", lambda *_, **__: Listener(["v000", "v001"], 1)
    )
    monkeypatch.setattr(
        "light_training.train",
        lambda trial, report, _: report(Epoch(1, 1, 1.5, 0.6, 0.9, 0, 1, 1, balanced=0.7)),
    )
    # The stand-ins cost about as much as the baseline, half of what nas pays for.
    spec = light_spec(results, metric=metric)
    run_light_sweep(spec)
    assert told == pytest.approx([worth, worth], rel=1e-4)
    told.clear()
    run_light_sweep(spec, make_executor=Forbidden)
    assert told == pytest.approx([worth, worth], rel=1e-4), "the same after a restart"


def test_settings_changed_after_the_end_are_kept_without_training(results: Path) -> None:
    run_light_sweep(light_spec(results, seeds=2))
    later = light_spec(results, seeds=2, metric="val_loss", indifference=0.5)
    run_light_sweep(later, make_executor=Forbidden)
    spec = load_sweep(None, results).spec
    assert (spec["metric"], spec["indifference"]) == ("val_loss", 0.5)


def test_a_race_says_how_sure_it_is_at_its_end(results: Path) -> None:
    shown = Recorder()
    outcome = run_light_sweep(light_spec(results, max_trials=12), display=shown)
    status = read_status(outcome.folder)
    assert status is not None
    assert status.certainty is not None
    assert "good enough with probability" in shown.notes[-1]


def test_the_plan_last_run_is_what_a_recommendation_is_about(results: Path) -> None:
    run_light_sweep(light_spec(results, candidates=8))
    run_light_sweep(light_spec(results, candidates=5, seeds=2))
    tables = load_sweep(None, results)
    assert (len(tables.planned), len(tables.variants)) == (5, 8)
