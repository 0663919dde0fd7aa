"""A stored sweep at further φ, or with layers placed: its specification and a direction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scalegrid.analysis.direction import direction, undecided
from scalegrid.results.loading import SweepTables, load_sweep_at
from scalegrid.spec import IMPORTED, SweepSpec, factors_allowed, of_other_engines
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.text import coefficient

_AT_A_FACTOR = 5
"""Networks at a FLOPs factor: three axes, compound, and what the paper's coefficients build."""

_PLACED = 3
"""Networks that differ in where their layers are, at most."""


class Extension(NamedTuple):
    """The specification to go on with, and sentences that a user should read."""

    spec: SweepSpec
    notes: list[str]


def extend(
    sweep: str,
    phis: Iterable[float],
    results: Path | str = "results",
    given: Mapping[str, Any] | None = None,
) -> Extension:
    """The specification of a sweep that goes on in its folder at further φ.

    Its recipe and data are those of before. At each φ the single axes are trained, and the network
    of equal cost nearest the direction that the sweep recommends, or has been extended by already.
    If ``scale`` is given as ``stages``, layers are placed at the coefficients of that direction.

    Args:
        sweep: its name under ``results``, or the path of its folder.
        phis: above 0; FLOPs grow, or shrink, to F^φ. None are needed where layers are placed.
        results: the folder of sweeps.
        given: settings to be used instead of the stored ones, such as seeds, or where the data are.

    Raises:
        UserError: there is no such sweep, it was trained elsewhere or has nothing to recommend, a φ
            is out of range, another baseline or name is given, or a race's limits leave no room.
    """
    given = dict(given or {})
    tables = load_sweep_at(sweep, results)
    name = tables.folder.name
    if tables.spec.get("trainer") == IMPORTED:
        raise UserError(
            f"the trainings of {name} were made elsewhere, so it cannot be trained further; "
            "train more there, and `scalegrid import` them."
        )
    for key, own in (("baseline", tables.spec["baseline"]), ("name", name)):
        if given.get(key, own) != own:
            raise UserError(
                f"--extend goes on with {name}, a sweep of {tables.spec['baseline']}; leave out "
                f"--{key} {given[key]}."
            )
    stored = {key: value for key, value in tables.spec.items() if value is not None}
    stored |= {"name": name, "results": str(tables.folder.parent), **of_other_engines(given)}
    factors, notes = _factors(phis, float(stored["flops_factor"]), name)
    placed = given.get("scale") == "stages"
    if not (factors or placed):
        raise UserError(f"--phi has no φ that {name} lacks; give others, such as 0.5,1.5,2.")
    triple, more = _direction(tables, given.get("compound"))
    curves = {*given.get("curves", stored["curves"]), *factors}
    settings = {**stored, **given, "curves": sorted(curves), "compound": list(triple)}
    spec = yaml.build(SweepSpec, settings)
    had = set(stored["curves"]) if stored.get("compound") else set()
    more_networks = _AT_A_FACTOR * len(curves - had)
    more_networks += _PLACED * (placed and stored.get("scale") != "stages")
    _check_limits(tables, spec, given, more_networks)
    if spec.seeds == 1:
        more.append("each further network gets one seed; --seeds gives all of them more")
    return Extension(spec, [*notes, *more])


def _factors(phis: Iterable[float], factor: float, name: str) -> tuple[list[float], list[str]]:
    """F^φ of each φ but 1, and notes."""
    at, ends = math.log(factor), factors_allowed(factor)
    low, high = sorted(math.log(end) / at for end in ends)
    found, notes = [], []
    for phi in phis:
        if phi == 1:
            notes.append(f"φ = 1 is left out of --phi, since {name} has it already")
        elif low <= phi <= high:
            found.append(factor**phi)
        else:
            raise UserError(
                f"φ = {phi:g} must be from {math.ceil(1e4 * low) / 1e4:g} to "
                f"{math.floor(1e4 * high) / 1e4:g}, since {name} scales by "
                f"{factor:g}^φ, and a sweep goes from {ends[0]:.3g} to {ends[1]:.3g} times the "
                "FLOPs."
            )
    return found, notes


def _direction(
    tables: SweepTables, given: Sequence[float] | None
) -> tuple[Sequence[float], list[str]]:
    """The coefficients that are trained: as given, as before, or what the sweep recommends now."""
    kept = tables.spec["compound"]
    names = zip("αβγ", kept or (), strict=False)
    said = ", ".join(f"{letter} {coefficient(value)}" for letter, value in names)
    if given is not None:
        other = kept is not None and tuple(given) != tuple(kept)
        note = f"--compound is another direction than {said} of before, whose trials stay"
        return given, [note] if other else []
    found = tables.recommend()
    notes = undecided(found, tables.folder.name)
    if kept is None:
        triple, more = direction(found)
        return triple, [*notes, *more]
    return kept, [*notes, f"the compound networks go on in the direction of {said}, as before"]


def _check_limits(
    tables: SweepTables, spec: SweepSpec, given: Mapping[str, Any], more: int
) -> None:
    """Raise UserError where a limit of the race that was is none of one with ``more`` networks."""
    made, name = len(tables.trials), tables.folder.name
    needed = made + more * spec.seeds
    least = made + 1 if "max_trials" in given and more else needed
    if spec.max_trials is not None and spec.max_trials < least:
        raise UserError(
            f"{name} has made {made} of at most {spec.max_trials} trials, and further networks "
            f"need some too; give --max-trials {needed}."
        )
    if spec.max_hours is not None and not given.keys() & {"max_hours", "hours"} and more:
        raise UserError(
            f"{name} trains for at most {spec.max_hours:g} hours in all; give --max-hours for it "
            "and the further networks together."
        )
