"""`scalegrid status`: how far a sweep is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from scalegrid.cli.options import format_option, name_argument, results_option
from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table
from scalegrid.util.errors import UserError
from scalegrid.util.text import duration, sentence

if TYPE_CHECKING:
    from scalegrid.progress import Status


@click.command()
@name_argument
@results_option
@format_option
def status(name: str | None, results: str, form: Format) -> None:
    """Show how far a sweep is; the newest without NAME."""
    from scalegrid.progress.earlier import renamed
    from scalegrid.progress.status import STATUS_FILE, read_status
    from scalegrid.results.loading import SPEC_FILE, sweep_folder

    folder = sweep_folder(name, results, (SPEC_FILE, STATUS_FILE))
    found = read_status(folder)
    if found is None:
        raise UserError(
            f"{folder} has no status, or none that can be read; `scalegrid sweep` writes one as it "
            "runs."
        )
    found = renamed(found, folder)
    if form == "json":
        print_json(asdict(found))
    elif form == "csv":
        print_csv([{k: v for k, v in asdict(found).items() if k not in ("best", "running")}])
    else:
        _print(found)
        print_lines(_sensor(folder.name, results))


def _sensor(name: str, results: str) -> list[str]:
    """How well a trial of the sweep tells candidates apart, as soon as replicates show it."""
    from scalegrid.analysis import sensor_as_planned, sensor_sentences
    from scalegrid.results import load_sweep

    try:
        tables = load_sweep(name, results)
        return sensor_sentences(sensor_as_planned(tables.planned, tables.trials, tables.spec))
    except UserError:  # there is not enough yet
        return []


def _print(status: Status) -> None:
    from scalegrid.progress.display import certainty

    if status.doing:
        print(f"{status.name} is {status.state}: {status.doing}.")
        return
    left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
    failed = f", {status.failed} failed" if status.failed else ""
    print(
        f"{status.name} is {status.state}: {status.ended} of {status.total} trials{failed}{left}."
    )
    if status.problem:
        print_lines([sentence(status.problem)])
    if status.best:
        so_far = "" if status.state == "finished" else " so far"
        print(f"Best candidate{so_far}: {status.best.label}, {status.best}.")
    if status.certainty is not None:
        print(f"{certainty(status.certainty).capitalize()}.")
    if status.running:
        rungs = any(trial.rung > 1 for trial in status.running)
        print_table(
            [
                {
                    "running": trial.label,
                    "seed": trial.seed,
                    **({"rung": f"{trial.rung}×"} if rungs else {}),
                    "epoch": f"{min(trial.epoch + 1, trial.epochs)} of {trial.epochs}",
                    "images/s": f"{rate:.0f}" if (rate := trial.images_per_second) else "–",
                }
                for trial in status.running
            ]
        )
