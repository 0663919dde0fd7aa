"""Trials by Slurm: an array of jobs, each of which trains many; submitit submits them.

The head and its jobs talk by files in ``results/NAME/.slurm``, see `spool`. Slurm is asked for the
jobs by ``squeue`` alone, since small installations have no accounting.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scalegrid.executors.base import Executor
from scalegrid.executors.placement import Placement, check_devices
from scalegrid.executors.spool import LOGS, SPOOL, WORKERS, remove_spool
from scalegrid.executors.spool_executor import SpoolExecutor
from scalegrid.executors.spool_worker import work
from scalegrid.spec import SweepSpec
from scalegrid.training.attempt import TRAIN
from scalegrid.util import disk
from scalegrid.util.errors import UserError, cannot_write, one_line

WORKERS_BY_DEFAULT = 8
"""Trials at once, where ``workers`` does not say."""

_COMMANDS = ("sbatch", "srun", "squeue", "scancel")
_NOTICE = 30  # seconds before its time limit that a job takes no more trials
_OWN = {
    "array": "--workers says how many jobs there are",
    "ntasks": "a job is one task",
    "ntasks_per_node": "a job is one task",
    "nodes": "a job has one node",
    "output": "logs are named by trial",
    "error": "logs are named by trial",
    "wrap": "a job trains trials",
    "signal": "it tells a job that its time is over soon",
    **dict.fromkeys(
        ("parsable", "quiet", "test_only", "wait", "help", "usage", "version"),
        "it changes what sbatch does, and not a job",
    ),
}
_MOST_GPUS = 1024
"""Of a job; more are a slip of the keyboard."""
_WAITS_OR_RUNS = frozenset(
    {
        *("PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"),
        *("REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "STAGE_OUT", "RESV_DEL_HOLD"),
    }
)
_NEVER = frozenset(
    {
        *("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints"),
        *("DependencyNeverSatisfied", "InvalidAccount", "InvalidQOS"),
    }
)
"""Why a job waits that will never run as it was asked for."""

_PATIENCE = 60.0  # seconds for an answer of Slurm


def placement(spec: SweepSpec) -> Placement:
    """As many workers as are asked for, or `WORKERS_BY_DEFAULT`; on the GPUs of a job, or its CPUs.

    A job with several GPUs, or several trials on each, is as many workers.

    Raises:
        UserError: submitit or Slurm is missing, or the settings or the device are none.
    """
    _submitit()
    if missing := [command for command in _COMMANDS if not shutil.which(command)]:
        raise UserError(
            f"--executor slurm needs the commands of Slurm, and {missing[0]} is not here; run this "
            "on a login node of the cluster."
        )
    gpus = gpus_of(settings(spec.slurm or ""))
    if gpus > _MOST_GPUS:
        raise UserError(f"--slurm {spec.slurm}: no job has {gpus} GPUs; give those of one node.")
    if "%" in str(folder := spec.folder.absolute()):
        raise UserError(
            f"Slurm has its own meaning of % in the name of a file, as in {folder}; choose another "
            "--name or --results."
        )
    if spec.device not in ("auto", "cpu", "cuda"):
        raise UserError(f"--device {spec.device} is of one machine; use auto, cpu or cuda.")
    cuda = spec.device == "cuda" or (spec.device == "auto" and gpus > 0)
    devices = tuple(f"cuda:{i}" for i in range(max(1, gpus))) if cuda else ("cpu",)
    check_devices(spec, devices)
    return Placement(spec.workers or WORKERS_BY_DEFAULT, devices, spec.threads)


def executor(spec: SweepSpec, placement: Placement) -> Executor:
    """Jobs of Slurm.

    Raises:
        UserError: Slurm refuses the jobs, or the results folder cannot be written.
    """
    cuda = placement.devices[0] != "cpu"
    devices = placement.devices * ((spec.trials_per_device or 1) if cuda else 1)
    jobs = SlurmJobs(spec, devices, placement.threads)
    return SpoolExecutor(jobs.spool, jobs, placement.workers, len(devices))


def settings(text: str) -> dict[str, str | bool]:
    """The settings of sbatch in ``partition=gpu,time=2:00:00,exclusive=``.

    Commas or line breaks are between them. What has no name of its own belongs to the value before
    it, as in ``exclude=n1,n2``. A setting that has no value is True.

    Raises:
        UserError: a setting has no name, or is scalegrid's own.
    """
    found: dict[str, str | bool] = {}
    name = ""
    for part in filter(str.strip, re.split("[,\n]", text)):
        match = re.fullmatch(r"\s*(?:--)?([A-Za-z][\w-]*)=(.*?)\s*", part)
        if match:
            name = match[1].replace("-", "_")
            found[name] = match[2] or True
        elif name and found[name] is not True:
            found[name] = f"{found[name]},{part.strip()}"
        else:
            raise UserError(
                f"--slurm {text!r}: {part.strip()!r} is no setting; write settings of sbatch as "
                "partition=gpu,time=2:00:00,gpus=1, and one without a value as exclusive=."
            )
    for name, why in _OWN.items():
        if name in found:
            raise UserError(f"--slurm {name.replace('_', '-')} cannot be set: {why}; leave it out.")
    return found


def gpus_of(settings: Mapping[str, str | bool]) -> int:
    """How many GPUs a job has by its settings."""
    asked = [
        str(value)
        for name, value in settings.items()
        if name in ("gpus", "gpus_per_node", "gpus_per_task")
        or (name == "gres" and str(value).startswith("gpu"))
    ]
    counts = [re.search(r"(?:^|:)(\d+)(?:$|[,(])", value) for value in asked]
    return max((int(match[1]) if match else 1 for match in counts), default=0)


class SlurmJobs:
    """The jobs of a sweep.

    Args:
        spec: the sweep's specification.
        devices: of a job, one for each trial that runs at once.
        threads: CPU threads of each.
        function: see `LocalExecutor`.
    """

    def __init__(
        self, spec: SweepSpec, devices: Sequence[str], threads: int, function: str = TRAIN
    ) -> None:
        folder = spec.folder.absolute()
        self.spool, self._jobs = folder / SPOOL, folder / SPOOL / "jobs"
        self._arguments = (str(self.spool), devices, threads, str(folder / LOGS), function)
        own = {
            "job_name": f"scalegrid-{spec.name}",
            "cpus_per_task": threads * len(devices),
            "signal": f"HUP@{_NOTICE}",
        }
        self._settings = {**own, **settings(spec.slurm or "")}
        self._started: set[str] = set()

    def start(self, count: int) -> list[str]:
        """Submit an array; the ids of its jobs.

        Raises:
            UserError: Slurm refuses it.
        """
        submitit = _submitit()
        try:
            disk.make_folders(self._jobs)
            with _from_outside_of_a_job(), contextlib.redirect_stderr(io.StringIO()):
                array = submitit.SlurmExecutor(self._jobs)
                array.update_parameters(
                    time=None,  # as the partition has it
                    array_parallelism=count,
                    srun_args=[f"--cpus-per-task={self._settings['cpus_per_task']}"],
                    additional_parameters=self._settings,
                )
                jobs = array.map_array(run_job, [self._arguments] * count)
        except submitit.core.utils.FailedJobError as error:
            raise UserError(
                f"Slurm refuses the jobs: {_reason(str(error))}; see --slurm."
            ) from None
        except submitit.core.utils.FailedSubmissionError as error:
            raise UserError(f"the answer of sbatch has no job: {one_line(error)}.") from None
        except OSError as error:
            raise cannot_write(self._jobs, error) from None
        ids = [str(job.job_id) for job in jobs]
        self._started.update(ids)
        return ids

    def alive(self) -> set[str] | None:
        """The ids of all jobs of this user that wait or run; None if Slurm does not answer.

        Raises:
            UserError: one that was started here will never run.
        """
        own = f"--user={os.getuid()}"
        said = _said("squeue", "--noheader", "--array", own, "--format=%i %T %r")
        if said is None:
            return None
        found = set()
        for job, state, *why in (line.split() for line in said.splitlines() if " " in line):
            if job in self._started and state == "PENDING" and not _NEVER.isdisjoint(why):
                raise UserError(
                    f"the job {job} waits and will never run, as Slurm says ({' '.join(why)}); "
                    "change --slurm."
                )
            if state in _WAITS_OR_RUNS:
                found.add(job)
        return found

    def cancel(self, ids: Sequence[str]) -> None:
        """End jobs."""
        _said("scancel", *ids)

    def close(self) -> None:
        """Remove their files, but for logs."""
        remove_spool(self.spool.parent)

    def end_of(self, job: str) -> str:
        """How one has ended, as Slurm says and as the last line of its log does."""
        shown = _said("scontrol", "--oneliner", "show", "job", job) or ""
        state = re.search(r"\bJobState=(\w+)", shown)
        ended = f"has ended ({state[1]})" if state else "has ended"
        log = self._jobs / f"{job}_0_log.err"
        with contextlib.suppress(OSError):
            if lines := log.read_text(errors="replace").strip().splitlines():
                return f"{ended}, and its log {log} with: {lines[-1].strip().rstrip('.')}"
        return ended


def run_job(arguments: tuple[str, Sequence[str], int, str, str]) -> None:
    """What a job does."""
    spool, devices, threads, logs, function = arguments
    array, task = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    job = f"{array}_{task}" if array else os.environ["SLURM_JOB_ID"]
    work(Path(spool, WORKERS, job), devices, threads, Path(logs), function)


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise UserError(
            "--executor slurm needs submitit, which is not installed; "
            "pip install 'scalegrid[slurm]' brings it."
        ) from None
    return submitit


@contextlib.contextmanager
def _from_outside_of_a_job() -> Iterator[None]:
    """Within, the environment does not describe a job in which this process may run itself."""
    job = re.compile(r"(SLURM|SLURMD|SRUN|SUBMITIT)_(?!CONF$)")
    kept = {name: os.environ.pop(name) for name in list(os.environ) if job.match(name)}
    try:
        yield
    finally:
        os.environ.update(kept)


def _reason(said: str) -> str:
    """The last thing that sbatch complained of."""
    lines = [re.sub(r"^sbatch: (error|fatal): ", "", line) for line in said.strip().splitlines()]
    known = [line for line in lines if line and not line.startswith("Try ")]
    return known[-1].rstrip(".") if known else "it does not say why"


def _said(*command: str) -> str | None:
    """What a command of Slurm prints; None if it fails."""
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout if ran.returncode == 0 else None
