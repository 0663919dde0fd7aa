"""`scalegrid status`: how far a sweep is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from scalegrid.cli.output import Format, print_csv, print_json, print_table
from scalegrid.progress.display import certainty
from scalegrid.progress.status import Status, read_status
from scalegrid.results import sweep_folder
from scalegrid.util.errors import UserError
from scalegrid.util.text import duration


def show_status(name: str | None, results: Path, form: Format) -> None:
    """Print the state of a sweep.

    Raises:
        UserError: there is no such sweep, or it has not started.
    """
    folder = sweep_folder(name, results)
    status = read_status(folder)
    if status is None:
        raise UserError(f"{folder} has no status yet; `scalegrid sweep` writes it as it runs.")
    if form == "json":
        print_json(asdict(status))
    elif form == "csv":
        print_csv([{k: v for k, v in asdict(status).items() if k not in ("best", "running")}])
    else:
        _print(status)


def _print(status: Status) -> None:
    left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
    failed = f", {status.failed} failed" if status.failed else ""
    print(
        f"{status.name} is {status.state}: {status.ended} of {status.total} trials{failed}{left}."
    )
    if status.best:
        top1 = f"{100 * status.best.top1:.1f} %"
        print(f"Best so far: {status.best.label}, top-1 {top1} ({status.best.seeds} seeds).")
    if status.certainty is not None:
        print(f"{certainty(status.certainty).capitalize()}.")
    if status.running:
        print_table(
            [
                {
                    "running": trial.label,
                    "seed": trial.seed,
                    "epoch": f"{trial.epoch} of {trial.epochs}",
                    "images/s": f"{trial.images_per_second or 0:.0f}",
                }
                for trial in status.running
            ]
        )
