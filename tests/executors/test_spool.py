from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from executor_contract import FUNCTION, WorkersContract

from scalegrid.executors.spool import WORKERS
from scalegrid.executors.spool_executor import SpoolExecutor

HERE = Path(__file__).parent
WORKER = """
import sys
from pathlib import Path
from scalegrid.executors.spool_worker import work
if __name__ == "__main__":
    folder, slots, threads, logs, function, idle = sys.argv[1:]
    work(Path(folder), ["cpu"] * int(slots), int(threads), Path(logs), function, float(idle))
"""


class Processes:
    """Jobs that are processes of this machine."""

    def __init__(self, spool: Path, slots: int = 1, function: str = FUNCTION) -> None:
        self.spool, self._slots, self._function = spool, slots, function
        self.started: dict[str, subprocess.Popen[bytes]] = {}
        self.logs = spool / "logs"

    def start(self, count: int) -> list[str]:
        self.logs.mkdir(exist_ok=True)
        ids = [f"{len(self.started) + i}-{os.getpid()}" for i in range(count)]
        path = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parent.parent)))
        for one in ids:
            words = (self.spool / WORKERS / one, self._slots, 3, self.logs, self._function, 60.0)
            self.started[one] = subprocess.Popen(
                [sys.executable, "-c", WORKER, *map(str, words)],
                env={**os.environ, "PYTHONPATH": path},
            )
        return ids

    def alive(self) -> set[str]:
        return {one for one, process in self.started.items() if process.poll() is None}

    def cancel(self, ids: Sequence[str]) -> None:
        for one in ids:
            if one in self.started:
                self.started[one].terminate()
        for one in ids:
            if one in self.started:
                self.started[one].wait()

    def end_of(self, job: str) -> str:
        return f"has ended with status {self.started[job].wait()}"


@pytest.mark.engine
class TestSpool(WorkersContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _folders(cls) -> Iterator[None]:
        with TemporaryDirectory() as name:
            cls.root, cls.made = Path(name), 0
            yield

    root: Path
    made: int

    @classmethod
    def make(cls, workers: int) -> SpoolExecutor:
        cls.made += 1
        spool = cls.root / str(cls.made)
        return SpoolExecutor(spool, Processes(spool), workers)
