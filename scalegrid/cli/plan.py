"""`scalegrid plan`: the variants of a sweep as a table, JSON or CSV."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scalegrid.cli.options import SpecCommand, format_option, spec_from_flags, spec_options
from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table
from scalegrid.util.errors import UserError
from scalegrid.util.text import (
    coefficient,
    count,
    duration,
    enumerated,
    exact_percent,
    few,
    part,
    plural,
    runs,
    sentence,
)

if TYPE_CHECKING:
    from scalegrid.coefficients import Shares
    from scalegrid.executors import Placement
    from scalegrid.plan import Plan, Variant
    from scalegrid.plan.summary import CostSummary
    from scalegrid.spec import SweepSpec


@click.command(cls=SpecCommand)
@spec_options
@format_option
@click.option(
    "--plot",
    "pictures",
    type=click.Path(path_type=Path, file_okay=False),
    is_flag=False,
    flag_value=Path(),
    help="Draw the candidates on the budget triangle, into DIR or the working directory.",
    metavar="[DIR]",
)
def plan(spec_file: Path | None, form: Format, pictures: Path | None, **flags: Any) -> None:
    """Show what a sweep would train, what that costs, and how long it takes."""
    spec = spec_from_flags(spec_file, flags)

    from scalegrid.executors import placement_for
    from scalegrid.plan import classic_plan
    from scalegrid.plan.summary import notes_before
    from scalegrid.results.rows import variant_rows

    placement = placement_for(spec)  # an unknown device is refused before anything is printed
    with redirect_stdout(sys.stderr):  # where a user's network may print
        plans = [_planned(spec, placement)]
        if spec.grid != "classic" and (pictures or form != "csv"):
            with suppress(UserError):  # the classic grid may be empty where the matched grid is not
                plans.append(classic_plan(plans[0], by_files=True))
    if pictures:
        _draw(plans, pictures)
    if form == "table":
        _print(plans)
        return
    for note in notes_before(plans[0]):
        print(f"Note: {sentence(note)}", file=sys.stderr)
    if form == "csv":
        print_csv(variant_rows(plans[0]))
    else:
        print_json(_document(plans))


def _planned(spec: SweepSpec, placement: Placement) -> Plan:
    """The plan, for ``hours`` where they are given."""
    from scalegrid.plan import make_plan

    make = partial(make_plan, by_files=True)
    if spec.hours is None:
        return make(spec)

    from scalegrid.progress.estimate import known_placement
    from scalegrid.progress.hours import within_hours
    from scalegrid.speed import chosen, count_is_open, stored_rate

    if count_is_open(spec, placement):
        placement = known_placement(make(spec))

    def rate(plan: Plan) -> float | None:
        return stored_rate(chosen(plan, placement), placement)

    return within_hours(spec, make, rate, placement)


def _draw(plans: Sequence[Plan], folder: Path) -> None:
    import pandas as pd

    from scalegrid.figures import draw_plans
    from scalegrid.results.rows import variant_rows

    frames: dict[str, pd.DataFrame] = {
        plan.spec.grid: pd.DataFrame(
            [r for r in variant_rows(plan) if r["variant"] in plan.of_grid or not r["phi"]]
        )
        for plan in reversed(plans)
    }
    spec = plans[0].spec
    for path in draw_plans(frames, folder, flops_factor=spec.flops_factor, match=spec.matched_cost):
        print(f"drawn: {path}", file=sys.stderr)


def _document(plans: Sequence[Plan]) -> dict[str, Any]:
    from scalegrid.plan.summary import notes_before, summarise
    from scalegrid.progress.estimate import estimate_seconds

    plan = plans[0]
    estimate = estimate_seconds(plan)
    return {
        "baseline": plan.spec.baseline,
        "resolution": plan.resolution,
        "variants": [_nested(variant) for variant in plan.variants],
        "spread": [asdict(summarise(p, plan.spec.matched_cost)) for p in plans],
        "notes": notes_before(plan),
        "seconds_estimated": estimate.seconds,
        "seconds_at_most": estimate.most,
    }


def _print(plans: Sequence[Plan]) -> None:
    from scalegrid.plan.summary import notes_before, summarise

    plan, spec = plans[0], plans[0].spec
    print_lines([_trials(plan), *_off_cost(plan), *_memory(plan)])
    print_lines(f"Note: {sentence(note)}" for note in notes_before(plan))
    print()
    several = len({variant.phi for variant in plan.variants if variant.phi}) > 1
    least = [key for key in _DROPPED if not (several and key == "φ")]
    print_table([_row(plan, variant) for variant in plan.variants], least=least)
    print()
    summaries = [summarise(p, spec.matched_cost) for p in plans]
    print_table([_summary_row(one, spec.flops_factor) for one in summaries], least=_LESS)
    print()
    print_lines(["FLOPs are multiply-adds of convolutions and matrix products, for one image."])


_DROPPED = (
    *("shares d/w/r", "channels", "activations", "φ", "params", "FLOPs", "memory", "layers"),
    *("ratio", "parameters ratio", "activations ratio", "FLOPs ratio", "role"),
)
"""Columns of variants that a narrow terminal does without, the first first."""

_LESS = ("chosen from", "median", "networks")
"""The same of the summary."""


def _trials(plan: Plan) -> str:
    """How many trials, and how long they take; with rungs at the first, and at most in all."""
    from scalegrid.plan import later_trials, planned_trials
    from scalegrid.progress.estimate import estimate_seconds

    spec, estimate = plan.spec, estimate_seconds(plan)
    how = (
        "by a trainer whose speed the sweep shows"
        if estimate.seconds is None
        else "on this machine"
        if estimate.measured
        else "by a typical CPU's speed; a sweep measures yours"
    )
    first, then = plural(planned_trials(plan), "trial"), ""
    if spec.check_learning and spec.seeds == 1 and planned_trials(plan) > len(plan.variants):
        first += " (two of the baseline)"
    if len(spec.rungs) > 1:
        first = f"At rung 1× {first}"
        over = f" over {enumerated([f'{rung}×' for rung in spec.rungs])}"
        more = sum(len(later_trials(plan, rung)) for rung in spec.rungs)
        most = f"at most {plural(planned_trials(plan) + more, 'trial')}{_about(estimate.most)}"
        limit = f", of {plural(spec.max_trials, 'trial')} at most in all" if spec.max_trials else ""
        then = f", then a race{over}{limit}" if spec.racing else f";{over} {most}"
    elif spec.racing:
        first = f"{'At most' if spec.max_trials else 'At first'} {first}"
        then = "" if spec.max_trials else ", then a race"
    return f"{first}{_about(estimate.seconds)} ({how}){then}."


def _about(seconds: float | None) -> str:
    return "" if seconds is None else f", about {duration(seconds)}"


def _off_cost(plan: Plan) -> list[str]:
    """Which scaled variants do not cost what the plan wants."""
    from scalegrid.analysis import network_name
    from scalegrid.analysis.matched_cost import COSTS
    from scalegrid.analysis.naming import NAMED

    spec = plan.spec
    off = [
        f"{network_name(*(getattr(v, key) for key in NAMED))} "
        f"({plan.cost_ratio(v, spec.matched_cost):.2f}×"
        f"{'' if v.phi == 1 else f', φ = {v.phi:.2g}'})"
        for v in plan.variants
        if not v.matched
    ]
    if not off:
        return []
    if spec.grid == "classic":
        ratios = [v.flops_ratio for v in plan.variants if v.variant in plan.of_grid]
        return [
            f"A classic grid does not match costs: its networks have {min(ratios):.2f} to "
            f"{max(ratios):.2f} times the baseline's FLOPs."
        ]
    cost = "FLOPs" if spec.match == "flops" else COSTS[spec.match]
    wanted = f"{spec.flops_factor:g}^φ times the baseline's {cost}"
    star = "*; FLOPs ratios in brackets" if spec.match == "latency" else "*"
    return [f"Not within {exact_percent(spec.cost_tolerance)} of {wanted} ({star}): {few(off)}."]


def _memory(plan: Plan) -> list[str]:
    """The largest need of memory, where it is known."""
    most = max((variant.memory or 0 for variant in plan.variants), default=0)
    if not most:
        return []
    return [
        f"The activations of a training step of {plan.spec.batch_size} images need up to "
        f"{most / 2**20:.0f} MiB, estimated to within about a fifth."
    ]


def _row(plan: Plan, variant: Variant) -> dict[str, str]:
    from scalegrid.analysis.matched_cost import ratio_column
    from scalegrid.analysis.naming import NAMED, role_name

    match = plan.spec.matched_cost
    ratio = f"{plan.cost_ratio(variant, match):.3f}×{'' if variant.matched else ' *'}"
    return {
        "role": role_name(*(getattr(variant, key) for key in NAMED)),
        "φ": f"{variant.phi:.3g}",
        "α": coefficient(variant.alpha),
        "β": coefficient(variant.beta),
        "γ": f"{variant.gamma:.3f}",
        "layers": runs(variant.layers),
        "channels": runs(variant.channels),
        "px": str(variant.resolution),
        "FLOPs": count(variant.flops),
        ratio_column(match): ratio,
        "params": count(variant.params),
        "activations": count(variant.activations),
        "memory": "–" if variant.memory is None else f"{variant.memory / 2**20:.0f} MiB",
        "shares d/w/r": _shares(variant.shares),
    }


def _shares(shares: Shares) -> str:
    if shares.depth != shares.depth:
        return "–"
    return " ".join(f"{share:.2f}" for share in shares)


def _nested(variant: Variant) -> dict[str, Any]:
    """One variant, its shares and realised layers as nested objects."""
    record = asdict(variant)
    record["shares"] = variant.shares._asdict()
    record["nominal"] = variant.nominal._asdict()
    record["layers"] = [row.layers for row in variant.layout]
    record["channels"] = [row.channels for row in variant.layout]
    return record


def _summary_row(summary: CostSummary, factor: float) -> dict[str, str]:
    of = "ratio" if summary.counted == "FLOPs" else summary.counted
    return {
        "grid": summary.grid,
        "chosen from": str(summary.considered),
        "networks": str(summary.networks),
        f"min {of}": f"{summary.minimum:.2f}×",
        "median": f"{summary.median:.2f}×",
        "max": f"{summary.maximum:.2f}×",
        f"within 5 % of {factor:g}×": part(summary.near),
        "largest gap": f"{summary.gap:.2f}",
    }
