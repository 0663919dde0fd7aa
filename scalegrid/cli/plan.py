"""`scalegrid plan`: the variants of a sweep as a table, JSON or CSV."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalegrid import baselines
from scalegrid.cli.output import Format, print_csv, print_json, print_table
from scalegrid.coefficients import Shares
from scalegrid.cost.table import Costs
from scalegrid.data import Source
from scalegrid.executors.placement import placement_for
from scalegrid.plan import Plan, Variant, make_plan
from scalegrid.plan.resolve import check_recipe, open_data
from scalegrid.plan.summary import Spread, classic_plan, spread
from scalegrid.progress.rate import estimate_seconds, limit_note, planned_trials
from scalegrid.results.rows import variant_rows
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.text import count, duration

if TYPE_CHECKING:
    import pandas as pd


def show_plan(spec: SweepSpec, form: Format, pictures: Path | None) -> None:
    """Plan a sweep and print it; draw its candidates beside the classic grid's into a folder.

    Raises:
        UserError: the specification cannot be planned, or the folder cannot be written.
    """
    check_recipe(spec)
    placement_for(spec)  # an unknown device is an error before anything is printed
    with redirect_stdout(sys.stderr):  # one's own network may print; the table is to be alone
        baseline = baselines.get(spec.baseline)
        source = open_data(spec)
        costs = Costs(baseline, source.num_classes)
        made = make_plan(spec, baseline, source.num_classes, costs)
        if note := limit_note(spec, made):
            made = replace(made, notes=(*made.notes, note))
        grids: dict[str, Plan] = {spec.grid: made}
        if spec.grid != "classic" and (pictures or form != "csv"):
            with suppress(UserError):  # it may be empty where the matched one is not
                grids["classic"] = classic_plan(spec, costs)
    if pictures:
        from scalegrid.figures import draw_plans

        frames = {name: plan_frame(plan) for name, plan in reversed(grids.items())}
        for path in draw_plans(frames, pictures, flops_factor=spec.flops_factor):
            print(f"drawn: {path}", file=sys.stderr)
    if form != "table":
        for note in made.notes:
            print(f"Note: {note.rstrip('.')}.", file=sys.stderr)
    if form == "csv":
        print_csv(variant_rows(made))
    elif form == "json":
        print_json(_document(spec, grids, source))
    else:
        _print(spec, grids, source)


def plan_frame(plan: Plan) -> pd.DataFrame:
    """The candidates of a plan as the columns of variants.parquet."""
    import pandas as pd

    rows = [row for row in variant_rows(plan) if row["variant"] in plan.of_grid]
    frame: pd.DataFrame = pd.DataFrame(rows)
    return frame


def _document(spec: SweepSpec, grids: dict[str, Plan], source: Source) -> dict[str, Any]:
    made = grids[spec.grid]
    return {
        "baseline": made.baseline,
        "resolution": made.resolution,
        "variants": [_nested(variant) for variant in made.variants],
        "spread": [asdict(spread(plan, name, spec.flops_factor)) for name, plan in grids.items()],
        "notes": list(made.notes),
        "seconds_estimated": estimate_seconds(spec, made, source).seconds,
    }


def _print(spec: SweepSpec, grids: dict[str, Plan], source: Source) -> None:
    made = grids[spec.grid]
    print_table([_row(variant) for variant in made.variants])
    spreads = [spread(plan, name, spec.flops_factor) for name, plan in grids.items()]
    print_table([_spread_row(one, spec.flops_factor) for one in spreads])
    print("FLOPs are multiply-adds of convolution and linear layers, for one image.")
    if not all(variant.matched for variant in made.variants):
        tolerance = f"{100 * spec.cost_tolerance:g} %"
        print(f"* Not within {tolerance} of {spec.flops_factor:g}^φ times the baseline's cost.")
    for note in made.notes:
        print(f"Note: {note.rstrip('.')}.")
    estimate = estimate_seconds(spec, made, source)
    how = (
        "on this machine"
        if estimate.measured
        else "by a typical CPU's speed; a sweep measures yours"
    )
    trials = f"{planned_trials(spec, made)} trials"
    if spec.racing:
        trials = f"{'At most' if spec.max_trials else 'At first'} {trials}"
    race = ", then a race" if spec.racing and not spec.max_trials else ""
    print(f"{trials}, about {duration(estimate.seconds)} ({how}){race}.")


def _row(variant: Variant) -> dict[str, str]:
    return {
        "role": variant.role,
        "φ": f"{variant.phi:.3g}",
        "α": f"{variant.alpha:.3f}",
        "β": f"{variant.beta:.3f}",
        "γ": f"{variant.gamma:.3f}",
        "layers": variant.layers,
        "channels": variant.channels,
        "px": str(variant.resolution),
        "FLOPs": count(variant.flops),
        "ratio": f"{variant.flops_ratio:.3f}×" + ("" if variant.matched else " *"),
        "params": count(variant.params),
        "activations": count(variant.activations),
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


def _spread_row(one: Spread, factor: float) -> dict[str, str]:
    return {
        "grid": one.grid,
        "chosen from": str(one.considered),
        "networks": str(one.networks),
        "min ratio": f"{one.minimum:.2f}×",
        "median": f"{one.median:.2f}×",
        "max": f"{one.maximum:.2f}×",
        f"within 5 % of {factor:g}×": f"{one.near:.0%}",
        "largest gap": f"{one.gap:.2f}",
    }
