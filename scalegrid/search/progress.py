"""What a person sees of a running search: as of a sweep, with networks for variants."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from scalegrid.progress.display import Display, Ended, opening_note
from scalegrid.progress.progress import HEARTBEAT
from scalegrid.progress.status import Best, Running, State, Status, write_status
from scalegrid.results.schema import Row
from scalegrid.search.answer import Finalist
from scalegrid.search.networks import SEED, Network
from scalegrid.search.spec import SearchSpec
from scalegrid.training.held import rung_work
from scalegrid.training.trial import Epoch, Trial
from scalegrid.util.text import sentence


@dataclass
class SearchProgress:
    """Counts trials, estimates the time from those of this run, remembers the best network.

    ``left`` are trials that are neither made nor running; the run keeps it up to date. They count
    as trials of rung 1.
    """

    spec: SearchSpec
    display: Display
    workers: int
    left: int = 0
    certainty: float | None = None
    _finished: int = 0
    _failed: int = 0
    _best: Best | None = None
    _highest: float = -1.0
    _running: dict[str, Running] = field(default_factory=dict)
    _spent: tuple[float, float] = (0.0, 0.0)  # seconds, and work in trials of rung 1, of this run
    _lost: bool = False  # whether a training lacked its checkpoint
    _started: float = field(default_factory=time.time)
    _shown: float = 0.0

    def note(self, text: str) -> None:
        """Show something to know, which may lack its full stop."""
        self.display.note(f"Note: {sentence(text)}")

    def open(self, *notes: str | None) -> None:
        """Show these notes, and how much there is to train."""
        for text in filter(None, notes):
            self.note(text)
        self.display.note(opening_note(self.status("running"), "at most"))

    def started(self, trial: Trial, network: Network) -> None:
        """A trial has been handed to the executor."""
        self.left -= 1
        self._running[trial.trial] = Running(
            trial.trial,
            trial.variant,
            self._label(network),
            trial.seed,
            0,
            trial.epochs,
            None,
            trial.rung,
        )

    def epoch(self, trial: str, epoch: Epoch) -> None:
        """A running trial has finished an epoch."""
        shown = self._running[trial]
        speed = epoch.images_per_second if epoch.own else None
        begun = shown.epoch == 0 and epoch.own == 1
        if begun and shown.rung > 1 and self.spec.continues and not self._lost:
            self._lost = True
            self.note(
                f"{shown.label}, seed {shown.seed}, is trained from its start at rung "
                f"{shown.rung}×, since it has no checkpoint of a rung below; others may be, too"
            )
        self._running[trial] = replace(shown, epoch=shown.epoch + 1, images_per_second=speed)

    def count(self, network: Network, row: Row) -> None:
        """Take in a trial that has a row."""
        if row["status"] != "finished":
            self._failed += 1
            return
        self._finished += 1
        value = self.spec.objective.value(row["top1"], network.cost)
        if row["seed"] == SEED and value > self._highest:
            self._highest = value
            label = self._label(network)
            self._best = Best(network.variant, label, row["top1"], 1, "top1", row["top1"])

    def ended(self, network: Network, row: Row) -> None:
        """A running trial has ended and is stored."""
        del self._running[row["trial"]]
        seconds, work = self._spent
        self._spent = seconds + row["seconds"], work + self._work(row["rung"])
        self.count(network, row)
        worth = row["top1"] if row["status"] == "finished" else None
        name = self._label(network)
        shown = Ended(name, row["seed"], worth, row["error"], row["seconds"], rung=row["rung"])
        self.display.ended(shown, self.status("running"))

    def found(self, finalist: Finalist) -> None:
        """The best is now the winner of the race."""
        label, top1 = self._label(finalist.network), finalist.accuracy
        values = finalist.trials, "top1", top1, finalist.rung
        self._best = Best(finalist.network.variant, label, top1, *values)

    def show(self) -> None:
        """Update the display and the status file, at most once a second."""
        now = time.monotonic()
        if now - self._shown >= HEARTBEAT:
            self._shown = now
            status = self.status("running")
            write_status(self.spec.folder, status)
            self.display.update(status)

    def close(self, state: State, problem: str | None = None) -> Status:
        """Write how the run ended, and why; trials that still run have been given up."""
        status = replace(self.status(state), problem=problem)
        write_status(self.spec.folder, status)
        return status

    def status(self, state: State) -> Status:
        """The search now."""
        running = tuple(self._running.values()) if state == "running" else ()
        waiting = self.left + (0 if state == "running" else len(self._running))
        seconds = None
        if self._spent[1] and state == "running":
            underway = sum(self._work(one.rung) for one in running) / 2
            seconds = self._spent[0] / self._spent[1] * (self.left + underway) / self.workers
        return Status(
            name=str(self.spec.name),
            state=state,
            finished=self._finished,
            failed=self._failed,
            total=self._finished + self._failed + len(running) + waiting,
            seconds_left=seconds,
            best=self._best,
            certainty=self.certainty,
            running=running,
            started_at=self._started,
            updated_at=time.time(),
        )

    def _work(self, rung: int) -> float:
        """Of a training, in those of rung 1, if it finds its checkpoint."""
        return rung_work(self.spec.rungs, rung, goes_on=self.spec.continues)

    def _label(self, network: Network) -> str:
        return f"network {network.number + 1}  {self.spec.objective.target.shown(network.cost)}"
