from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import light_training
import pytest
from executor_contract import (
    FUNCTION,
    WorkersContract,
    alive,
    events,
    outcomes,
    ran_in,
    trial,
    wait_until,
)

from scalegrid.executors import KILLED, LocalExecutor, local, was_killed
from scalegrid.util.errors import UserError


class TestLocal(WorkersContract):
    failures: ClassVar[Mapping[str, str]] = {
        **WorkersContract.failures,
        "kill": f"{KILLED} by signal 9 (SIGKILL, perhaps out of memory)",
        "segfault": f"{KILLED} by signal 11 (SIGSEGV)",
        "exit": "worker exited with status 7",
    }

    @classmethod
    def make(cls, workers: int) -> LocalExecutor:
        return LocalExecutor(workers, devices=["cpu", "other"], threads=3, function=FUNCTION)

    def test_workers_last_and_set_their_threads_before_any_import(
        self, executor: LocalExecutor
    ) -> None:
        for seed in range(6):
            executor.submit(trial("environment", seed))
        ended = outcomes(executor, 6).values()
        assert {o.history[-1].train_loss for o in ended} == {3}
        assert {o.history[-1].val_loss for o in ended} == {3}
        assert len({ran_in(outcome) for outcome in ended}) <= 2
        assert {outcome.device.split(",")[0] for outcome in ended} <= {"cpu", "other"}

    def test_only_workers_that_train_are_replaced_by_abandoning(
        self, executor: LocalExecutor
    ) -> None:
        executor.submit(trial("sleep"))
        events(executor)
        executor.submit(trial("environment", 1))
        before = ran_in(outcomes(executor, 1)["environment-1"])
        executor.abandon()
        executor.submit(trial("environment", 2))
        assert ran_in(outcomes(executor, 1)["environment-2"]) == before


@contextmanager
def executor(workers: int = 1, function: str = FUNCTION) -> Iterator[LocalExecutor]:
    local_executor = LocalExecutor(workers, function=function)
    try:
        yield local_executor
    finally:
        local_executor.cancel()


def test_all_workers_end_even_if_one_cannot_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    with executor(2) as two:
        two.submit(trial("environment", 1))
        idle = ran_in(outcomes(two, 1)["environment-1"])
        two.submit(trial("sleep"))
        events(two)

        def interrupted(_device: str) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(two, "_start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            two.abandon()
        two.cancel()
        wait_until(lambda: not alive(idle))


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_dead_worker_is_noticed_though_its_child_lives_and_others_report() -> None:
    with executor(2) as two:
        two.submit(trial("chatter"))
        events(two)
        two.submit(trial("orphan"))
        began = time.monotonic()
        [(name, outcome)] = outcomes(two, 1).items()
        assert time.monotonic() - began < 8
        assert name == "orphan-0"
        assert was_killed(outcome.error)


PARENT = """
import time
from executor_contract import FUNCTION, events, trial
from scalegrid.executors import LocalExecutor
if __name__ == "__main__":
    executor = LocalExecutor(2, function=FUNCTION)
    executor.submit(trial("sleep"))
    events(executor)
    print("running", flush=True)
    time.sleep(600)
"""


def children(process: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_end_by_themselves_when_the_parent_is_killed() -> None:
    here = Path(__file__).parent
    path = os.pathsep.join(map(str, (here, here.parent, here.parent.parent)))
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
    with executor() as one:
        # Whatever it is doing by now: starting the interpreter, importing, waiting.
        process = one._workers[0].process.pid
        assert process is not None
        os.kill(process, signal.SIGINT)
        one.submit(trial("environment"))
        assert ran_in(outcomes(one, 1)["environment-0"]) == process


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


def test_executors_import_no_torch() -> None:
    code = "import sys, scalegrid.executors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
