"""What each doubling of the FLOPs gives in a family: for `scalegrid family --returns`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scalegrid.cli.options import Command, given, refuse_others
from scalegrid.cli.output import Format, print_csv, print_json, print_lines, print_table
from scalegrid.util.errors import UserError
from scalegrid.util.text import count

if TYPE_CHECKING:
    from scalegrid.family.returns import Interval, Returns, ReturnsSize


def returns_options(command: Command) -> Command:
    """Give a command the options of diminishing returns."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--returns",
        metavar="WHAT",
        help="Show what each doubling of the FLOPs gives: published (EfficientNet's Table 2), a "
        ".csv file of ImageNet results such as timm's, or the name of a sweep.",
    ),
    click.option(
        "--models", metavar="NAMES", help="Models of the .csv file, as 'resnet50.*,resnet101.*'."
    ),
    click.option(
        "--threshold", type=float, help="Points that a doubling is to give.  [default: 1]"
    ),
    click.option(
        "--plot",
        type=click.Path(path_type=Path, file_okay=False),
        is_flag=False,
        flag_value=Path(),
        metavar="[DIR]",
        help="Draw what --returns shows, into DIR or the working directory.",
    ),
)


def shown_returns(flags: dict[str, Any], form: Format) -> bool:
    """Whether diminishing returns were asked for; if so they are printed.

    They are those of Table 2, of models in a CSV file, or of a sweep's lines.
    """
    from scalegrid.family.returns import THRESHOLD

    what, pictures = flags["returns"], flags["plot"]
    if what is None:
        for key in ("models", "threshold", "plot"):
            if flags[key] is not None:
                raise UserError(f"--{key} belongs to --returns; give both, or leave it out.")
        return False
    refuse_others("--returns", {"returns", "models", "threshold", "plot", "results", "form"})
    threshold = THRESHOLD if flags["threshold"] is None else flags["threshold"]
    found, reasons = _found(what, flags["models"], threshold, flags["results"])
    if pictures is not None:
        from scalegrid.figures.drawing import draw_returns

        for path in draw_returns(found, pictures):
            print(f"drawn: {path}", file=sys.stderr)
    if form == "csv":
        print_csv([_fields(one, size) for one in found for size in one.sizes])
    elif form == "json":
        print_json([_document(one) for one in found])
    else:
        _print(found)
    for reason in reasons:
        print(reason, file=sys.stderr)
    return True


def _found(
    what: str, models: str | None, threshold: float, results: str
) -> tuple[list[Returns], list[str]]:
    """What was found, and why some lines of a sweep are left out."""
    from scalegrid.family.accuracies import published_returns, results_returns

    table = what.lower().endswith(".csv")
    if (table or what == "published") and given(["results"]):
        raise UserError(f"--results is the folder of a sweep, and --returns {what} is none.")
    if not table:
        if models is not None:
            raise UserError(f"--models chooses from a CSV file, and --returns {what} is none.")
        if what == "published":
            return [published_returns(threshold)], []
        return _of_sweep(what, threshold, results)
    names = [name.strip() for name in (models or "").split(",") if name.strip()]
    if not names:
        raise UserError(f"--returns {what} needs --models, such as 'efficientnet_b*'.")
    return [results_returns(Path(what), names, threshold)], []


def _of_sweep(name: str, threshold: float, results: str) -> tuple[list[Returns], list[str]]:
    from scalegrid.figures.returns import of_sweep
    from scalegrid.figures.subject import Subject
    from scalegrid.results import load_sweep_at

    return of_sweep(Subject.of(load_sweep_at(name, results)), threshold)


def _fields(one: Returns, size: ReturnsSize) -> dict[str, Any]:
    """A size as one row, with what is known of its family."""
    row: dict[str, Any] = {"family": one.family}
    for key, value in size._asdict().items():
        row |= _columns(key, value) if key in _INTERVALS else {key: value}
    return row | {"threshold": one.threshold} | _columns("beyond", one.beyond)


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mid, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _document(one: Returns) -> dict[str, Any]:
    fields = asdict(one)
    del fields["curve"]
    return {
        **fields,
        "beyond": one.beyond._asdict(),
        "beyond_flops": one.flops_at(one.beyond.mid),
        "extrapolated": one.beyond.mid > one.reach,
        "top": one.top._asdict(),
        "sizes": [_nested(size) for size in one.sizes],
    }


def _nested(size: ReturnsSize) -> dict[str, Any]:
    return size._asdict() | {key: getattr(size, key)._asdict() for key in _INTERVALS}


_INTERVALS = ("top1", "step", "slope")


def _print(found: Sequence[Returns]) -> None:
    from scalegrid.family.returns_text import answer, basis, level, title

    for one in found:
        print_lines([f"{title(one)}: {answer(one)} {level(one)}"])
        print()
        print_table([_row(size) for size in one.sizes], least=("±", "φ"))
        print()
    print_lines(basis(found))


def _row(size: ReturnsSize) -> dict[str, str]:
    return {
        "size": size.name,
        "φ": f"{size.phi:.2f}",
        "FLOPs": count(size.flops),
        "top-1": f"{size.top1.mid:.2f}",
        "±": _number(size.top1.high - size.top1.mid),
        "per doubling, to the next": _interval(size.step),
        "per doubling, by the curve": _interval(size.slope),
    }


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _interval(one: Interval) -> str:
    ends = "" if math.isnan(one.low) else f" ({one.low:.2f} – {one.high:.2f})"
    return _number(one.mid) + ends
