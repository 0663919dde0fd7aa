"""What the page of a sweep says, as plain data: every number from the sweep's tables."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalegrid.analysis import (
    Recommendation,
    answer,
    basis,
    going_on,
    next_step,
    rows,
)
from scalegrid.analysis.naming import METRIC_NAMES
from scalegrid.figures import draw
from scalegrid.figures.published import hover_texts
from scalegrid.figures.subject import Subject
from scalegrid.report.inline import inline
from scalegrid.results.showing import about
from scalegrid.spec import GROUPS, RUNTIME_KEYS
from scalegrid.util.errors import UserError
from scalegrid.util.text import coefficient, count, duration, sentence

if TYPE_CHECKING:
    from scalegrid.results import SweepTables

FIGURES = ("equal-cost", "difference", "triangle", "scaling", "price")
"""Those on the page, in its order."""


@dataclass(frozen=True)
class Picture:
    """A figure as SVG, and the sentences of its caption."""

    name: str
    svg: str
    caption: list[str]


@dataclass(frozen=True)
class Contents:
    """The page's parts, top to bottom.

    ``answer`` has the verdict first; where there is none yet, it says why. ``step`` is a sentence
    and the command that would probably decide it. ``layers`` compares the recommended network with
    the baseline, a row a stage. ``variants`` has a row for each variant of the plan, as text by
    column; ``failures`` are trials that failed, with their errors; ``missing`` says which figures
    have no data. ``metric`` is what is estimated. ``settings`` are those of the specification by
    heading, ``facts`` what ran where.
    """

    name: str
    answer: list[str]
    step: list[str]
    layers: list[dict[str, str]]
    pictures: list[Picture]
    missing: list[str]
    variants: list[dict[str, str]]
    failures: list[dict[str, str]]
    basis: list[str]
    metric: str
    settings: dict[str, dict[str, str]]
    facts: dict[str, str]
    command: str


def contents(tables: SweepTables) -> Contents:
    """Everything that the page of a sweep says."""
    subject = Subject(tables)
    found, said = _recommendation(subject)
    rated = {row["variant"]: row for row in rows(found)} if found else {}
    plan: list[dict[str, Any]] = [
        {str(k): v for k, v in row.items()} for row in tables.planned.to_dict("records")
    ]
    variants = [_variant(row, tables, rated) for row in plan]
    pictures, missing = _pictures(subject, variants)
    return Contents(
        name=tables.folder.name,
        answer=said,
        step=next_step(found, tables.spec, tables.folder) if found else [],
        layers=_layers(tables, found),
        pictures=pictures,
        missing=missing,
        variants=variants,
        failures=_failures(tables),
        basis=basis(found) if found else [],
        metric=METRIC_NAMES[found.metric if found else "top1"],
        settings=_settings(tables.spec),
        facts=_facts(tables, found),
        command=going_on(tables.spec, tables.folder),
    )


def _recommendation(subject: Subject) -> tuple[Recommendation | None, list[str]]:
    """What is recommended, and the sentences that say so; or why there is nothing yet."""
    try:
        found = subject.found
    except UserError as error:
        text = str(error)
        return None, [sentence(text[:1].upper() + text[1:])]
    return found, answer(found)


def _variant(
    row: Mapping[str, Any], tables: SweepTables, rated: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """A row of the table of variants; what is not known is a dash."""
    own = tables.trials[tables.trials["variant"] == row["variant"]]
    top1 = own.loc[own["status"] == "finished", "top1"]
    judged = rated.get(row["variant"], {})
    note = [] if row["matched"] or row["role"] == "baseline" else ["cost is off: only compared"]
    if failed := int((own["status"] == "failed").sum()):
        note.append(f"{failed} failed")
    return {
        "role": str(row["role"]),
        "α": coefficient(row["alpha"]),
        "β": coefficient(row["beta"]),
        "γ": f"{row['gamma']:.3f}",
        "px": str(row["resolution"]),
        "layers": str(row["layers"]),
        "FLOPs": count(row["flops"]),
        "ratio": f"{row['flops_ratio']:.3f}×",
        "params": count(row["params"]),
        "activations": count(row["activations"]),
        "seeds": str(len(top1)),
        "top-1": f"{100 * top1.mean():.2f} %" if len(top1) else "–",
        "estimate": judged.get("estimate", "–"),
        "95 %": judged.get("95 %", "–"),
        "best": judged.get("best", "–"),
        "good enough": judged.get("good enough", "–"),
        "note": "; ".join(note),
        "variant": str(row["variant"]),
    }


def _pictures(subject: Subject, variants: list[dict[str, str]]) -> tuple[list[Picture], list[str]]:
    """The figures that there are data for, and why the others are missing."""
    points = {f"variant-{row['variant']}": _hover(row) for row in variants} | hover_texts()
    pictures, missing = [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in FIGURES:
            try:
                draw([name], subject, Path(folder), ("svg",))
            except UserError as error:
                missing.append(sentence(str(error)))
                continue
            caption = (Path(folder) / f"{name}.txt").read_text(encoding="utf-8").splitlines()
            svg = (Path(folder) / f"{name}.svg").read_text(encoding="utf-8")
            pictures.append(Picture(name, inline(svg, name, " ".join(caption), points), caption))
    return pictures, missing


def _hover(row: Mapping[str, str]) -> str:
    """What a point of a figure is."""
    head = f"{row['role']}: α {row['α']}, β {row['β']}, γ {row['γ']}"
    size = f"{row['px']} px, {row['FLOPs']} FLOPs ({row['ratio']}), layers {row['layers']}"
    size += f"\n{row['params']} parameters, {row['activations']} activations"
    return f"{head}\n{size}\ntop-1 {row['top-1']}, {row['seeds']} seeds"


def _layers(tables: SweepTables, found: Recommendation | None) -> list[dict[str, str]]:
    """The layer tables of the baseline and of the recommended network, side by side."""
    if found is None:
        return []
    layouts = tables.planned.set_index("variant")["layout"]
    ids = [tables.planned["variant"].iloc[0], found.best.variant]
    pairs = zip(*(json.loads(layouts[one]) for one in ids), strict=True)
    return [
        {
            "operator": str(base["operator"]),
            "kernel": f"{base['kernel']}×{base['kernel']}",
            "stride": str(base["stride"]),
            "layers": str(base["layers"]),
            "layers now": str(scaled["layers"]),
            "channels": str(base["channels"]),
            "channels now": str(scaled["channels"]),
        }
        for base, scaled in pairs
    ]


def _failures(tables: SweepTables) -> list[dict[str, str]]:
    failed = tables.trials[tables.trials["status"] == "failed"]
    return [
        {"variant": str(row["variant"]), "seed": str(row["seed"]), "error": str(row["error"])}
        for row in failed.to_dict("records")
    ]


def _settings(spec: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The settings that decide the numbers, by heading; those that are not set are left out."""
    return {
        heading: {
            key: str(spec[key])
            for key in keys
            if key not in RUNTIME_KEYS and spec.get(key) not in (None, [], ())
        }
        for heading, keys in GROUPS.items()
        if any(key in spec and key not in RUNTIME_KEYS for key in keys)
    }


def _facts(tables: SweepTables, found: Recommendation | None) -> dict[str, str]:
    """How many trials, how long, where and with which versions."""
    trials = tables.trials
    facts = {"trials": about(tables)["trials"]}
    if found and found.pace.busy is not None:
        facts["time"] = f"{duration(found.pace.busy)} in which trials ran"
    for column in ("device", "versions"):
        facts[column] = "; ".join(sorted(set(trials[column].dropna())))
    return {key: text for key, text in facts.items() if text}
