from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import light_training
import pytest

from scalegrid.data import CachedData
from scalegrid.executors import KILLED, Executor, InlineExecutor, LocalExecutor, local
from scalegrid.spec import Recipe
from scalegrid.training.trial import Outcome, Trial
from scalegrid.util.errors import UserError

PATIENCE = 60.0  # seconds; a busy machine starts processes slowly


def trial(word: str, seed: int = 0) -> Trial:
    """A trial that `light_training.misbehave` trains as ``word`` says."""
    data = CachedData(Path("nowhere"), "f", 10, (32,))
    recipe = Recipe(epochs=2)
    return Trial(f"{word}-{seed}", "v", seed, word, 1.0, 1.0, 32, data, recipe)


@contextmanager
def executor(workers: int = 1, **settings: Any) -> Iterator[LocalExecutor]:
    settings.setdefault("function", "light_training:misbehave")
    local_executor = LocalExecutor(workers, **settings)
    try:
        yield local_executor
    finally:
        local_executor.cancel()


def outcomes(of: Executor, count: int) -> dict[str, Outcome]:
    """The next ``count`` outcomes by trial id."""
    found: dict[str, Outcome] = {}
    deadline = time.monotonic() + PATIENCE
    while len(found) < count:
        assert time.monotonic() < deadline
        found |= {e.trial: e for e in of.collect(timeout=1.0) if isinstance(e, Outcome)}
    return found


def process_of(outcome: Outcome) -> int:
    """The process that an ``environment`` trial ran in."""
    return int(outcome.history[-1].seconds)


def test_trials_run_side_by_side_in_lasting_processes() -> None:
    with executor(2, threads=3) as two:
        assert two.capacity == 2
        for seed in range(6):
            two.submit(trial("environment", seed))
        ended = outcomes(two, 6)
        assert all(outcome.status == "finished" for outcome in ended.values())
        reports = [outcome.history[-1] for outcome in ended.values()]
        # The numbers of threads, set before any import.
        assert {(epoch.train_loss, epoch.val_loss) for epoch in reports} == {(3, 3)}
        processes = {process_of(outcome) for outcome in ended.values()}
        assert 1 <= len(processes) <= 2
        assert os.getpid() not in processes


def test_epochs_come_before_the_outcome_and_belong_to_its_trial() -> None:
    with executor() as one:
        one.submit(trial("none", 5))
        events: list[Any] = []
        while not events or not isinstance(events[-1], Outcome):
            events += one.collect(timeout=1.0)
        *epochs, outcome = events
        assert [name for name, _ in epochs] == ["none-5"] * 2
        assert tuple(epoch for _, epoch in epochs) == outcome.history


def test_the_result_does_not_depend_on_where_the_trial_ran() -> None:
    alone = InlineExecutor(function="light_training:misbehave")
    alone.submit(trial("none", 3))
    wanted = outcomes(alone, 1)["none-3"].history
    with executor(2) as two:
        for seed in (1, 2, 3):
            two.submit(trial("none", seed))
        assert outcomes(two, 3)["none-3"].history == wanted


FAILURES = [
    ("raise", "ValueError: no such layer", 1),
    ("kill", f"{KILLED} by signal 9 (SIGKILL, perhaps out of memory)", 1),
    ("segfault", f"{KILLED} by signal 11 (SIGSEGV)", 1),
    ("exit", "worker exited with status 7", 1),
    ("diverge", "the loss became nan in epoch 2", 1),
]


def test_a_failed_trial_gives_its_reason_and_the_others_continue() -> None:
    with executor(2, devices=["cpu", "other"]) as two:
        for word, _, _ in FAILURES:
            two.submit(trial(word))
        for seed in range(4):
            two.submit(trial("none", seed))
        ended = outcomes(two, len(FAILURES) + 4)
        assert two.capacity == 2
    for word, reason, epochs in FAILURES:
        outcome = ended[f"{word}-0"]
        assert outcome.status == "failed"
        assert str(outcome.error).startswith(reason)
        assert len(outcome.history) == epochs
        assert outcome.device.split(",")[0] in ("cpu", "other")
        assert outcome.answers is None
        assert outcome.seconds >= 0
    assert all(ended[f"none-{seed}"].status == "finished" for seed in range(4))
    assert all(ended[f"none-{seed}"].answers is not None for seed in range(4))


def test_a_worker_that_dies_idle_is_replaced_and_fails_no_trial() -> None:
    with executor() as one:
        one.submit(trial("environment"))
        process = process_of(outcomes(one, 1)["environment-0"])
        os.kill(process, signal.SIGKILL)
        time.sleep(0.2)
        one.submit(trial("none", 1))
        assert outcomes(one, 1)["none-1"].status == "finished"


def test_abandoned_trials_give_no_events() -> None:
    with executor(2) as two:
        for word in ("sleep", "sleep", "none"):
            two.submit(trial(word))
        while not two.collect(timeout=1.0):  # the first epoch of a sleeping trial
            pass
        two.abandon()
        assert two.collect(timeout=60.0) == []
        for seed in range(4):
            two.submit(trial("environment", seed))
        ended = outcomes(two, 4)
        assert sorted(ended) == [f"environment-{seed}" for seed in range(4)]


def test_all_workers_end_even_if_one_cannot_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with executor(2) as two:
        two.submit(trial("environment", 1))
        idle = process_of(outcomes(two, 1)["environment-1"])
        two.submit(trial("sleep"))
        while not two.collect(timeout=1.0):
            pass

        def interrupted(_device: str) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(two, "_start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            two.abandon()
        two.cancel()
        wait_until(lambda: not alive(idle))
        two.cancel()  # for the second time


def test_idle_workers_outlive_abandoning() -> None:
    with executor() as one:
        one.submit(trial("environment", 1))
        before = process_of(outcomes(one, 1)["environment-1"])
        one.abandon()
        one.submit(trial("environment", 2))
        assert process_of(outcomes(one, 1)["environment-2"]) == before


def test_collect_returns_in_time_with_the_events_so_far() -> None:
    with executor() as one:
        assert one.collect(timeout=60.0) == []  # nothing to wait for
        one.submit(trial("sleep"))
        events: list[Any] = []
        while not events:
            began = time.monotonic()
            events = one.collect(timeout=0.1)
            assert time.monotonic() - began < 5
        assert events == [
            ("sleep-0", light_training.epoch_of(1, 0.5, 0.5, 0.5, 0.5, 0.1, 1000.0, 0.01))
        ]


def alive(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(process: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_cancel_stops_running_trials_at_once() -> None:
    with executor(2) as two:
        two.submit(trial("sleep"))
        while not two.collect(timeout=0.5):
            pass
        workers = [worker.process.pid for worker in two._workers]
        began = time.monotonic()
        two.cancel()
        assert time.monotonic() - began < 5
    assert not any(alive(worker) for worker in workers if worker)


PARENT = """
import sys, time
from executors.test_local import trial
from scalegrid.executors.local import LocalExecutor
if __name__ == "__main__":
    executor = LocalExecutor(2, function="light_training:misbehave")
    executor.submit(trial("sleep"))
    while not executor.collect(timeout=1.0):
        pass
    print("running", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_by_themselves_when_the_parent_is_killed() -> None:
    tests = Path(__file__).parent.parent
    path = os.pathsep.join([str(tests), str(tests.parent)])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "running\n"
        workers = children(parent.pid)
        assert len(workers) >= 2
        parent.kill()
        wait_until(lambda: not any(alive(worker) for worker in workers))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_ignore_ctrl_c_from_the_start() -> None:
    with executor(2) as two:
        # Whatever they are doing by now: starting the interpreter, importing, waiting.
        for worker in two._workers:
            assert worker.process.pid is not None
            os.kill(worker.process.pid, signal.SIGINT)
        two.submit(trial("none"))
        assert outcomes(two, 1)["none-0"].status == "finished"
        assert two._failed_starts == 0


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("no_such_module:run", "No module named 'no_such_module'"),
        ("light_training:no_such_function", "no_such_function"),
    ],
)
def test_workers_that_cannot_start_are_an_error_and_no_failed_trial(
    function: str, reason: str
) -> None:
    with executor(function=function) as one:
        one.submit(trial("none"))
        with pytest.raises(UserError, match=reason):
            outcomes(one, 1)


def test_workers_that_die_while_starting_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_work", light_training.die)
    with executor() as one:
        one.submit(trial("none"))
        with pytest.raises(UserError, match="cannot start: worker exited with status 3"):
            outcomes(one, 1)


def test_workers_print_nothing_to_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    with executor() as one:
        one.submit(trial("print"))
        outcomes(one, 1)
    assert capfd.readouterr().out == ""


def test_inline_runs_in_this_process_and_survives_an_exception() -> None:
    inline = InlineExecutor(function="light_training:misbehave")
    assert inline.collect() == []
    inline.submit(trial("raise"))
    inline.submit(trial("none"))
    assert inline.capacity == 1
    (name, _), failed = inline.collect()  # type: ignore[misc]
    assert name == "raise-0"
    assert isinstance(failed, Outcome)
    assert failed.error == "ValueError: no such layer"
    assert len(inline.collect()) == 3
    inline.submit(trial("none"))
    inline.cancel()
    assert inline.collect() == []


def test_executors_import_no_torch() -> None:
    code = "import sys, scalegrid.executors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
