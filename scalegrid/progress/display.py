"""What a person sees of a running sweep: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO

from scalegrid.analysis.naming import NAMED, role_name, with_name
from scalegrid.metric import measure
from scalegrid.progress.status import Running, Status
from scalegrid.spec import Metric, SweepSpec
from scalegrid.util.text import duration, percent, plural

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from scalegrid.plan import Variant

_PREPARING_EVERY = 10.0  # seconds between plain lines while images are prepared


@dataclass(frozen=True)
class Ended:
    """A trial that has just ended.

    ``value`` is the sweep's metric in its own unit, None if it failed for ``error``, or where a
    trainer gave other figures alone.
    """

    label: str
    seed: int
    value: float | None
    error: str | None
    seconds: float
    metric: Metric = "top1"
    rung: int = 1


class Display(Protocol):
    """Where a sweep reports to."""

    def note(self, text: str) -> None:
        """Something to know: one sentence."""

    def preparing(self, done: int, total: int) -> None:
        """Images decoded, of how many."""

    def update(self, status: Status) -> None:
        """The sweep as it is now; called about once a second."""

    def ended(self, trial: Ended, status: Status) -> None:
        """A trial has ended and is stored."""

    def close(self) -> None:
        """Nothing more will come."""


class Silence:
    """A display that shows nothing."""

    def note(self, text: str) -> None:
        """Ignored."""

    def preparing(self, done: int, total: int) -> None:
        """Ignored."""

    def update(self, status: Status) -> None:
        """Ignored."""

    def ended(self, trial: Ended, status: Status) -> None:
        """Ignored."""

    def close(self) -> None:
        """Ignored."""


class Lines:
    """One line for each trial that ends; for log files and pipes."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_preparing: float | None = None

    def note(self, text: str) -> None:
        """Printed as it is."""
        print(text, file=self._stream, flush=True)

    def preparing(self, done: int, total: int) -> None:
        """A line every ten seconds."""
        now = time.monotonic()
        if self._last_preparing is None:
            self._last_preparing = now
        elif now - self._last_preparing >= _PREPARING_EVERY:
            self._last_preparing = now
            self.note(f"preparing images: {done} of {total}")

    def update(self, status: Status) -> None:
        """Nothing: what is under way is in the status file."""

    def ended(self, trial: Ended, status: Status) -> None:
        """``trial 3/17  width β=1.41  64 px  seed 0  top-1 61.2 %  48 s  about 6 min left``."""
        self.note(line(trial, status))

    def close(self) -> None:
        """Nothing to do."""


class Live:
    """Redraws the state of the sweep in place, below a line for each trial that ended."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live as RichLive

        self._console = Console(file=stream, highlight=False)
        self._live = RichLive(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def note(self, text: str) -> None:
        """Printed above the display."""
        self._console.print(text, markup=False, soft_wrap=True)

    def preparing(self, done: int, total: int) -> None:
        """A progress bar, until all are."""
        text = f"preparing images  {done} of {total}"
        self._show(_bar(text, done, total) if done < total else "")

    def update(self, status: Status) -> None:
        """Redraws everything."""
        self._show(render(status))

    def ended(self, trial: Ended, status: Status) -> None:
        """The same line as elsewhere, above the display."""
        self.note(line(trial, status))
        self.update(status)

    def close(self) -> None:
        """Clears the display; the lines above it stay."""
        self._live.stop()

    def _show(self, picture: RenderableType) -> None:
        self._live.update(picture, refresh=True)


def display_for(stream: TextIO | None = None) -> Display:
    """The display that suits ``stream``, standard error by default."""
    stream = stream or sys.stderr
    return Live(stream) if stream.isatty() else Lines(stream)


def label(variant: Variant | pd.Series[Any]) -> str:
    """What a person calls a variant: ``width β=1.41  64 px``; multipliers of the baseline."""
    multipliers = (("α", variant.depth), ("β", variant.width), ("γ", variant.gamma**variant.phi))
    texts = [(axis, f"{value:.3g}") for axis, value in multipliers]
    scaled = [f"{axis}={text}" for axis, text in texts if text != "1"]
    role = role_name(*(getattr(variant, key) for key in NAMED))
    return "  ".join([" ".join([role, *scaled]), f"{variant.resolution} px"])


def line(trial: Ended, status: Status) -> str:
    """One line about a trial that has ended."""
    parts = [f"trial {status.ended}/{status.total}", trial.label, _which(trial)]
    if trial.value is None and trial.error is None:  # a trainer's
        without = f"without {measure(trial.metric).title}, so it counts as failed"
        parts += [without, duration(trial.seconds)]
    elif trial.value is not None:
        parts += [with_name(trial.value, trial.metric), duration(trial.seconds)]
    else:
        parts.append(f"failed: {trial.error}")
    if status.certainty is not None:
        parts.append(certainty(status.certainty))
    return "  ".join([*parts, *filter(None, [time_left(status)])])


Extent = Literal["", "at first", "at most"]
"""Of the trials that are foreseen: all; in a race the first; with rungs the most."""


def opening_note(status: Status, extent: Extent = "") -> str:
    """How much there is to train, and how long it will take."""
    count = status.total - status.ended
    trials = f"{extent} {plural(count, 'trial')} to train".strip()
    if status.ended:
        trials += f", {status.ended} done before"
    if status.seconds_left is None:
        return f"{status.name}: {trials}."
    needed = duration(max(1.0, status.seconds_left))
    most = " at most" if extent == "at most" else ""
    return f"{status.name}: {trials}; this will take{most} about {needed}."


def closing_note(status: Status, folder: Path, asked: float | None = None) -> str:
    """What has been done, and how to go on if it was interrupted; why it stopped is for others.

    ``asked`` is how sure a race was to become.
    """
    failed = f", {status.failed} of them failed" if status.failed else ""
    if status.state != "finished":
        go_on = "; run the same command again to go on" if status.state == "interrupted" else ""
        done = f"{status.ended} of {status.total} trials are done{failed}"
        return f"{status.state.capitalize()}: {done}, and kept in {folder}{go_on}."
    sure = "" if status.certainty is None else f"; {certainty(status.certainty)}"
    if status.certainty is not None and asked is not None and status.certainty < asked:
        sure = f"; not decided: {certainty(status.certainty)}, where {percent(asked)} is asked"
    return (
        f"{status.name} is finished: {plural(status.ended, 'trial')}{failed}{sure}; "
        f"results in {folder}; "
        "`scalegrid recommend` says which coefficients, and how sure that is."
    )


def stopping_note(
    status: Status,
    problem: str,
    spec: SweepSpec,
    seconds_left: float | None,
    search: tuple[float, float] | None,
) -> str:
    """Why a sweep stops after its baseline, what may help, and what that costs.

    ``seconds_left`` is the time for what it has not trained, ``search`` the least and the most time
    for finding a learning rate; None where the speed is unknown.
    """
    if spec.trainer is not None:
        return f"{status.name} stops: {problem.rstrip('.')}."
    before = "" if search is None else f" ({' to '.join(map(duration, search))} before the sweep)"
    advice = "another --batch-size or --optimizer" if spec.rates != "same" else "--rates tune"
    whole = "" if seconds_left is None else f", about {duration(2 * seconds_left)} in all"
    return (
        f"{status.name} stops after the baseline: {problem}. Try, under another --name, "
        f"{advice}{before}, or a longer training (--epochs {2 * spec.epochs}{whole}; more "
        "--train-images); --no-check-learning trains the others all the same."
    )


def certainty(probability: float) -> str:
    """How sure a race is of its leader."""
    return f"leader good enough with probability {percent(probability)}"


def time_left(status: Status) -> str:
    """``about 6 min left``, or nothing when that is unknown or over."""
    if status.seconds_left is None or status.ended == status.total:
        return ""
    return f"about {duration(max(1.0, status.seconds_left))} left"


def render(status: Status) -> RenderableType:
    """The state of a sweep for a terminal: how far, what is running, the best so far."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    heading = f"{status.name}  {status.ended} of {status.total} trials"
    if status.failed:
        heading += f", {status.failed} failed"
    details: list[str] = [] if status.running else [status.state]
    if status.images_per_second:  # known once an epoch has ended
        details.append(f"{status.images_per_second:.0f} images/s")
    details += [text for text in (time_left(status),) if text]
    parts: list[RenderableType] = [_bar("  ".join([heading, *details]), status.ended, status.total)]
    if status.running:
        table = Table.grid(padding=(0, 2))
        for trial in status.running:
            table.add_row(*_running_cells(trial))
        parts.append(table)
    if status.best:
        parts.append(Text(f"best so far  {status.best.label}  {status.best}"))
    if status.certainty is not None:
        parts.append(Text(certainty(status.certainty)))
    return Group(*parts)


def _running_cells(trial: Running) -> tuple[str, str, str, str]:
    speed = f"{trial.images_per_second:.0f} images/s" if trial.images_per_second else ""
    epoch = f"epoch {min(trial.epoch + 1, trial.epochs)} of {trial.epochs}"
    return trial.label, _which(trial), epoch, speed


def _which(trial: Running | Ended) -> str:
    """``seed 0``, and the rung if it is a higher one: ``seed 0  rung 3×``."""
    return f"seed {trial.seed}" + (f"  rung {trial.rung}×" if trial.rung > 1 else "")


def _bar(text: str, done: int, total: int) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid()  # a ProgressBar prints no newline
    rows.add_row(Text(text))
    rows.add_row(ProgressBar(total=max(total, 1), completed=done, width=60))
    return rows
