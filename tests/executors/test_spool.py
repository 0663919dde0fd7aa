from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from executor_contract import (
    FUNCTION,
    SharedDiskContract,
    alive,
    alone,
    events,
    outcomes,
    ran_in,
    trial,
    wait_until,
)

from scalegrid.data import CachedData
from scalegrid.executors import spool_executor, was_killed
from scalegrid.executors.spool import WORKERS, Box, Orders, Report
from scalegrid.executors.spool_executor import SpoolExecutor
from scalegrid.results import Store
from scalegrid.training.trial import Outcome
from scalegrid.util.errors import UserError

HERE = Path(__file__).parent
WORKER = """
import sys
from pathlib import Path
from scalegrid.executors import spool_worker
spool_worker._TOO_SHORT = 0.0
if __name__ == "__main__":
    folder, slots, logs, function, idle = sys.argv[1:]
    spool_worker.work(Path(folder), ["cpu"] * int(slots), 3, Path(logs), function, float(idle))
"""


class Processes:
    """Jobs that are processes of this machine, with one id each."""

    def __init__(
        self, spool: Path, slots: int = 1, function: str = FUNCTION, idle: float = 60.0
    ) -> None:
        self.spool, self._words = spool, (slots, spool.parent / "logs", function, idle)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.started = 0

    def start(self, count: int) -> list[str]:
        for _ in range(count):
            self.run(str(self.started))
            self.started += 1
        return [str(self.started - count + i) for i in range(count)]

    def run(self, job: str) -> None:
        path = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parent.parent)))
        words = map(str, (self.spool / WORKERS / job, *self._words))
        self.running[job] = subprocess.Popen(
            [sys.executable, "-c", WORKER, *words],
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )

    def alive(self) -> set[str]:
        return {one for one, process in self.running.items() if process.poll() is None}

    def cancel(self, ids: Sequence[str]) -> None:
        for one in ids:
            self.running[one].terminate()
        for one in ids:
            self.running[one].wait()

    def kill(self, job: str) -> None:
        self.running[job].kill()
        self.running[job].wait()

    def end_of(self, job: str) -> str:
        return f"has ended with status {self.running[job].returncode}"

    def close(self) -> None:
        assert not self.alive()
        shutil.rmtree(self.spool)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_executor, "CHECK", 0.2)
    monkeypatch.setattr(spool_executor, "OTHERS", 0.0)


@pytest.mark.engine
class TestSpool(SharedDiskContract):
    @classmethod
    def make(cls, workers: int) -> SpoolExecutor:
        spool = cls.folder() / "spool"
        return SpoolExecutor(spool, Processes(spool), workers)


@contextmanager
def executor(jobs: Processes, workers: int = 1, slots: int = 1) -> Iterator[SpoolExecutor]:
    made = SpoolExecutor(jobs.spool, jobs, workers, slots)
    try:
        yield made
    finally:
        made.cancel()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path / "spool")
    yield made
    made.cancel(list(made.running))


def test_a_trial_goes_through_the_files_and_they_are_removed(jobs: Processes) -> None:
    with executor(jobs) as one:
        one.submit(trial("none"))
        *epochs, outcome = events(one, lambda found: len(found) == 3)
        assert epochs == [("none-0", epoch) for epoch in alone(trial("none"))]
        assert isinstance(outcome, Outcome)
        assert outcome.history == alone(trial("none"))
    assert not jobs.alive()
    assert not jobs.spool.exists()


@pytest.mark.engine
def test_a_trial_whose_job_ends_is_started_again_and_its_epochs_are_told_once(
    jobs: Processes,
) -> None:
    with executor(jobs) as one:
        one.submit(trial("sleep"))
        (begun,) = events(one)
        jobs.kill("0")
        wait_until(lambda: not alive(ran_in(begun)))
        one.submit(trial("none", 1))
        found = one.collect(timeout=2.0)
        assert found == []  # the epoch of the second start is known
        assert jobs.started == 2
        one.abandon()
        one.submit(trial("none", 1))
        assert outcomes(one, 1)["none-1"].history == alone(trial("none", 1))


@pytest.mark.engine
def test_a_trial_is_killed_after_three_jobs(jobs: Processes) -> None:
    with executor(jobs) as one:
        one.submit(trial("sleep"))
        one.submit(trial("none", 1))
        for number in range(3):
            box = Box(jobs.spool / WORKERS / str(number))

            def begun(box: Box = box) -> bool:
                one.collect(timeout=0.1)
                report = box.all()[1]
                return report is not None and any(report.running.values())

            wait_until(begun)
            jobs.kill(str(number))
        found = outcomes(one, 2)
        assert was_killed(found["sleep-0"].error)
        assert "as 2 times before" in str(found["sleep-0"].error)
        assert len(found["sleep-0"].history) == 1
        assert found["none-1"].status == "finished"


@pytest.mark.engine
def test_another_head_takes_what_has_ended_and_waits_for_what_runs(jobs: Processes) -> None:
    one = SpoolExecutor(jobs.spool, jobs, 2)
    one.submit(trial("sleep"))
    (begun,) = events(one)
    all_ready(one, jobs)
    one.submit(trial("environment", 1))
    has_ended = waiting_outcomes(jobs)
    del one  # as a kill of the head
    with executor(jobs, 2) as other:
        for again in (trial("environment", 1), trial("sleep")):
            other.submit(again)
        told = events(other, lambda found: len(found) == 4)
        assert sum(isinstance(event, Outcome) for event in told) == 1
        [slept] = [e for e in told if isinstance(e, tuple) and e[0] == "sleep-0"]
        assert ran_in(slept) == ran_in(begun)
        assert [e for e in told if isinstance(e, Outcome)] == has_ended
        other.submit(trial("environment", 1))  # what has been taken in is trained again
        assert list(outcomes(other, 1).values()) != has_ended
    assert jobs.started == 2


def all_ready(one: SpoolExecutor, jobs: Processes) -> None:
    """Return once all workers are known to be free or busy."""
    boxes = [Box(jobs.spool / WORKERS / job) for job in jobs.running]
    wait_until(lambda: all(box.all()[1] for box in boxes))
    assert one.collect(timeout=1.0) == []


def waiting_outcomes(jobs: Processes) -> list[Outcome]:
    """What has ended and has not been collected, once there is any."""
    found: list[Outcome] = []

    def some() -> bool:
        for job in jobs.running:
            report = Box(jobs.spool / WORKERS / job).all()[1]
            found.extend(map(pickle.loads, report.ended.values() if report else ()))
        return bool(found)

    wait_until(some)
    return found


@pytest.mark.engine
def test_outcomes_of_jobs_that_have_ended_are_taken_in_after_an_interruption(
    jobs: Processes,
) -> None:
    one = SpoolExecutor(jobs.spool, jobs, 2)
    one.submit(trial("sleep"))
    events(one)
    all_ready(one, jobs)
    one.submit(trial("environment", 1))
    (has_ended,) = waiting_outcomes(jobs)
    one.cancel()
    assert not jobs.alive()
    with executor(jobs) as other:
        other.submit(trial("environment", 1))
        assert outcomes(other, 1)["environment-1"] == has_ended
    assert not jobs.spool.exists()


@pytest.mark.engine
def test_a_job_that_is_started_again_by_its_id_goes_on(jobs: Processes) -> None:
    with executor(jobs) as one:
        one.submit(trial("sleep"))
        (begun,) = events(one)
        jobs.kill("0")
        jobs.run("0")
        wait_until(lambda: not alive(ran_in(begun)))
        report = Box(jobs.spool / WORKERS / "0")
        life = report.all()[1].life  # type: ignore[union-attr]

        def again() -> bool:
            one.collect(timeout=0.1)
            now = report.all()[1]
            return now is not None and now.life != life and any(now.running.values())

        wait_until(again)
        assert jobs.started == 1


@pytest.mark.engine
def test_a_job_trains_several_trials_at_once(tmp_path: Path) -> None:
    jobs = Processes(tmp_path / "spool", slots=2)
    with executor(jobs, 3, slots=2) as one:
        assert (one.capacity, jobs.started) == (3, 2)
        for seed in range(3):
            one.submit(trial("sleep", seed))
        assert len(set(map(ran_in, events(one, lambda found: len(found) >= 3)))) == 3


@pytest.mark.engine
def test_a_worker_without_trials_ends_and_is_replaced_for_one(tmp_path: Path) -> None:
    jobs = Processes(tmp_path / "spool", idle=0.5)
    with executor(jobs) as one:
        jobs.running["0"].wait()
        one.submit(trial("none"))
        assert outcomes(one, 1)["none-0"].status == "finished"
        assert jobs.started == 2


@pytest.mark.engine
def test_a_job_that_ends_soon_finishes_its_trial_and_is_replaced(jobs: Processes) -> None:
    with executor(jobs) as one:
        one.submit(trial("sleep"))
        (begun,) = events(one)
        os.killpg(jobs.running["0"].pid, signal.SIGHUP)  # as Slurm does, to all processes
        one.submit(trial("none"))
        assert outcomes(one, 1).keys() == {"none-0"}
        assert jobs.started == 2
        assert alive(ran_in(begun))
        assert jobs.running["0"].poll() is None
        one.abandon()
        jobs.running["0"].wait()  # it has no trial any more


@pytest.mark.engine
def test_what_a_failed_trial_prints_is_in_its_log(jobs: Processes) -> None:
    with executor(jobs) as one:
        for word in ("raise", "print", "none"):
            one.submit(trial(word))
        outcomes(one, 3)
        logs = {path.name: path.read_text() for path in (jobs.spool.parent / "logs").iterdir()}
    assert logs.keys() == {"raise-0.log", "print-0.log"}
    assert "ValueError: no such layer" in logs["raise-0.log"]
    assert logs["print-0.log"] == "chatter\n"


@pytest.mark.engine
def test_a_folder_that_a_node_does_not_have_is_named(jobs: Processes, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    with executor(jobs) as one:
        one.submit(replace(trial("none"), data=CachedData(folder, "f", 10, (32,))))
        folder.rmdir()  # before a worker is ready
        with pytest.raises(UserError, match=rf"on {os.uname().nodename} .* images {folder}"):
            outcomes(one, 1)


@pytest.mark.engine
def test_jobs_that_end_before_they_train_are_an_error(tmp_path: Path) -> None:
    jobs = Processes(tmp_path / "spool" / "nowhere" / "else")  # not where the executor looks
    one = SpoolExecutor(tmp_path / "spool", jobs, 1)
    one.submit(trial("none"))
    with pytest.raises(UserError, match=r"jobs end before .* has ended with status 0"):
        outcomes(one, 1)
    one.cancel()


class Nobody:
    """Jobs that wait for ever, whose workers the tests play."""

    def __init__(self, spool: Path) -> None:
        self.spool = spool
        self.jobs: list[str] = []
        self.started = 0

    def start(self, count: int) -> list[str]:
        new = [f"job{self.started + i}" for i in range(count)]
        self.started += count
        self.jobs += new
        return new

    def alive(self) -> set[str]:
        return set(self.jobs)

    def cancel(self, ids: Sequence[str]) -> None:
        self.jobs = [job for job in self.jobs if job not in ids]

    def end_of(self, job: str) -> str:
        return "has ended"

    def close(self) -> None:
        assert not self.jobs
        shutil.rmtree(self.spool)


@contextmanager
def played(spool: Path) -> Iterator[tuple[SpoolExecutor, Box]]:
    """An executor of one worker, and the worker's box, which has shown that it is there."""
    one = SpoolExecutor(spool, Nobody(spool), 1)
    box = Box(spool / WORKERS / "job0")
    box.write(Report("first", "node5"))
    yield one, box
    one.cancel()


def ordered(one: SpoolExecutor, box: Box) -> list[str]:
    """The tokens of what the worker shall have."""
    assert one.collect(timeout=0.1) == []
    return [order.token for order in box.all()[0].trials]


def test_late_and_repeated_outcomes_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_executor, "KEPT", 1e9)
    end = Outcome("none-0", "finished", alone(trial("none")))
    with played(tmp_path / "spool") as (one, box):
        one.submit(trial("none"))
        [token] = ordered(one, box)
        box.write(Report("first", "node5", running={token: end.history[:1]}))
        assert one.collect(timeout=5.0) == [("none-0", end.history[0])]
        box.write(Report("second", "node6"))  # its job was started again
        [other] = ordered(one, box)
        assert other != token
        box.write(Report("second", "node6", 1, ended={token: pickle.dumps(end)}))
        assert ordered(one, box) == [other]
        for beat in range(2, 4):
            ended = {other: pickle.dumps(end)}
            box.write(Report("second", "node6", beat, ended=ended))
            expected = [("none-0", end.history[1]), end] if beat == 2 else []
            assert one.collect(timeout=0.1) == expected
        one.submit(trial("none", 1))
        [kept, last] = ordered(one, box)
        assert kept == other  # the head may not have stored it yet
        monkeypatch.setattr(spool_executor, "KEPT", 0.0)
        box.write(
            Report("second", "node6", 4, ended={last: pickle.dumps(replace(end, trial="none-1"))})
        )
        assert len(one.collect(timeout=1.0)) == 3
        assert one.collect(timeout=0.1) == []
        one.submit(trial("none", 2))
        assert len(ordered(one, box)) == 1  # what was taken in is withdrawn


def test_outcomes_stay_in_the_spool_for_longer_than_they_wait_to_be_stored() -> None:
    assert 2 * Store.commit_every < spool_executor.KEPT


def test_a_worker_that_is_leaving_gets_nothing_more(tmp_path: Path) -> None:
    with played(tmp_path / "spool") as (one, box):
        box.write(Report("first", "node5", leaving=True))
        one.submit(trial("none"))
        assert one.collect(timeout=0.4) == []
        assert ordered(one, box) == []
        assert (tmp_path / "spool" / WORKERS / "job1").is_dir()  # another job is submitted


def test_jobs_that_waited_in_vain_while_nobody_asked_have_not_failed_to_start(
    tmp_path: Path,
) -> None:
    jobs = Nobody(tmp_path / "spool")
    one = SpoolExecutor(jobs.spool, jobs, 3)
    for job in jobs.jobs:  # images took long to prepare
        Box(jobs.spool / WORKERS / job).write(Report("life", "node5", left="had no trial"))
    jobs.jobs = []
    one.submit(trial("none"))
    assert one.collect(timeout=1.0) == []
    assert jobs.jobs == ["job3"]
    one.cancel()


class Full(Nobody):
    """One job at a time is all that a user may have."""

    def start(self, count: int) -> list[str]:
        if self.jobs:
            raise UserError("Slurm refuses the jobs: QOSMaxSubmitJobPerUserLimit; see --slurm.")
        return super().start(count)


def test_a_job_that_is_refused_beside_one_that_is_leaving_is_asked_for_again(
    tmp_path: Path,
) -> None:
    jobs = Full(tmp_path / "spool")
    one = SpoolExecutor(jobs.spool, jobs, 1)
    box = Box(jobs.spool / WORKERS / "job0")
    box.write(Report("first", "node5", leaving=True))
    one.submit(trial("none"))
    assert one.collect(timeout=0.5) == []
    assert jobs.jobs == ["job0"]
    jobs.jobs = []
    wait_until(lambda: one.collect(timeout=0.1) == [] and jobs.jobs == ["job1"])
    one.cancel()


def left_by_a_head(spool: Path, end: Outcome) -> tuple[Nobody, Box, str]:
    """The jobs, the worker's box and the trial's token, after a head that ended before it heard."""
    jobs = Nobody(spool)
    one = SpoolExecutor(jobs.spool, jobs, 1)
    box = Box(jobs.spool / WORKERS / "job0")
    box.write(Report("first", "node5"))
    one.submit(trial("none"))
    [token] = ordered(one, box)
    box.write(Report("first", "node5", 1, ended={token: pickle.dumps(end)}))
    return jobs, box, token


def test_what_a_head_before_left_is_kept_until_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = Outcome("none-0", "finished", alone(trial("none")))
    jobs, _, _ = left_by_a_head(tmp_path / "spool", end)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "alive", lambda: None)
        with pytest.raises(UserError, match="does not say whether they still run"):
            SpoolExecutor(jobs.spool, jobs, 1)
    SpoolExecutor(jobs.spool, jobs, 1).cancel()  # interrupted before its first trial
    other = SpoolExecutor(jobs.spool, jobs, 1)
    other.submit(trial("none"))
    assert other.collect(timeout=5.0)[-1] == end
    other.cancel()
    assert not jobs.spool.exists()


@pytest.mark.parametrize("other", [{"number_format": "fp16"}, {"unfit": True}])
def test_what_a_head_before_left_in_another_format_is_trained_again(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    end = Outcome("none-0", "finished", alone(trial("none")), number_format="bf16")
    jobs, box, token = left_by_a_head(tmp_path / "spool", replace(end, **other))
    again = SpoolExecutor(jobs.spool, jobs, 1)
    again.submit(replace(trial("none"), number_format="bf16"))
    [new] = ordered(again, box)
    assert new != token
    box.write(Report("first", "node5", 2, ended={new: pickle.dumps(end)}))
    assert again.collect(timeout=5.0)[-1] == end
    again.cancel()


def test_an_outcome_that_comes_with_a_problem_is_kept_for_the_next_head(tmp_path: Path) -> None:
    end = Outcome("none-0", "finished", alone(trial("none")))
    jobs = Nobody(tmp_path / "spool")
    one = SpoolExecutor(jobs.spool, jobs, 2)
    boxes = [Box(jobs.spool / WORKERS / job) for job in jobs.jobs]
    boxes[0].write(Report("first", "node5"))
    one.submit(trial("none"))
    [token] = ordered(one, boxes[0])
    boxes[0].write(Report("first", "node5", 1, ended={token: pickle.dumps(end)}))
    boxes[1].write(Report("other", "node6", problem="it has no room"))
    with pytest.raises(UserError, match="it has no room"):
        one.collect(timeout=5.0)
    one.cancel()
    other = SpoolExecutor(jobs.spool, jobs, 1)
    other.submit(trial("none"))
    assert other.collect(timeout=5.0)[-1] == end
    other.cancel()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"version": "0.0"}, r"worker on node5 has version 0\.0 of scalegrid, and this process"),
        ({"problem": "it does not have a"}, "worker on node5 cannot work: it does not have a; "),
    ],
)
def test_what_a_node_lacks_is_said(tmp_path: Path, given: dict[str, str], reason: str) -> None:
    with played(tmp_path / "spool") as (one, box):
        box.write(replace(Report("first", "node5"), **given))  # type: ignore[arg-type]
        one.submit(trial("none"))
        with pytest.raises(UserError, match=reason):
            one.collect(timeout=5.0)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: bytes(len(b)), lambda b: b""])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: object) -> None:
    box = Box(tmp_path / "worker")
    box.make()
    assert box.report() is None
    report = Report("life", "node", ended={"token": pickle.dumps("outcome")})
    box.write(report)
    assert box.report() == report
    assert box.report() is None  # no news
    path = tmp_path / "worker" / "report"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    assert box.report() is None
    box.write(report)
    assert box.report() == report
    box.make()
    assert box.all() == (Orders(), report)
