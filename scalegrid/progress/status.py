"""How far a sweep is: a small file that the running sweep keeps up to date for other processes."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from scalegrid.analysis.naming import with_name
from scalegrid.results.heads import PREFIX, STATUS
from scalegrid.spec import Metric
from scalegrid.util.files import replace_file
from scalegrid.util.processes import runs
from scalegrid.util.text import plural

STATUS_FILE = "status.json"

State = Literal["running", "finished", "interrupted", "stopped"]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, lt=1e11)]

_SILENCE = 30.0  # seconds without a sign of life after which a sweep counts as stopped


@dataclass(frozen=True)
class Running:
    """A trial under way: ``epoch`` of its ``epochs`` are finished, or recalled."""

    trial: str
    variant: str
    label: str
    seed: Count
    epoch: Count
    epochs: Count
    images_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
    rung: Count = 1


@dataclass(frozen=True)
class Best:
    """The candidate with the best mean of the sweep's metric of those with a finished trial.

    It is that at the highest ``rung`` with trials of two candidates. ``value`` is that mean in the
    metric's own unit, None in a status of before, which knew top-1 alone; ``top1`` the mean
    accuracy, a share, None where a trainer gives none.
    """

    variant: str
    label: str
    top1: Share | None
    seeds: Count
    metric: Metric = "top1"
    value: Annotated[float, Field(allow_inf_nan=False)] | None = None
    rung: Count = 1

    def __str__(self) -> str:
        """``top-1 61.2 % (3 seeds)``; ``(3 seeds at 9×)`` at a higher rung."""
        value = self.value if self.value is not None else self.top1 or 0.0
        at = f" at {self.rung}×" if self.rung > 1 else ""
        return f"{with_name(value, self.metric)} ({plural(self.seeds, 'seed')}{at})"


@dataclass(frozen=True)
class Status:
    """A sweep at one moment.

    ``total`` counts all trials of the planned variants, made and expected, ``finished`` and
    ``failed`` those that have ended; times are seconds since the epoch; ``seconds_left`` is None
    while it cannot be estimated, and when nothing runs. ``certainty`` is the probability that the
    candidate which racing would recommend now is good enough, None where nothing is raced.
    ``problem`` is why a sweep has stopped, ``doing`` what it does before its first trial, as a
    clause; None later.
    """

    name: str
    state: State
    finished: Count
    failed: Count
    total: Count
    seconds_left: Seconds | None = None
    best: Best | None = None
    running: tuple[Running, ...] = ()
    certainty: Share | None = None
    problem: str | None = None
    doing: str | None = None
    started_at: Seconds = 0.0
    updated_at: Seconds = 0.0
    pid: Annotated[int, Field(gt=0, lt=2**31)] = field(default_factory=os.getpid)
    host: str = field(default_factory=platform.node)

    @property
    def ended(self) -> int:
        """Trials that have a row."""
        return self.finished + self.failed

    @property
    def images_per_second(self) -> float:
        """Training images per second of all running trials together."""
        return sum(trial.images_per_second or 0.0 for trial in self.running)


def write_status(folder: Path, status: Status, name: str | None = None) -> None:
    """Replace the status file; it is a convenience, so failing to write it stops nothing.

    Each of several heads of a sweep has one of its own, of this ``name``.
    """
    text = json.dumps(asdict(status), indent=1).encode()
    with suppress(OSError):
        replace_file(folder / (name or STATUS_FILE), lambda file: file.write(text), durable=False)


def write_finished(folder: Path, finished: int, failed: int) -> None:
    """Say that a sweep is finished, where a run of it was stopped before it could say so."""
    status = read_status(folder)
    if status is not None and status.state != "finished":
        ended = {"finished": finished, "failed": failed, "total": finished + failed}
        unknown = {"seconds_left": None, "best": None, "certainty": None, "doing": None}
        values = {**vars(status), **ended, **unknown, "running": (), "problem": None}
        write_status(folder, Status(**{**values, "state": "finished"}))


def read_status(folder: Path) -> Status | None:
    """The last status of the sweep in ``folder``, all its heads together; None if it has none.

    A sweep that was killed cannot say so; it is reported as ``stopped``, with nothing running.
    """
    files = [folder / STATUS_FILE, *folder.glob(f"{PREFIX}*{STATUS}")]
    found = [status for path in files if (status := _read(path)) is not None]
    running = [one for one in found if one.state == "running" and _alive(one)]
    if running:
        return _together(running)
    last = max(found, key=lambda one: one.updated_at, default=None)
    if last is not None and last.state == "running":
        return replace(last, state="stopped", running=(), seconds_left=None)
    return last


def _read(path: Path) -> Status | None:
    try:
        return TypeAdapter(Status).validate_json(path.read_bytes())
    except (OSError, ValueError):  # missing, unreadable, or not what a sweep writes
        return None


def _together(heads: Sequence[Status]) -> Status:
    """That of the head which knows most, with the trials of all."""
    most = max(heads, key=lambda one: (one.doing is None, one.ended, one.updated_at))
    return replace(most, running=tuple(trial for one in heads for trial in one.running))


def _alive(status: Status) -> bool:
    if time.time() - status.updated_at > _SILENCE:
        return False
    return status.host != platform.node() or runs(status.pid)
