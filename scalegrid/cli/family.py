"""`scalegrid family`: the sizes that coefficients make of a baseline."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import click

from scalegrid.cli.options import (
    NumberList,
    format_option,
    given,
    refuse_others,
    results_option,
)
from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table
from scalegrid.cli.published import show_comparison, show_fit, show_references
from scalegrid.cli.returns import returns_options, shown_returns
from scalegrid.coefficients import Coefficients, DepthRule
from scalegrid.spec import LARGEST_SIDE
from scalegrid.util.errors import UserError
from scalegrid.util.text import count, runs, sentence

if TYPE_CHECKING:
    from scalegrid.family import Family, Regularisation, Size, Terms
    from scalegrid.family.intervals import Range
    from scalegrid.family.start import Start
    from scalegrid.family.swept import Swept

Way = Literal["formula", "exact", "both"]

_WHOLE = click.IntRange(1, 10_000_000)

_KINDS = ("phi", "flops", "params", "latency")
"""What may choose the sizes."""

_START = ("baseline", "alpha", "beta", "gamma", "flops_factor")
"""What a sweep knows itself."""


@click.command()
@click.option("--baseline", help="Network to scale; see `scalegrid baselines`.  [default: b0]")
@click.option("--alpha", type=float, help="α: growth of depth per unit of φ.")
@click.option("--beta", type=float, help="β: growth of width.")
@click.option("--gamma", type=float, help="γ: growth of resolution.")
@click.option("--from", "name", metavar="NAME", help="Use what a sweep recommends instead.")
@results_option
@click.option(
    "--phi", metavar="PHIS", help="φ: 0:7, 0:7:0.5 or 0.5,1.5,2.  [default: 0:7; 0:4 if F < 1]"
)
@click.option("--flops", type=NumberList(float), help="Budgets of FLOPs instead of φ, as 1e9,4e9.")
@click.option("--params", type=NumberList(float), help="Budgets of parameters instead of φ.")
@click.option(
    "--latency", type=NumberList(float), help="Budgets of milliseconds instead of φ, measured."
)
@click.option(
    "--budget",
    type=click.Choice(get_args(Way)),
    default="formula",
    show_default=True,
    help="formula: α^φ, β^φ, γ^φ; exact: the network nearest their direction that costs F^φ; both.",
)
@click.option(
    "--cost-tolerance",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.03,
    show_default=True,
    help="Relative deviation from F^φ that counts as met.",
)
@click.option("--flops-factor", type=float, help="F: F^φ is aimed at.  [default: 2]")
@click.option(
    "--resolution",
    type=click.IntRange(1, LARGEST_SIDE),
    help="Input px at φ = 0; default: the authors', the sweep's.",
)
@click.option("--resolution-step", type=_WHOLE, help="Step between resolutions in px.")
@click.option("--num-classes", type=_WHOLE, help="Classes.  [default: 1000, or the sweep's]")
@click.option(
    "--channels", type=_WHOLE, help="Channels of the images.  [default: 3, or the sweep's]"
)
@click.option(
    "--depth-rounding",
    type=click.Choice(get_args(DepthRule)),
    help="How multiplied layers become whole.  [default: authors, or the sweep's]",
)
@click.option("--batch-size", type=_WHOLE, help="Images of a training step.  [default: 16]")
@click.option(
    "--dropout", type=NumberList(float), help="At φ = 0 and 7 (F = 2).  [default: 0.2,0.5]"
)
@click.option(
    "--drop-path", type=NumberList(float), help="Stochastic depth, likewise.  [default: 0.2]"
)
@click.option("--weight-decay", type=NumberList(float), help="Likewise.  [default: 1e-5]")
@click.option(
    "--fit", metavar="FAMILY", help="Show which coefficients a published family in effect used."
)
@click.option(
    "--compare",
    type=click.Choice(["published", "references"]),
    help="Show EfficientNet by the formula beside B0 … B7 as released; or what else is in Table 2.",
)
@returns_options
@click.option("--measure-latency", is_flag=True, help="Measure the inference of one image.")
@click.option("--device", default="cpu", show_default=True, help="Device to measure on.")
@click.option(
    "--threads", type=_WHOLE, default=1, show_default=True, help="CPU threads to measure."
)
@click.option(
    "--export",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the sizes as a package that registers them with timm.",
)
@format_option
def family(name: str | None, folder: Path | None, form: Format, **flags: Any) -> None:
    """Show the networks that coefficients make of a baseline: realised and costed, at any φ."""
    if flags["fit"] is not None:
        refuse_others("--fit", {"fit", "form"})
        show_fit(flags["fit"], form)
        return
    if flags["compare"] is not None:
        refuse_others("--compare", {"compare", "baseline", "name", "form", *_COMPARED})
        _compare(name, flags, form)
        return
    if shown_returns(flags, form):
        return
    from scalegrid.family.document import document
    from scalegrid.family.export import check_folder, export

    _check_used(name, flags)
    if folder is not None:
        check_folder(folder)  # before sizes are costed and measured
    with redirect_stdout(sys.stderr):  # where a user's network may print
        found = _found(name, flags)
        exported = [] if folder is None else [export(found, folder)]
    if form == "csv":
        print_csv([asdict(size) for size in found.sizes])
    elif form == "json":
        print_json(document(found))
    else:
        _print(found)
    notes = exported if form == "table" else [*found.notes, *exported]
    print_lines((f"Note: {sentence(note)}" for note in notes), sys.stderr)


def _found(name: str | None, flags: dict[str, Any]) -> Family:
    """The family that is asked for, with what its sweep leaves open and with latencies."""
    from scalegrid.family import at_budgets, at_phis, with_sweep
    from scalegrid.family.phis import parse

    kind = _kind(flags)
    known = None if name is None else _swept(name, flags)
    terms = _terms(known, flags)
    if kind == "latency":
        found = _at_latencies(terms, flags)
    elif kind == "phi":
        phis = parse(_phis(terms) if flags["phi"] is None else flags["phi"])
        found = at_phis(terms, phis, flags["budget"])
    else:
        found = at_budgets(terms, flags[kind], kind, flags["budget"])
    found = found if known is None else with_sweep(found, known)
    return _timed(found, flags) if flags["measure_latency"] and kind != "latency" else found


def _kind(flags: dict[str, Any]) -> Any:
    """What chooses the sizes."""
    kinds = [kind for kind in _KINDS if flags[kind] is not None]
    if kinds and flags[kinds[0]] == ():
        raise UserError(f"--{kinds[0]} needs at least one number.")
    if len(kinds) > 1:
        raise UserError(f"--{kinds[0]} and --{kinds[1]} both choose the sizes; give one of them.")
    return kinds[0] if kinds else "phi"


_COMPARED = ("phi", "alpha", "beta", "gamma", "depth_rounding")
"""What a comparison with the release reads."""


def _check_used(name: str | None, flags: dict[str, Any]) -> None:
    """Raise UserError where a flag would be left unread without another one."""
    if name is None and given(["results"]):
        raise UserError("--results is the folder of --from NAME; give both or neither.")
    measured = flags["measure_latency"] or flags["latency"] is not None
    if not measured and (unread := given(["device", "threads"])):
        raise UserError(
            f"{unread[0]} is for --latency or --measure-latency; give one of them, or leave it out."
        )


def _compare(name: str | None, flags: dict[str, Any], form: Format) -> None:
    """EfficientNet alone has a release to compare with, and a formula of its own."""
    from scalegrid.coefficients import PAPER
    from scalegrid.family import Terms, at_phis
    from scalegrid.family.phis import parse
    from scalegrid.family.start import start

    if flags["compare"] == "references":
        refuse_others("--compare references", {"compare", "form"})
        show_references(form)
        return
    if name is not None or flags["baseline"] not in (None, "b0"):
        other = f"--from {name}" if name is not None else f"--baseline {flags['baseline']}"
        raise UserError(f"--compare published is of b0; leave out {other}.")
    triple = [flags[key] for key in Coefficients._fields]
    coefficients = PAPER if triple == [None] * 3 else _coefficients(flags)
    phis, rule = parse("0:7" if flags["phi"] is None else flags["phi"]), flags["depth_rounding"]
    at_phis(Terms(start("b0"), coefficients), phis)  # else what makes no network is refused
    show_comparison(coefficients, list(phis), rule or "authors", form)


def _swept(name: str, flags: dict[str, Any]) -> Swept:
    """What a sweep says, beside which nothing that it knows itself may be given."""
    from scalegrid.family.swept import swept
    from scalegrid.results import load_sweep_at

    for key in _START:
        if flags[key] is not None:
            flag = key.replace("_", "-")
            raise UserError(f"--from {name} has its own --{flag}; leave out one of them.")
    return swept(load_sweep_at(name, flags["results"]))


def _terms(known: Swept | None, flags: dict[str, Any]) -> Terms:
    """What all sizes share, from the flags and from a sweep."""
    from scalegrid.family import Terms

    if known is None:
        coefficients = _coefficients(flags)
        factor = 2.0 if flags["flops_factor"] is None else flags["flops_factor"]
    else:
        coefficients, factor = known.coefficients, known.flops_factor
    batch = flags["batch_size"] or (16 if known is None else known.batch_size)
    return Terms(
        _start(known, flags),
        coefficients,
        factor,
        flags["cost_tolerance"],
        batch,
        _regularisation(flags),
    )


def _coefficients(flags: dict[str, Any]) -> Coefficients:
    triple = [flags[key] for key in Coefficients._fields]
    if None in triple:
        raise UserError(
            "a family needs --alpha, --beta and --gamma, such as 1.2, 1.1 and 1.15, or --from the "
            "NAME of a sweep."
        )
    return Coefficients(*triple)


def _start(known: Swept | None, flags: dict[str, Any]) -> Start:
    """The network at φ = 0: the sweep's where nothing else is said."""
    from scalegrid.family.start import start

    given = {
        "resolution": flags["resolution"],
        "resolution_step": flags["resolution_step"],
        "num_classes": flags["num_classes"],
        "in_chans": flags["channels"],
        "depth_rounding": flags["depth_rounding"],
    }
    given = {key: value for key, value in given.items() if value is not None}
    if known is None:
        return start("b0" if flags["baseline"] is None else flags["baseline"], **given)
    if not given:
        return known.start
    return known.start.other(**given)


def _regularisation(flags: dict[str, Any]) -> Regularisation:
    """The defaults, and of what is given one number for all sizes, or two ends."""
    from scalegrid.family import Ramp, Regularisation

    ramps = {}
    for key in Regularisation._fields:
        ends = flags[key]
        if ends is None:
            continue
        if len(ends) not in (1, 2):
            raise UserError(
                f"--{key.replace('_', '-')} takes one number, or two, at φ = 0 and at φ = 7, not "
                f"{len(ends)}."
            )
        ramps[key] = Ramp(ends[0], ends[-1])
    return Regularisation(**ramps)


def _phis(terms: Terms) -> str:
    """From the baseline to the release's seven doublings, or to a sixteenth."""
    return "0:7" if terms.flops_factor > 1 else "0:4"


def _at_latencies(terms: Terms, flags: dict[str, Any]) -> Family:
    from scalegrid.family.timing import at_latencies
    from scalegrid.training.devices import find_devices

    if flags["budget"] != "formula":
        raise UserError(
            "--latency is measured, network by network, so --budget exact cannot look among many; "
            "leave it out, or give --flops."
        )
    budgets = [milliseconds / 1000 for milliseconds in flags["latency"]]
    return at_latencies(terms, budgets, find_devices(flags["device"])[0], flags["threads"])


def _timed(family: Family, flags: dict[str, Any]) -> Family:
    from scalegrid.family.timing import with_latency
    from scalegrid.training.devices import find_devices

    return with_latency(family, find_devices(flags["device"])[0], flags["threads"])


def _print(found: Family) -> None:
    terms = found.terms
    formula, exact = found.by("formula"), found.by("exact")
    a, b, c = (f"{value:.4g}" for value in terms.coefficients)
    print_lines(
        [
            f"{terms.start.baseline.name} from {terms.start.resolution} px by α = {a}, β = {b}, "
            f"γ = {c}; α·β²·γ² = {terms.coefficients.flops_factor:.3f}, F = {terms.flops_factor:g}."
        ]
    )
    print_lines(f"Note: {sentence(note)}" for note in found.notes)
    print()
    if formula and exact:
        pairs = zip(formula, exact, strict=True)
        print_table([_pair(*pair) for pair in pairs], least=_LEAST_OF_BOTH)
    else:
        print_table([_row(size) for size in formula or exact], least=_LEAST)
    if found.ranges:
        print()
        print_lines(["What the sweep's coefficients, known to an interval, may build:"])
        print_table([_range_row(one) for one in found.ranges], least=("channels", "layers"))
    print()
    print_lines(
        ["FLOPs are multiply-adds, for one image; * is not what was aimed at.", _memory(terms)]
    )


def _memory(terms: Terms) -> str:
    return f"Memory is that of a training step of {terms.batch_size} images in float32."


_LEAST = (
    *("channels", "activations", "weight decay", "drop path", "layers", "dropout"),
    *("params", "memory", "latency"),
)
"""Columns that a narrow terminal does without, the first first."""

_LEAST_OF_BOTH = (
    *("exact channels", "channels", "exact layers", "layers"),
    *("exact params", "params", "exact memory", "memory"),
)


def _row(size: Size) -> dict[str, str]:
    return {
        "φ": f"{size.phi:.4g}",
        "d": f"{size.depth:.3f}",
        "w": f"{size.width:.3f}",
        "r": f"{size.resolution_scale:.3f}",
        "px": str(size.resolution),
        "layers": runs(size.layers),
        "channels": runs(size.channels),
        "FLOPs": count(size.flops),
        "ratio": _ratio(size),
        "F^φ": f"{size.nominal_ratio:.4g}×",
        "params": count(size.params),
        "activations": count(size.activations),
        "memory": _bytes(size),
        "dropout": f"{size.dropout:.2f}",
        "drop path": f"{size.drop_path:.2f}",
        "weight decay": f"{size.weight_decay:.2g}",
        **({} if size.latency is None else {"latency": f"{1000 * size.latency:.1f} ms"}),
    }


def _pair(formula: Size, exact: Size) -> dict[str, str]:
    """One φ by the formula and of exact cost, side by side."""
    both = {"φ": f"{formula.phi:.4g}", "F^φ": f"{formula.nominal_ratio:.4g}×"}
    shown = ("px", "layers", "channels", "FLOPs", "ratio", "params", "memory")
    for before, size in (("", formula), ("exact ", exact)):
        row = _row(size)
        both |= {before + key: row[key] for key in shown}
    return both


def _ratio(size: Size) -> str:
    return f"{size.flops_ratio:.4g}×" + ("" if size.matched else " *")


def _bytes(size: Size) -> str:
    if size.memory is None:
        return "–"
    mebi = size.memory / 2**20
    return f"{mebi:.0f} MiB" if mebi < 1000 else f"{mebi / 1024:.1f} GiB"


def _range_row(one: Range) -> dict[str, str]:
    def total(numbers: str) -> int:
        return sum(map(int, numbers.split("-")))

    def last(numbers: str) -> int:
        return int(numbers.split("-")[-2])

    return {
        "φ": f"{one.phi:.4g}",
        "FLOPs": f"{count(one.flops_low)} – {count(one.flops_high)}",
        "times": f"{one.spread:.2f}",
        "layers": f"{total(one.layers_low)} – {total(one.layers_high)}",
        "channels": f"{last(one.channels_low)} – {last(one.channels_high)}",
        "px": f"{one.resolution_low} – {one.resolution_high}",
    }
