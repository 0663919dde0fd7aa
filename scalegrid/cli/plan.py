"""`scalegrid plan`: the variants of a sweep as a table, JSON or CSV."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scalegrid.cli.options import SpecCommand, format_option, spec_from_flags, spec_options
from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table
from scalegrid.util.errors import UserError
from scalegrid.util.text import coefficient, count, duration, few, runs, sentence

if TYPE_CHECKING:
    from scalegrid.coefficients import Shares
    from scalegrid.plan import Plan, Variant
    from scalegrid.plan.summary import CostSummary


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
    from scalegrid.plan import classic_plan, make_plan
    from scalegrid.results.rows import variant_rows

    placement_for(spec)  # an unknown device is refused before anything is printed
    with redirect_stdout(sys.stderr):  # where a user's network may print
        plans = [make_plan(spec, by_files=True)]
        if spec.grid != "classic" and (pictures or form != "csv"):
            with suppress(UserError):  # the classic grid may be empty where the matched grid is not
                plans.append(classic_plan(plans[0], by_files=True))
    if pictures:
        _draw(plans, pictures)
    if form == "table":
        _print(plans)
        return
    for note in plans[0].notes:
        print(f"Note: {sentence(note)}", file=sys.stderr)
    if form == "csv":
        print_csv(variant_rows(plans[0]))
    else:
        print_json(_document(plans))


def _draw(plans: Sequence[Plan], folder: Path) -> None:
    import pandas as pd

    from scalegrid.figures import draw_plans
    from scalegrid.results.rows import variant_rows

    frames: dict[str, pd.DataFrame] = {
        plan.spec.grid: pd.DataFrame(
            [row for row in variant_rows(plan) if row["variant"] in plan.of_grid]
        )
        for plan in reversed(plans)
    }
    for path in draw_plans(frames, folder, flops_factor=plans[0].spec.flops_factor):
        print(f"drawn: {path}", file=sys.stderr)


def _document(plans: Sequence[Plan]) -> dict[str, Any]:
    from scalegrid.plan.summary import summarise
    from scalegrid.progress.estimate import estimate_seconds

    plan = plans[0]
    return {
        "baseline": plan.spec.baseline,
        "resolution": plan.resolution,
        "variants": [_nested(variant) for variant in plan.variants],
        "spread": [asdict(summarise(plan)) for plan in plans],
        "notes": list(plan.notes),
        "seconds_estimated": estimate_seconds(plan).seconds,
    }


def _print(plans: Sequence[Plan]) -> None:
    from scalegrid.plan.summary import summarise

    plan, spec = plans[0], plans[0].spec
    print_lines([_trials(plan), *_off_cost(plan), *_memory(plan)])
    print_lines(f"Note: {sentence(note)}" for note in plan.notes)
    print()
    print_table([_row(variant) for variant in plan.variants], least=_DROPPED)
    print()
    print_table([_summary_row(summarise(p), spec.flops_factor) for p in plans], least=_LESS)
    print()
    print_lines(["FLOPs are multiply-adds of convolutions and matrix products, for one image."])


_DROPPED = (
    *("shares d/w/r", "channels", "activations", "φ", "params", "FLOPs", "memory", "layers"),
    *("ratio", "role"),
)
"""Columns of variants that a narrow terminal does without, the first first."""

_LESS = ("chosen from", "median", "networks")
"""The same of the summary."""


def _trials(plan: Plan) -> str:
    """How many trials, and how long they take."""
    from scalegrid.plan import planned_trials
    from scalegrid.progress.estimate import estimate_seconds

    spec, estimate = plan.spec, estimate_seconds(plan)
    how = (
        "on this machine"
        if estimate.measured
        else "by a typical CPU's speed; a sweep measures yours"
    )
    trials = f"{planned_trials(plan)} trials"
    if spec.racing:
        trials = f"{'At most' if spec.max_trials else 'At first'} {trials}"
    race = ", then a race" if spec.racing and not spec.max_trials else ""
    return f"{trials}, about {duration(estimate.seconds)} ({how}){race}."


def _off_cost(plan: Plan) -> list[str]:
    """Which scaled variants do not cost what the plan wants."""
    from scalegrid.analysis import network_name

    spec = plan.spec
    off = [
        f"{network_name(v.role, v.alpha, v.beta, v.gamma)} ({v.flops_ratio:.2f}×"
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
    wanted = f"{spec.flops_factor:g}^φ times the baseline's {spec.match}"
    return [
        f"Not within {100 * spec.cost_tolerance:g} % of {wanted} (*; FLOPs ratios in brackets): "
        f"{few(off)}."
    ]


def _memory(plan: Plan) -> list[str]:
    """The largest need of memory, where it is known."""
    most = max((variant.memory or 0 for variant in plan.variants), default=0)
    if not most:
        return []
    return [
        f"The activations of a training step of {plan.spec.batch_size} images need up to "
        f"{most / 2**20:.0f} MiB, estimated to within about a fifth."
    ]


def _row(variant: Variant) -> dict[str, str]:
    return {
        "role": variant.role,
        "φ": f"{variant.phi:.3g}",
        "α": coefficient(variant.alpha),
        "β": coefficient(variant.beta),
        "γ": f"{variant.gamma:.3f}",
        "layers": runs(variant.layers),
        "channels": runs(variant.channels),
        "px": str(variant.resolution),
        "FLOPs": count(variant.flops),
        "ratio": f"{variant.flops_ratio:.3f}×" + ("" if variant.matched else " *"),
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
    return {
        "grid": summary.grid,
        "chosen from": str(summary.considered),
        "networks": str(summary.networks),
        "min ratio": f"{summary.minimum:.2f}×",
        "median": f"{summary.median:.2f}×",
        "max": f"{summary.maximum:.2f}×",
        f"within 5 % of {factor:g}×": f"{summary.near:.0%}",
        "largest gap": f"{summary.gap:.2f}",
    }
