"""Whether stored tables are those of a sweep: what every reader of them may rely on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import pyarrow.compute as pc
from pydantic import TypeAdapter

from scalegrid.baselines import Layout
from scalegrid.coefficients import DepthRule
from scalegrid.plan import ROLES
from scalegrid.results.schema import Table
from scalegrid.training.answers import unpack
from scalegrid.util.errors import UserError

VARIANTS_FILE = "variants.parquet"
TRIALS_FILE = "trials.parquet"
HISTORY_FILE = "history.parquet"
ANSWERS_FILE = "answers.parquet"

_LAYOUT = TypeAdapter(Layout)


def of_trials(table: Table, trials: Table) -> Table:
    """The rows of ``table`` that belong to ``trials``; others are left over from a kill."""
    return table.filter(pc.is_in(table["trial"], value_set=trials["trial"].combine_chunks()))


def check(
    folder: Path,
    variants: Table,
    trials: Table,
    history: Table,
    answers: Table,
    network_known: bool = True,
) -> None:
    """Raise UserError unless the tables of a sweep fit each other and hold what a sweep writes.

    ``answers`` are those of finished trials. Where no network is known, layouts are empty.
    """
    check_once(folder / VARIANTS_FILE, "variant", variants)
    _check_variants(folder / VARIANTS_FILE, variants, network_known)
    check_trials(folder / VARIANTS_FILE, variants, trials, history, answers)
    baselines = variants["role"].to_pylist().count("baseline")
    if baselines != 1:
        count = f"{baselines} baselines" if baselines else "no baseline"
        raise UserError(f"{folder / VARIANTS_FILE} has {count}; restore it.")


def check_trials(
    listed: Path, variants: Table, trials: Table, history: Table, answers: Table
) -> None:
    """Raise UserError unless the tables of trials fit each other and that in ``listed``.

    ``variants``, read from there, has the networks; ``answers`` are those of finished trials.
    """
    folder = listed.parent
    check_once(folder / TRIALS_FILE, "trial", trials)
    unknown = set(trials["variant"].to_pylist()) - set(variants["variant"].to_pylist())
    if unknown:
        raise UserError(
            f"{folder / TRIALS_FILE} has trials of variant {min(unknown)}, which {listed} does not "
            "list; restore both together."
        )
    _check_words(folder / TRIALS_FILE, "trial", trials, "status", ("finished", "failed"))
    finished = trials.filter(pc.equal(trials["status"], "finished"))
    _check_epochs(folder, trials, history)
    _check_measurements(folder, finished, history)
    _check_answers(folder, finished, answers)


def _positive(value: float) -> bool:
    return 0 < value < math.inf


def _none_below_zero(value: float) -> bool:
    return value >= 0


def _positive_or_nan(value: float) -> bool:
    return value != value or _positive(value)


def _finite_or_nan(value: float) -> bool:
    return not math.isinf(value)


def _share(value: float) -> bool:
    return 0 <= value <= 1


def _share_or_nan(value: float) -> bool:
    return value != value or _share(value)


_VARIANTS: dict[str, Callable[[float], bool]] = {
    **dict.fromkeys(
        ("gamma", "depth", "width", "resolution", "flops", "flops_ratio", "params", "activations"),
        _positive,
    ),
    **dict.fromkeys(
        ("alpha", "beta", "alpha_low", "alpha_high", "beta_low", "beta_high", "memory"),
        _positive_or_nan,
    ),
    "phi": math.isfinite,
    **dict.fromkeys(("share_depth", "share_width", "share_resolution"), _finite_or_nan),
}
_SHARES = {"top1": _share, "top5": _share, "balanced": _share_or_nan}
_TRIALS: dict[str, Callable[[float], bool]] = {
    **_SHARES,
    **dict.fromkeys(("train_loss", "val_loss"), math.isfinite),
    **dict.fromkeys(("seconds", "images_per_second", "rung"), _positive),
}
_HISTORY: dict[str, Callable[[float], bool]] = dict(_SHARES)
"""What the numbers of each table may be."""


def _check_numbers(
    path: Path, key: str, table: Table, may_be: dict[str, Callable[[float], bool]]
) -> None:
    """Raise UserError for a number that no sweep writes; null is none, nor NaN by a trainer."""
    others = [name for name in ("figures",) if name in table.column_names]
    for row in table.select([key, *may_be, *others]).to_pylist():
        trainer = row.get("figures") is not None
        for name, right in may_be.items():
            value = row[name]
            missing = value is None or (trainer and value != value)
            if not missing and not right(value):
                raise UserError(f"{path} has {name} {value:g} for {row[key]}; restore it.")


def _check_words(path: Path, key: str, table: Table, name: str, known: Sequence[str]) -> None:
    for row in table.select([key, name]).to_pylist():
        if row[name] not in known:
            raise UserError(f"{path} has {name} {row[name]!r} for {row[key]}; restore it.")


def _check_variants(path: Path, variants: Table, network_known: bool) -> None:
    """Raise UserError unless each is a network that can be compared."""
    may_be = _VARIANTS
    if not network_known:
        may_be = {**may_be, **dict.fromkeys(("params", "activations"), _none_below_zero)}
    for row in variants.select(["variant", "layout", "layers", "channels"]).to_pylist():
        if not network_known and (row["layout"], row["layers"]) == ("[]", ""):
            continue
        try:
            layout = _LAYOUT.validate_json(row["layout"])
        except ValueError:
            layout = ()
        for name in ("layers", "channels"):
            numbers = [getattr(one, name) for one in layout]
            if min(numbers, default=0) < 1 or "-".join(map(str, numbers)) != row[name]:
                raise UserError(f"{path} has a broken layout of {row['variant']}; restore it.")
    _check_numbers(path, "variant", variants, may_be)
    _check_words(path, "variant", variants, "role", ROLES)
    _check_words(path, "variant", variants, "depth_rounding", get_args(DepthRule))


def _check_measurements(folder: Path, finished: Table, history: Table) -> None:
    """Raise UserError for a finished trial whose measurements no training gives."""
    _check_numbers(folder / TRIALS_FILE, "trial", finished, _TRIALS)
    _check_numbers(folder / HISTORY_FILE, "trial", of_trials(history, finished), _HISTORY)


def check_once(path: Path, key: str, table: Table) -> None:
    """Raise UserError if two rows have one id."""
    for identity, count in Counter(table[key].to_pylist()).items():
        if count > 1:
            raise UserError(f"{path} has {key} {identity} {count} times; restore it.")


def _check_epochs(folder: Path, trials: Table, history: Table) -> None:
    """Raise UserError unless all epochs of finished trials are there."""
    epochs = Counter(history["trial"].to_pylist())
    for row in trials.select(["trial", "epochs", "status"]).to_pylist():
        if row["status"] == "finished" and epochs[row["trial"]] != row["epochs"]:
            raise UserError(
                f"{folder / HISTORY_FILE} has {epochs[row['trial']]} epochs of trial "
                f"{row['trial']}, which finished {row['epochs']}; restore it, or delete "
                f"{TRIALS_FILE} too to train again."
            )


def _check_answers(folder: Path, finished: Table, answers: Table) -> None:
    """Raise UserError unless the answers are once each, of equally many images, and add to top-1.

    A finished trial without answers is none of these: earlier versions did not keep them.
    """
    path = folder / ANSWERS_FILE
    check_once(path, "trial", answers)
    if not len(answers):
        return
    images = answers["images"][0].as_py()
    lengths = set(pc.binary_length(answers["correct"]).to_pylist())
    counts = set(answers["images"].to_pylist())
    if images < 1 or counts != {images} or lengths != {-(-images // 8)}:
        raise UserError(f"{path} does not have one bit an image, alike for all trials; restore it.")
    top1 = dict(zip(*(finished[name].to_pylist() for name in ("trial", "top1")), strict=True))
    found = unpack(answers["correct"].to_pylist(), images).mean(axis=1).tolist()
    for trial, share in zip(answers["trial"].to_pylist(), found, strict=True):
        if abs(share - top1[trial]) > 1e-9:
            raise UserError(
                f"{path} has {share:.4f} of the images of trial {trial} right, and "
                f"{folder / TRIALS_FILE} {top1[trial]:.4f}; restore both together."
            )
