from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from scalegrid.progress.status import Best, Running, Status, read_status, write_status

STATUS = Status(
    name="s",
    state="running",
    finished=3,
    failed=1,
    total=10,
    seconds_left=60.0,
    best=Best("v", "grid", 0.5, 2),
    running=(Running("t", "v", "grid", 0, 1, 4, 200.0), Running("u", "v", "grid", 1, 0, 4, None)),
    updated_at=time.time(),
)


def test_another_process_reads_what_was_written(tmp_path: Path) -> None:
    now = replace(STATUS, updated_at=time.time())
    write_status(tmp_path, now)
    assert read_status(tmp_path) == now
    assert now.ended == 4
    assert now.images_per_second == 200.0


@pytest.mark.parametrize("state", ["finished", "interrupted"])
def test_a_sweep_that_ended_by_itself_says_so_for_ever(tmp_path: Path, state: str) -> None:
    ended = replace(STATUS, state=state, running=(), updated_at=0.0, best=None)  # type: ignore[arg-type]
    write_status(tmp_path, ended)
    assert read_status(tmp_path) == ended


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_killed_sweep_is_stopped_with_nothing_running(tmp_path: Path) -> None:
    write_status(tmp_path, replace(STATUS, updated_at=time.time(), pid=ended_process()))
    status = read_status(tmp_path)
    assert status is not None
    assert (status.state, status.running, status.seconds_left) == ("stopped", (), None)
    assert status.finished == STATUS.finished


def test_a_silent_sweep_is_stopped_wherever_it_ran(tmp_path: Path) -> None:
    write_status(tmp_path, replace(STATUS, updated_at=time.time() - 3600, host="elsewhere"))
    status = read_status(tmp_path)
    assert status is not None
    assert status.state == "stopped"


def test_a_sweep_on_another_machine_is_known_by_its_sign_of_life(tmp_path: Path) -> None:
    now = replace(STATUS, updated_at=time.time(), host="elsewhere", pid=ended_process())
    write_status(tmp_path, now)
    assert read_status(tmp_path) == now


WRONG_TYPE = '{"name": "s", "state": "finished", "finished": null, "failed": 0, "total": 1}'


def counts(**more: str) -> str:
    values = {"name": '"s"', "state": '"running"', "finished": "1", "failed": "0", "total": "2"}
    return "{" + ", ".join(f'"{key}": {value}' for key, value in (values | more).items()) + "}"


NO_SWEEP = [
    counts(finished="-3"),
    counts(pid="2147483648"),
    counts(seconds_left="NaN"),
    counts(seconds_left="1e300"),
    counts(certainty="2"),
]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"name": 1}', "null", WRONG_TYPE, *NO_SWEEP]
)
def test_a_damaged_or_missing_file_is_no_status(tmp_path: Path, content: str) -> None:
    assert read_status(tmp_path) is None
    (tmp_path / "status.json").write_text(content)
    assert read_status(tmp_path) is None


def test_a_status_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    write_status(tmp_path / "missing", STATUS)
    assert not os.listdir(tmp_path)
