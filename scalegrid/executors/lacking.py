"""What a trial needs of the machine that trains it, beside this package: code, files, folders."""

from __future__ import annotations

from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from sys import path as import_path

from scalegrid.baselines.user_code import search_folder, split
from scalegrid.training.trial import Trial


def lacking(trial: Trial) -> frozenset[str]:
    """What of it is not here. What is missing where the trial was described need not be here."""
    return _lacking(trial.baseline, trial.trainer, trial.data.directory, trial.checkpoints)


@cache
def _lacking(
    baseline: str, trainer: str | None, data: Path, checkpoints: str | None
) -> frozenset[str]:
    found = [_code(name) for name in (baseline, trainer) if name and ":" in name]
    if baseline.endswith((".yaml", ".yml")) and not Path(baseline).is_file():
        found.append(f"the file {Path(baseline).absolute()}")
    if not data.is_dir():
        found.append(f"the folder of images {data}, which SCALEGRID_CACHE can place elsewhere")
    if checkpoints and not Path(checkpoints).parent.is_dir():
        found.append(f"the results folder {Path(checkpoints).parent.absolute()}")
    return frozenset(filter(None, found))


def _code(name: str) -> str | None:
    """The module of a factory or trainer, if it is not found."""
    folder, top = search_folder(name), split(name)[1].partition(".")[0]
    if PathFinder.find_spec(top, [str(folder), *import_path]) is None:
        return f"the module {top}, in {folder} or on the import path"
    return None
