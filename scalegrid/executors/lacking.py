"""What a trial needs of the machine that trains it, beside this package: code, files, folders."""

from __future__ import annotations

import sys
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from scalegrid.baselines.registry import is_definition, is_factory
from scalegrid.baselines.user_code import search_folder, split
from scalegrid.training.trial import Trial


def lacking(trial: Trial) -> frozenset[str]:
    """What of it is not here. What is missing where the trial was described need not be here."""
    return _lacking(trial.baseline, trial.trainer, trial.data.directory, trial.checkpoints)


@cache
def _lacking(
    baseline: str, trainer: str | None, data: Path, checkpoints: str | None
) -> frozenset[str]:
    found = {_module(name) for name in (baseline, trainer or "") if is_factory(name)}
    if is_definition(baseline) and not Path(baseline).is_file():
        found.add(f"the file {Path(baseline).absolute()}")
    if not data.is_dir():
        found.add(f"the folder of images {data}, which SCALEGRID_CACHE can place elsewhere")
    if checkpoints and not Path(checkpoints).parent.is_dir():
        found.add(f"the results folder {Path(checkpoints).parent.absolute()}")
    return frozenset(found - {""})


def _module(name: str) -> str:
    """That of a factory or trainer if it is not found; empty if it is."""
    folder, top = search_folder(name), split(name)[1].partition(".")[0]
    there = PathFinder.find_spec(top, [str(folder), *sys.path])
    return "" if there else f"the module {top}, in {folder} or on the import path"
