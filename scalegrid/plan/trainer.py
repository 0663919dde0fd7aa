"""A sweep by a user's own trainer: what cannot be asked of it, and what stands for its data."""

from __future__ import annotations

from typing import Any

import numpy as np

from scalegrid.baselines.user_code import attribute_of, source_digest
from scalegrid.data import Source
from scalegrid.metric import measure
from scalegrid.spec import TRAINER_KEYS, SweepSpec
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest

OUTPUTS = 10
"""Outputs of the network where ``num_classes`` is not given; some kinds of network have none."""


def check_trainer(spec: SweepSpec) -> None:
    """Refuse what a trainer would not heed, and its metrics where there is none.

    Raises:
        UserError: naming the first such setting; or the epochs are not given; or the trainings
            were made elsewhere.
    """
    if spec.imported:
        raise UserError(
            f"the trainings of {spec.name or 'a sweep'} were made elsewhere, by a recipe that is "
            "not known, so none can be trained here; `scalegrid import` adds more."
        )
    if spec.trainer is None:
        if measure(spec.metric).unit == "own":
            raise UserError(
                f"the metric {measure(spec.metric).column!r} is no figure of scalegrid's own "
                "training; give --trainer, or a --metric of those that --help lists."
            )
        return
    for key in TRAINER_KEYS:
        default = SweepSpec.model_fields[key].default
        if getattr(spec, key) not in ((None, "same") if key == "rates" else (default,)):
            raise _not_heeded(key, spec.trainer)
    if "epochs" not in spec.model_fields_set:
        raise UserError("--trainer needs --epochs, the length of a brief training.")
    if spec.continues:
        raise UserError(
            "--rungs with --trainer need --rungs-from scratch: its trainings cannot be continued."
        )


def check_heeded(spec: SweepSpec) -> None:
    """Refuse what a user has given and a trainer would not heed, also if it is the default.

    Raises:
        UserError: naming the first such setting.
    """
    for key in spec.model_fields_set & {*TRAINER_KEYS, "check_learning"}:
        off = getattr(spec, key) in (None, False, "same")  # as it is beside a trainer anyway
        if spec.trainer is not None and not off:
            raise _not_heeded(key, spec.trainer)


def _not_heeded(key: str, trainer: str) -> UserError:
    flag = key.replace("_", "-")
    return UserError(
        f"--{flag} is for scalegrid's own training, and {trainer} trains in its place; leave out "
        f"--{flag} or --trainer."
    )


def trainer_source(spec: SweepSpec, trainer: str) -> Source:
    """Stands for the data, which are the trainer's own: no images, and a fingerprint of its code.

    The fingerprint, and so the id of every trial, is of the trainer's name and the file that
    defines it, without comments and layout.

    Raises:
        UserError: there is no such function.
    """
    outputs = OUTPUTS if spec.num_classes is None else spec.num_classes
    code = source_digest(attribute_of(trainer, "function"))
    one = np.zeros(1, np.int64)  # so that works, of one image an epoch, compare networks
    return Source(
        name="trainer",
        fingerprint=digest(["trainer", trainer.rpartition("/")[2], code, outputs]),
        class_names=("",) * outputs,
        train_labels=one,
        val_labels=one[:0],
        native_resolution=None,
        mirror=False,
        read=_nothing,
        channels=spec.channels or 3,
        notes=(
            f"{trainer} trains with data, a recipe and a learning rate of its own: no rate is "
            "searched, and whether it learns is not checked",
        ),
    )


def _nothing(split: str, index: int) -> Any:
    raise LookupError(f"a trainer's data have no image {index} in {split}")
