"""Trainings made elsewhere become a sweep: read, compared with what is stored, and stored."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from scalegrid import baselines
from scalegrid.analysis.candidates import at_phi_one
from scalegrid.analysis.naming import network_name
from scalegrid.coefficients import DepthRule, Scaling
from scalegrid.metric import measure
from scalegrid.plan import Variant
from scalegrid.plan.given import FORMULA_FLOPS, Given, given_variants
from scalegrid.plan.variants import plan_order
from scalegrid.progress.status import Status, write_status
from scalegrid.results import Store, Stored
from scalegrid.results.rows import imported_row, variant_row
from scalegrid.results.trial_file import Training, read_trainings
from scalegrid.spec import IMPORTED, LARGEST_FACTOR, LEAST_FACTOR, UNKNOWN, Metric, SweepSpec
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest
from scalegrid.util.text import count, plural

Row = dict[str, Any]

_EQUAL = 1.1  # largest ratio of the costs of candidates that goes without a note
_COUNTED = 0.01  # relative difference of FLOPs that does
_AXES = Scaling._fields
_MEASURED = ("top1", "top5", "balanced", "train_loss", "val_loss")


@dataclass(frozen=True)
class Imported:
    """What an import has added to the sweep in ``folder``, and sentences that a user should read.

    ``added`` trainings are new, or have further figures; ``networks`` and ``trainings`` are all.
    """

    folder: Path
    added: int
    networks: int
    trainings: int
    notes: tuple[str, ...]


def import_trials(
    path: Path | str,
    name: str,
    *,
    results: Path | str = "results",
    baseline: str | None = None,
    resolution: int | None = None,
    num_classes: int | None = None,
    channels: int | None = None,
    depth_rounding: DepthRule | None = None,
    flops_factor: float | None = None,
    metric: Metric | None = None,
) -> Imported:
    """Make trainings of a table a sweep, or add them to one that was made so.

    Settings that are not given are those of before. A training that is stored already stays.

    Args:
        path: the table, see `scalegrid.results.trial_file.read_trainings`.
        name: of the sweep.
        results: the folder of sweeps.
        baseline: the network that was scaled; without it layers stay unknown.
        resolution: its px, needed at first.
        num_classes: outputs of its classifier; 10 by default.
        channels: of the images; 3 by default.
        depth_rounding: how its layers were rounded; by default as its authors do.
        flops_factor: F; by default the median FLOPs ratio of the candidates, to two digits.
        metric: what trainings are compared by; ``top1`` by default.

    Raises:
        UserError: the table or a setting cannot be used, or does not agree with what is stored; or
            the folder holds a sweep of another kind, or cannot be written. Nothing has changed.
    """
    given = {
        "baseline": baseline,
        "resolution": resolution,
        "num_classes": num_classes,
        "channels": channels,
        "depth_rounding": depth_rounding,
        "flops_factor": flops_factor,
        "metric": metric,
    }
    given = {key: value for key, value in given.items() if value is not None}
    at = yaml.build(SweepSpec, {"name": name, "results": str(results), "trainer": IMPORTED})
    with Store(at.folder) as store:
        spec = _specification({**at.model_dump(include={"name", "results"}), **given}, store.stored)
        wanted = measure(spec.metric).column
        trainings, notes = read_trainings(Path(path), int(spec.resolution or 0), wanted)
        unscaled = Given("baseline", 0.0, Scaling(1.0, 1.0, 1.0), int(spec.resolution or 0))
        had = [unscaled] if store.stored is None else _had(store.stored)
        networks = [*had, *(one.network for one in trainings)]
        every = given_variants(networks, spec)
        own = every[len(had) :]
        _check_unchanged(every, store.stored)
        notes += _check_costs(trainings, own, spec)
        spec = _with_networks(spec, every, fixed="flops_factor" in spec.model_fields_set)
        variants = _named(every, spec.flops_factor)
        data = store.stored.data if store.stored else digest([IMPORTED, name])
        before = _with_costs(store.stored, variants)
        new = _new_rows(trainings, own, before, data)
        made = {row["trial"]: row for row in (*before, *new)}
        spec = _with_trials(spec, list(made.values()))
        _check_brief(variants, list(made.values()))
        notes += _notes(variants, list(made.values()), spec, networks)
        store.start(spec, [variant_row(one, at) for at, one in enumerate(variants)], data)
        if new:
            store.add(list(made.values()), [])
        total, now = len(made), time.time()
        status = Status(name, "finished", total, 0, total, started_at=now, updated_at=now)
        write_status(spec.folder, status)
    return Imported(spec.folder, len(new), len(variants), len(made), tuple(notes))


def _specification(given: Mapping[str, Any], stored: Stored | None) -> SweepSpec:
    """The settings that networks are found by, which stay as they were."""
    settings: Row = {"baseline": UNKNOWN, **given}
    if stored is not None:
        if not stored.spec.imported:
            raise UserError(
                f"{stored.folder} holds a sweep that was trained here; choose another --name."
            )
        kept = stored.spec.model_dump(exclude_none=True, exclude={"name", "results", "metric"})
        for key, value in given.items():
            if key in kept | {"num_classes": None, "channels": None} and value != kept.get(key):
                flag = f"--{key.replace('_', '-')}"
                there = "not given" if kept.get(key) is None else kept[key]
                raise UserError(
                    f"{stored.folder} was imported with other settings: {flag} is {there} there "
                    f"and {value} here; choose another --name, or leave it out."
                )
        settings = {"metric": stored.spec.metric, **given, **kept}
    if "resolution" not in settings:
        raise UserError("the px of the baseline are not known; give --resolution PX.")
    if settings["baseline"] != UNKNOWN:
        settings["resolution_step"] = baselines.get(settings["baseline"]).resolution_step
        settings.setdefault("depth_rounding", "authors")
    elif stray := [k for k in ("num_classes", "channels", "depth_rounding") if k in given]:
        flag = stray[0].replace("_", "-")
        raise UserError(f"--{flag} is for a network that is known; give --baseline too.")
    return yaml.build(SweepSpec, {**settings, "trainer": IMPORTED})


def _had(stored: Stored) -> list[Given]:
    """The networks that are stored, the baseline first, with the costs that were given for them."""
    tried, found = set(stored.trials["variant"].to_pylist()), []
    for row in stored.planned:
        scaling = Scaling(row["depth"], row["width"], row["gamma"] ** row["phi"])
        one = Given(row["role"], row["phi"], scaling, row["resolution"])
        if row["variant"] in tried and not stored.spec.network_known:
            one = one._replace(flops=row["flops"], params=row["params"] or None)
        found.append(one)
    if all(one.flops in (None, one.by_formula) for one in found):
        found = [one._replace(flops=None) for one in found]
    return found


def _check_brief(variants: Sequence[Variant], rows: Sequence[Row]) -> None:
    """Raise UserError where longer trainings cannot be compared with those that they go on from."""
    scaled = {one.variant for one in variants if one.role != "baseline"}
    own = [row for row in rows if row["variant"] in scaled]
    brief = {row["variant"] for row in own if row["rung"] == 1}
    if len(brief) < 2 and any(row["rung"] > 1 for row in own):
        every = {row["variant"] for row in own}
        raise UserError(
            f"{len(brief)} of {plural(len(every), 'scaled network')} has a training of "
            "rung 1, which rungs are multiples of, and two or more must; add them, or number the "
            "rungs from the shortest."
        )


def _check_unchanged(variants: Sequence[Variant], stored: Stored | None) -> None:
    """Raise UserError where the networks that are stored are not built now."""
    now = {one.variant for one in variants}
    if stored is not None and not now.issuperset(row["variant"] for row in stored.planned):
        raise UserError(
            f"{stored.spec.baseline} has changed since {stored.folder} was imported; choose "
            "another --name, or undo the change."
        )


def _with_costs(stored: Stored | None, variants: Sequence[Variant]) -> list[Row]:
    """The trials that are stored, with the costs of their networks as they are known now."""
    if stored is None:
        return []
    costs = {one.variant: {"flops": one.flops, "params": one.params} for one in variants}
    return [row | costs[row["variant"]] for row in stored.trials.to_pylist()]


def _check_costs(
    trainings: Sequence[Training], variants: Sequence[Variant], spec: SweepSpec
) -> list[str]:
    """A sentence where FLOPs were counted otherwise than they are given.

    Raises:
        UserError: of networks that are not known, two trainings of one have other costs.
    """
    ratios = []
    for one, variant in zip(trainings, variants, strict=True):
        for key in ("flops", "params"):
            given, held = getattr(one.network, key), getattr(variant, key)
            if given is None or given == held:
                continue
            if not spec.network_known:
                raise UserError(
                    f"{one.where}: {key} is {given}, and {held} in another row, or before, of the "
                    "same network; mend it, or give the --baseline by which they can be counted."
                )
            if key == "flops":
                ratios.append(given / held)
    far = [ratio for ratio in ratios if abs(ratio - 1) > _COUNTED]
    if not far:
        return []
    return [
        f"the FLOPs of {plural(len(far), 'row')} are {min(far):.3g} to {max(far):.3g} times those "
        f"that are counted for {spec.baseline}, which are kept, since all are then counted alike "
        "(a multiply-add is one); if they should agree, see --num-classes, --channels, "
        "--resolution and --depth-rounding"
    ]


def _candidates(variants: Sequence[Variant]) -> list[Variant]:
    near = at_phi_one([one.role for one in variants], [one.phi for one in variants])
    distinct = {one.variant: one for one, here in zip(variants, near, strict=True) if here}
    return list(distinct.values())


def _with_networks(spec: SweepSpec, variants: Sequence[Variant], *, fixed: bool) -> SweepSpec:
    """The specification with the F of its candidates, and the direction of compound scaling.

    Raises:
        UserError: there are fewer than two candidates, or F is none that a sweep may have.
    """
    candidates = _candidates(variants)
    if len(candidates) < 2:
        raise UserError(
            f"there {'is one network' if candidates else 'is no network'} at φ = 1 to be "
            "recommended; two are needed, to compare."
        )
    factor = spec.flops_factor
    if not fixed:
        factor = float(f"{median(one.flops_ratio for one in candidates):.2g}")
    smaller = 1 / LARGEST_FACTOR <= factor <= 0.99
    if not fixed and not (smaller or LEAST_FACTOR <= factor <= LARGEST_FACTOR):
        raise UserError(
            f"the networks at φ = 1 cost {factor:g} times the baseline of {spec.resolution} px in "
            f"the median, and coefficients scale by 1/{LARGEST_FACTOR:g} to {LARGEST_FACTOR:g} "
            "times, and not by 1; "
            "give another --resolution, the --flops-factor, or the φ of each in a column phi."
        )
    settings: Row = spec.model_dump(exclude_none=True) | {"flops_factor": factor}
    compound = [one for one in variants if one.role == "compound" and one.phi != 1]
    if compound:
        settings["curves"] = tuple(sorted({factor**one.phi for one in compound}))
        settings["compound"] = (compound[0].alpha, compound[0].beta, compound[0].gamma)
    return yaml.build(SweepSpec, settings)


def _named(variants: Sequence[Variant], factor: float) -> list[Variant]:
    """Each variant once, in the order of a plan; of an axis alone, one has its role.

    That is the nearest to F at φ = 1, as in a plan; the others are candidates of the grid.
    """
    distinct = {one.variant: one for one in variants}
    for axis in _AXES:
        alone = [one for one in distinct.values() if one.role == axis and one.phi == 1]
        alone.sort(key=lambda one: abs(math.log(one.flops_ratio / factor)))
        for one in alone[1:]:
            distinct[one.variant] = replace(one, role="grid")
    return sorted(distinct.values(), key=plan_order)


def _new_rows(
    trainings: Sequence[Training], variants: Sequence[Variant], before: Sequence[Row], data: str
) -> list[Row]:
    """The rows that are not stored, or have further figures.

    Raises:
        UserError: a network has two trainings with one seed, or figures are others than stored.
    """
    stored = {row["trial"]: row for row in before}
    seen: dict[str, str] = {}
    new = []
    for one, variant in zip(trainings, variants, strict=True):
        row = imported_row(one, variant, data)
        if row["trial"] in seen:
            raise UserError(
                f"{one.where} is the same network, {_network(variant)}, with the same seed "
                f"{one.seed} as {seen[row['trial']]}; leave one out, or give it a seed of its own."
            )
        seen[row["trial"]] = one.where.rpartition(": ")[2]
        merged = _merged(one.where, row, stored.get(row["trial"]), variant)
        if merged is not None:
            new.append(merged)
    return new


def _merged(where: str, row: Row, old: Row | None, variant: Variant) -> Row | None:
    """The row with what is stored of it; None if that is all.

    Raises:
        UserError: a figure is another than the stored one.
    """
    if old is None:
        return row
    own, had = _figures(row), _figures(old)
    for name, value in own.items():
        if name in had and had[name] != value:
            raise UserError(
                f"{where}: {name} is {value:g}, and was {had[name]:g} when {_network(variant)}, "
                f"with seed {row['seed']} was imported; restore it, or choose another --name."
            )
    if own.keys() <= had.keys():
        return None
    both = had | own
    known = {name: both.pop(name, math.nan) for name in (*_MEASURED, "seconds")}
    return {**old, **known, "figures": list(both.items())}


def _figures(row: Row) -> dict[str, float]:
    known = {name: row[name] for name in (*_MEASURED, "seconds") if not math.isnan(row[name])}
    return known | dict(row["figures"])


def _network(variant: Variant) -> str:
    name = network_name(variant.role, variant.alpha, variant.beta, variant.gamma)
    return f"{name}, {variant.resolution} px"


def _with_trials(spec: SweepSpec, rows: Sequence[Row]) -> SweepSpec:
    """The specification with the rungs that there are.

    Raises:
        UserError: a training lacks what they are compared by; or there is no rung 1.
    """
    wanted = measure(spec.metric).column
    names = dict.fromkeys(name for row in rows for name in _figures(row) if name != "seconds")
    lacking = sum(wanted not in _figures(row) for row in rows)
    if lacking:
        raise UserError(
            f"{wanted}, which trainings are compared by, is missing in {lacking} of {len(rows)}; "
            f"their figures are {', '.join(names) or 'none'}: give --metric NAME of one that all "
            "have, with --maximize or --minimize."
        )
    rungs = tuple(sorted({row["rung"] for row in rows}))
    if 1 not in rungs:
        raise UserError(
            f"the column rung has {rungs[0]} and no 1; it is the multiple of the shortest training."
        )
    return yaml.build(SweepSpec, {**spec.model_dump(exclude_none=True), "rungs": rungs})


def _notes(
    variants: Sequence[Variant], rows: Sequence[Row], spec: SweepSpec, networks: Sequence[Given]
) -> list[str]:
    """Sentences on what is assumed, and on what cannot be drawn."""
    notes = []
    base, tried = variants[0], {row["variant"] for row in rows}
    ratios = [one.flops_ratio for one in _candidates(variants)]
    if not spec.network_known and all(one.flops is None for one in networks):
        notes.append(
            "FLOPs are not given: they are taken to grow by α·β²·γ², from "
            f"{count(FORMULA_FLOPS)} of the baseline"
        )
    elif not spec.network_known and base.variant not in tried:
        notes.append(
            f"the FLOPs of the baseline are not given: {count(base.flops)}, by α·β²·γ² and the "
            "others' median"
        )
    if max(ratios) > _EQUAL * min(ratios):
        notes.append(
            f"the candidates' FLOPs run from {min(ratios):.2f} to {max(ratios):.2f} times the "
            "baseline's: they are ranked as they are, so in part by cost"
        )
    if base.variant not in tried:
        notes.append(
            "no training is of the baseline (1, 1, 1): figures of what scaling gains lack it"
        )
    return notes
