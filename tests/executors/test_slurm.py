from __future__ import annotations

import os
import platform
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import slurm_cluster
from executor_contract import FUNCTION, SharedDiskContract, wait_until
from light_sweep import light_spec, run_light_sweep

from scalegrid.executors.on_slurm import SlurmJobs
from scalegrid.executors.spool_executor import SpoolExecutor
from scalegrid.results import load_sweep
from scalegrid.results.schema import MEASURED
from scalegrid.spec import SweepSpec

pytestmark = pytest.mark.engine
TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module", autouse=True)
def slurm() -> Iterator[None]:
    """A Slurm of one node."""
    if reason := slurm_cluster.unable():
        pytest.skip(reason)
    path = os.pathsep.join(map(str, (TESTS, TESTS / "executors", TESTS.parent)))
    with slurm_cluster.cluster() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in {**environment, "PYTHONPATH": path}.items():
            patch.setenv(name, value)
        yield


class TestSlurm(SharedDiskContract):
    @classmethod
    def make(cls, workers: int) -> SpoolExecutor:
        spec = SweepSpec(results=str(cls.folder()), name="jobs", executor="slurm")
        jobs = SlurmJobs(spec, ["cpu"], 3, FUNCTION)
        return SpoolExecutor(jobs.spool, jobs, workers)


SWEEP = """
import sys
from light_sweep import light_spec, run_light_sweep
from scalegrid.executors.on_slurm import SlurmJobs
from scalegrid.executors.spool_executor import SpoolExecutor
from scalegrid.progress.display import Lines
if __name__ == "__main__":
    results, slurm = sys.argv[1:]
    spec = light_spec(results, candidates=4, seeds=4, executor="slurm", slurm=slurm or None)

    def in_jobs(placement):
        jobs = SlurmJobs(spec.model_copy(update={"name": "light-leaves-32"}), placement.devices, 1,
            "light_training:train")
        return SpoolExecutor(jobs.spool, jobs, placement.workers)

    sys.exit(run_light_sweep(spec, display=Lines(sys.stderr), make_executor=in_jobs).exit_status)
"""
TRIALS = 4 * 4


@contextmanager
def sweep(folder: Path, slurm: str = "", seconds: float = 0.2) -> Iterator[subprocess.Popen[bytes]]:
    """A sweep of 16 trials of two epochs on two workers, which is killed at the end."""
    environment = {**os.environ, "LIGHT_SECONDS": str(seconds), "LIGHT_LOG": str(folder / "log")}
    command = [sys.executable, "-c", SWEEP, str(folder / "results"), slurm]
    with subprocess.Popen(command, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def begun(folder: Path) -> list[str]:
    """The trials that workers have begun, in order."""
    log = folder / "log"
    return log.read_text().split() if log.exists() else []


def jobs(*options: str) -> list[str]:
    """Those that run or wait."""
    asked = ["squeue", "--noheader", "--array", "--format=%i", *options]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()


def running(folder: Path) -> list[str]:
    """The two jobs of a sweep, once both run and trials have begun."""
    found: list[str] = []

    def both() -> bool:
        found[:] = jobs("--states=RUNNING")
        return len(begun(folder)) >= 3 and len(found) == 2

    wait_until(both)
    return found


def jobs_until_the_end(process: subprocess.Popen[bytes]) -> set[str]:
    """The jobs that there are until a sweep has ended, well."""
    found: set[str] = set()
    while process.poll() is None:
        found.update(jobs())
    assert process.returncode == 0
    return found


def equals_an_undisturbed_one(folder: Path) -> None:
    """Its tables have what those of a run in this process have, but for times; no file is left."""
    run_light_sweep(light_spec(folder / "alone", candidates=4, seeds=4))
    both = [load_sweep(None, folder / name) for name in ("results", "alone")]
    for table in ("variants", "trials", "history", "answers"):
        pd.testing.assert_frame_equal(
            *(getattr(one, table).drop(columns=list(MEASURED), errors="ignore") for one in both)
        )
    assert len(both[0].trials) == TRIALS
    left = {path.name for path in (folder / "results" / "light-leaves-32").iterdir()}
    assert not left & {".slurm", "logs"}
    wait_until(lambda: not jobs())


def test_a_cancelled_job_loses_its_trial_alone_and_is_replaced(tmp_path: Path) -> None:
    with sweep(tmp_path) as process:
        subprocess.run(["scancel", running(tmp_path)[0]], check=True)
        assert len(jobs_until_the_end(process)) == 3
    assert len(begun(tmp_path)) <= TRIALS + 1
    equals_an_undisturbed_one(tmp_path)


def test_jobs_that_reach_their_time_limit_are_replaced(tmp_path: Path) -> None:
    with sweep(tmp_path, "time=1", seconds=3) as process:
        for job in running(tmp_path):  # Slurm looks at limits every half a minute
            subprocess.run(["scontrol", "update", f"job={job}", "EndTime=now"], check=True)
        assert len(jobs_until_the_end(process)) == 4
    assert TRIALS < len(begun(tmp_path)) <= TRIALS + 2
    equals_an_undisturbed_one(tmp_path)


def test_a_requeued_job_goes_on(tmp_path: Path) -> None:
    with sweep(tmp_path) as process:
        two = running(tmp_path)
        subprocess.run(["scontrol", "requeue", two[0]], check=True)
        assert jobs_until_the_end(process) == set(two)
    assert len(begun(tmp_path)) <= TRIALS + 1
    equals_an_undisturbed_one(tmp_path)


def test_a_head_that_is_killed_and_run_again_repeats_nothing(tmp_path: Path) -> None:
    two: set[str] = set()
    for kill in (2, 6, 10):
        with sweep(tmp_path) as process:
            wait_until(lambda kill=kill: len(begun(tmp_path)) >= kill)  # type: ignore[misc]
            process.kill()
        two = two or set(jobs())
    with sweep(tmp_path) as process:
        assert jobs_until_the_end(process) == two
    assert len(begun(tmp_path)) == len(set(begun(tmp_path))) == TRIALS
    equals_an_undisturbed_one(tmp_path)


def test_an_interrupted_head_cancels_its_jobs(tmp_path: Path) -> None:
    with sweep(tmp_path) as process:
        wait_until(lambda: len(begun(tmp_path)) >= 3)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
    wait_until(lambda: not jobs())
    with sweep(tmp_path) as process:
        assert process.wait() == 0
    equals_an_undisturbed_one(tmp_path)


def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (TESTS.parent / "docs" / "cluster.md").read_text(encoding="utf-8")
    [block] = re.findall(r"## Slurm.*?```console\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    printed = ""
    for command in block.splitlines():
        words = shlex.split(command)
        if words[0] == "pip":
            continue  # what runs this test
        if words[0] == "scalegrid":
            words[:1] = [sys.executable, "-m", "scalegrid"]
        ran = subprocess.run(words, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
        printed = ran.stdout
    assert len(printed.splitlines()) == 1  # the heading of squeue
    devices = load_sweep("tried").trials["device"]
    assert len(devices) > 4
    assert all(device.startswith("cpu") for device in devices)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (
            "--slurm partition=none",
            "Slurm refuses the jobs: Batch job submission failed: Invalid partition name "
            "specified; see --slurm.",
        ),
        (
            "--device cuda",
            f"the worker on {platform.node()} cannot work: torch finds 0 CUDA devices in its job "
            "instead of 1; give the right gpus in --slurm, or --device cpu; mend that and run the "
            "same command again to go on.",
        ),
    ],
)
def test_what_stands_against_it_is_one_sentence(tmp_path: Path, flags: str, reason: str) -> None:
    words = f"sweep --baseline nano --executor slurm {flags} --results {tmp_path / 'new'}".split()
    few = ["--candidates", "4", "--train-images", "64", "--val-images", "64"]
    command = [sys.executable, "-m", "scalegrid", *words, *few]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1] == f"scalegrid: {reason}"
    assert flags.startswith("--device") or not (tmp_path / "new").exists()
    wait_until(lambda: not jobs())
