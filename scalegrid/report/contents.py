"""What the page of a sweep says, as plain data: every number from the sweep's tables."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scalegrid.analysis import (
    Recommendation,
    answer,
    basis,
    going_on,
    next_step,
    rows,
)
from scalegrid.analysis.candidates import sign, trial_values
from scalegrid.analysis.matched_cost import is_cost, matched_cost
from scalegrid.analysis.naming import NAMED, metric_name, role_name, value_text
from scalegrid.analysis.tables import brief_trials
from scalegrid.figures.drawing import render
from scalegrid.figures.published import hover_texts
from scalegrid.figures.subject import Subject
from scalegrid.report.inline import inline
from scalegrid.report.ways import ways
from scalegrid.results.showing import about
from scalegrid.spec import GROUPS, IMPORTED, RUNTIME_KEYS, Metric
from scalegrid.util.errors import UserError
from scalegrid.util.text import coefficient, count, duration, sentence

if TYPE_CHECKING:
    import pandas as pd

    from scalegrid.results import SweepTables

FIGURES = ("equal-cost", "difference", "triangle", "scaling", "coefficients", "price")
"""Those on the page, in its order; ``rungs`` too where there are longer trainings."""


@dataclass(frozen=True)
class Picture:
    """A figure as SVG, and the sentences of its caption."""

    name: str
    svg: str
    caption: list[str]


@dataclass(frozen=True)
class Contents:
    """The page's parts, top to bottom.

    ``subject`` is the baseline, and what it is trained on for how long; of a search, its space.
    ``answer`` has the verdict first; where there is none yet, it says why. ``step`` is a sentence
    and the command that would probably decide it. ``layers`` compares the recommended network with
    the baseline, a row a stage, and ``ways`` the ways of scaling, cost for cost. ``variants`` has a
    row for each variant of the plan, as text by column; ``failures`` are trials that failed, with
    their errors; ``missing`` says which figures have no data. ``metric`` is what is estimated.
    ``settings`` are those of the specification by heading, ``facts`` what ran where.
    """

    name: str
    subject: str
    answer: list[str]
    step: list[str]
    layers: list[dict[str, str]]
    ways: list[dict[str, str]]
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
    metric = found.metric if found else tables.spec.get("metric", "top1")
    measured = _measured(tables, metric)
    variants = [_variant(row, tables, measured, rated) for row in plan]
    pictures, missing = _pictures(subject, variants, measured)
    return Contents(
        name=tables.folder.name,
        subject=_subject(tables),
        answer=said,
        step=next_step(found, tables.spec, tables.folder) if found else [],
        layers=_layers(tables, found),
        ways=ways(subject),
        pictures=pictures,
        missing=missing,
        variants=variants,
        failures=failures(tables.trials),
        basis=basis(found) if found else [],
        metric=metric_name(metric) + (f" at {found.rung}×" if found and found.rung > 1 else ""),
        settings=settings(tables.spec),
        facts=_facts(tables, found),
        command=going_on(tables.spec, tables.folder),
    )


def _subject(tables: SweepTables) -> str:
    """``nano at 32 px, trained briefly on leaves, for 12,800 images``."""
    spec, brief = tables.spec, brief_trials(tables.trials)
    if spec.get("trainer") == IMPORTED:
        return "trainings that were made elsewhere"
    network = f"{spec['baseline']} at {spec['resolution']} px"
    if spec.get("trainer"):
        return f"{network}, trained briefly by {spec['trainer']}"
    images = brief.loc[brief["status"] == "finished", "images"]
    long = "" if images.empty else f", for {float(images.median()):,.0f} images"
    return f"{network}, trained briefly on {spec['data']}{long}"


def _recommendation(subject: Subject) -> tuple[Recommendation | None, list[str]]:
    """What is recommended, and the sentences that say so; or why there is nothing yet."""
    try:
        found = subject.found
    except UserError as error:
        text = str(error)
        return None, [sentence(text[:1].upper() + text[1:])]
    return found, answer(found)


def _measured(tables: SweepTables, metric: Metric) -> dict[str, dict[str, str]]:
    """Means over seeds by column and variant: of the metric that decides, and of top-1.

    They are of brief trials, which all variants have.
    """
    brief = brief_trials(tables.trials)
    at = " at 1×" if len(brief) < len(tables.trials) else ""
    factor = float(tables.spec.get("flops_factor", 2.0))
    wanted: tuple[Metric, ...] = (
        (metric, "top1") if tables.spec.get("trainer") is None else (metric,)
    )
    texts = {}
    for one in dict.fromkeys(wanted):
        try:
            trials = trial_values(tables.planned, brief, one, factor)
        except UserError:  # of a figure that a trainer does not give
            continue
        means = sign(one) * trials.groupby("variant")["value"].mean()
        texts[f"{metric_name(one)}{at}"] = {
            str(v): value_text(mean, one) for v, mean in means.items()
        }
    return texts


def _variant(
    row: Mapping[str, Any],
    tables: SweepTables,
    measured: Mapping[str, Mapping[str, str]],
    rated: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """A row of the table of variants; what is not known is a dash."""
    trials = brief_trials(tables.trials)
    own = trials[trials["variant"] == row["variant"]]
    judged = rated.get(row["variant"], {})
    off = not row["matched"] and row["role"] != "baseline"
    note = [f"{is_cost(matched_cost(tables.spec))} off: only compared"] if off else []
    if failed := int((own["status"] == "failed").sum()):
        note.append(f"{failed} failed")
    return {
        "role": role_name(*(row[key] for key in NAMED)),
        "α": coefficient(row["alpha"]),
        "β": coefficient(row["beta"]),
        "γ": f"{row['gamma']:.3f}",
        "px": str(row["resolution"]),
        "layers": str(row["layers"] or "–"),
        "FLOPs": count(row["flops"]),
        "ratio": f"{row['flops_ratio']:.3f}×",
        **{key: count(row[key]) if row[key] else "–" for key in ("params", "activations")},
        "seeds": str(int((own["status"] == "finished").sum())),
        **{name: texts.get(row["variant"], "–") for name, texts in measured.items()},
        "estimate": judged.get("estimate", "–"),
        "95 %": judged.get("95 %", "–"),
        "best": judged.get("best", "–"),
        "good enough": judged.get("good enough", "–"),
        "note": "; ".join(note),
        "variant": str(row["variant"]),
    }


def _pictures(
    subject: Subject, variants: list[dict[str, str]], metrics: Collection[str]
) -> tuple[list[Picture], list[str]]:
    """The figures that there are data for, and why the others are missing."""
    points = {f"variant-{row['variant']}": _hover(row, metrics) for row in variants} | hover_texts()
    names = [*FIGURES, *(["rungs"] if len(subject.brief) < len(subject.trials) else [])]
    return pictures_of(names, subject, points)


def pictures_of(
    names: Sequence[str], subject: Any, points: Mapping[str, str]
) -> tuple[list[Picture], list[str]]:
    """Figures with texts at their points, by the points' ids; and why others are missing."""
    drawn, reasons = render(names, subject, ("svg",))
    pictures = []
    for name, files in drawn.items():
        caption = files[f"{name}.txt"].decode().splitlines()
        svg = inline(files[f"{name}.svg"].decode(), name, " ".join(caption), points)
        pictures.append(Picture(name, svg, caption))
    return pictures, [sentence(reason) for reason in reasons]


def _hover(row: Mapping[str, str], metrics: Collection[str]) -> str:
    """What a point of a figure is."""
    head = f"{row['role']}: α {row['α']}, β {row['β']}, γ {row['γ']}"
    size = f"{row['px']} px, {row['FLOPs']} FLOPs ({row['ratio']}), layers {row['layers']}"
    size += f"\n{row['params']} parameters, {row['activations']} activations"
    means = ", ".join(f"{name} {row[name]}" for name in metrics)
    return f"{head}\n{size}\n{means}, {row['seeds']} seeds"


def _layers(tables: SweepTables, found: Recommendation | None) -> list[dict[str, str]]:
    """The layer tables of the baseline and of the recommended network, side by side."""
    if found is None:
        return []
    layouts = tables.planned.set_index("variant")["layout"]
    ids = [tables.planned["variant"].iloc[0], found.best.variant]
    before, now = (json.loads(layouts[one]) for one in ids)
    if len(before) != len(now):  # rounding splits and joins stages
        before = [{"layers": "–", "channels": "–"}] * len(now)
    return [
        {
            "operator": str(scaled["operator"]),
            "kernel": f"{scaled['kernel']}×{scaled['kernel']}",
            "stride": str(scaled["stride"]),
            "layers": str(base["layers"]),
            "layers now": str(scaled["layers"]),
            "channels": str(base["channels"]),
            "channels now": str(scaled["channels"]),
        }
        for base, scaled in zip(before, now, strict=True)
    ]


def failures(trials: pd.DataFrame) -> list[dict[str, str]]:
    """The trials that failed, with their errors."""
    failed = trials[trials["status"] == "failed"]
    return [
        {"variant": str(row["variant"]), "seed": _seed(row), "error": str(row["error"])}
        for row in failed.to_dict("records")
    ]


def _seed(row: Mapping[str, Any]) -> str:
    """``0``, or ``0, rung 3×`` at a higher rung."""
    return str(row["seed"]) + (f", rung {row['rung']}×" if row.get("rung", 1) > 1 else "")


def settings(
    spec: Mapping[str, Any], groups: Mapping[str, Sequence[str]] = GROUPS
) -> dict[str, dict[str, str]]:
    """The settings that decide the numbers, by heading; those that are not set are left out."""
    return {
        heading: {
            key: str(spec[key])
            for key in keys
            if key not in RUNTIME_KEYS and spec.get(key) not in (None, [], ())
        }
        for heading, keys in groups.items()
        if any(key in spec and key not in RUNTIME_KEYS for key in keys)
    }


def _facts(tables: SweepTables, found: Recommendation | None) -> dict[str, str]:
    """How many trials, how long, where and with which versions."""
    trials = tables.trials
    facts = {"trials": about(tables)["trials"]}
    if found and found.pace.busy is not None:
        facts["time"] = f"{duration(found.pace.busy)} in which trials ran"
    return facts | machines(trials)


def machines(trials: pd.DataFrame) -> dict[str, str]:
    """Where trials ran, and with which versions."""
    facts = {key: "; ".join(sorted(set(trials[key].dropna()))) for key in ("device", "versions")}
    return {key: text for key, text in facts.items() if text}
