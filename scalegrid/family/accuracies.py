"""Families whose accuracies others have measured: EfficientNet's Table 2, and timm's results."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING

from scalegrid.analysis.saturating import KNOWN
from scalegrid.family.networks import flops_between
from scalegrid.family.published import PUBLISHED
from scalegrid.family.returns import THRESHOLD, Measured, Returns, returns
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.text import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

IMAGES = 50_000
"""Of ImageNet's validation set."""

_ERRORS = (
    f"Errors are those of {IMAGES:,} validation images{{}}, as if drawn anew for each size; on the "
    "same images differences are surer. The luck of a training is not in them: the curve sees it "
    "as sizes that are off it."
)


def published_returns(threshold: float = THRESHOLD) -> Returns:
    """Diminishing returns of EfficientNet-B0 … B7: top-1 of Table 2, FLOPs as counted.

    Args:
        threshold: in points of top-1 per doubling.

    Raises:
        UserError: the threshold is not above 0.
    """
    name = "EfficientNet"
    sizes = [
        _measured(size.name, flops_between(name, size, size, size.resolution), size.top1)
        for size in PUBLISHED[name].sizes
    ]
    return returns(name, sizes, KNOWN, _ERRORS.format(""), threshold)


def results_returns(path: Path, models: Sequence[str], threshold: float = THRESHOLD) -> Returns:
    """Diminishing returns of models in a table of ImageNet results, such as timm's.

    Args:
        path: a CSV file with the columns ``model``, ``top1`` (per cent), and one of ``flops``
            (multiply-adds), ``gmacs`` (billions of them) and ``img_size`` (px, at which FLOPs are
            counted, as timm builds the models).
        models: their names, or shell patterns such as ``efficientnet_b*``.
        threshold: in points of top-1 per doubling.

    Raises:
        UserError: the file is not such a table, no model is so called, FLOPs are not known or not
            different, or the threshold is not above 0.
    """
    table = _chosen(_read(path), path, models)
    sizes = [
        _measured(name, flops, top1)
        for name, flops, top1 in zip(
            table["model"], _flops(table, path), _top1(table, path), strict=True
        )
    ]
    return returns(", ".join(models), sizes, KNOWN, _ERRORS.format(" (assumed)"), threshold)


def _measured(name: str, flops: float, top1: float) -> Measured:
    return Measured(name, flops, top1, sqrt(top1 * (100 - top1) / IMAGES))


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, skipinitialspace=True, index_col=False
            )
    except pd.errors.ParserWarning as error:
        raise UserError(
            f"{path} has rows with more values than it has columns; name every column in its first "
            "line, and quote values that have commas."
        ) from error
    except FileNotFoundError:
        raise UserError(
            f"there is no file {path}; timm's results-imagenet.csv is in the folder results of its "
            "repository, github.com/huggingface/pytorch-image-models."
        ) from None
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors
        raise UserError(f"cannot read {path} as a CSV file ({one_line(error)}).") from error
    for wanted in (("model",), ("top1",), ("flops", "gmacs", "img_size")):
        if not set(wanted) & set(table):
            raise UserError(
                f"{path} has no column {' or '.join(wanted)}; it has "
                f"{', '.join(map(str, table.columns))}, and timm's results-imagenet.csv has model, "
                "top1 and img_size."
            )
    filled: pd.DataFrame = table.fillna("")  # of rows that are too short
    return filled


def _chosen(table: pd.DataFrame, path: Path, models: Sequence[str]) -> pd.DataFrame:
    """The rows of some models; each name or pattern must be of one."""
    names = list(table["model"])
    for pattern in models:
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = did_you_mean(pattern, names, "patterns are as 'efficientnet_b*'.", most=3)
            raise UserError(f"{path} has no model {pattern!r}; {hint}")
    rows: pd.DataFrame = table[
        [any(fnmatchcase(name, pattern) for pattern in models) for name in names]
    ]
    return rows


def _flops(table: pd.DataFrame, path: Path) -> list[float]:
    """FLOPs as given, or as counted."""
    if not {"flops", "gmacs"} & set(table):
        from scalegrid.cost.timm_models import check_known, cost_of_timm

        check_known(table["model"])  # before minutes of counting
        px = _numbers(table, "img_size", path, 1, 10_000)
        pairs = zip(table["model"], px, strict=True)
        return [float(cost_of_timm(model, round(side)).flops) for model, side in pairs]
    column, unit = ("flops", 1) if "flops" in table else ("gmacs", 1e9)
    return [unit * value for value in _numbers(table, column, path, 1 / unit, 1e30 / unit)]


def _top1(table: pd.DataFrame, path: Path) -> list[float]:
    values = _numbers(table, "top1", path, 0, 100)
    if max(values) <= 1:
        raise UserError(
            f"{path} has top1 up to {max(values):g}, which are shares and no per cent; multiply "
            "them by 100."
        )
    return values


def _numbers(table: pd.DataFrame, column: str, path: Path, low: float, high: float) -> list[float]:
    """A column of numbers above ``low`` and below ``high``."""
    import pandas as pd

    text = table[column]
    grouped = text.str.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
    values = pd.to_numeric(text.mask(grouped, text.str.replace(",", "")), errors="coerce")
    wrong = ~((values > low) & (values < high))
    if wrong.any():
        name, given = table.loc[wrong, ["model", column]].iloc[0]
        raise UserError(
            f"{path} has {column} {given!r} for {name}; it must be a number between {low:g} and "
            f"{high:g}, or the model left out of --models."
        )
    return [float(value) for value in values]
