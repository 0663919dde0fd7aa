"""Plans of any baseline object, with any number of classes, without a name or data for them."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

from scalegrid.baselines import Baseline
from scalegrid.data import open_source
from scalegrid.plan import Plan, make_plan
from scalegrid.spec import SweepSpec


def planned(spec: SweepSpec, baseline: Baseline, num_classes: int) -> Plan:
    """`make_plan`, where the name in ``spec`` stands for ``baseline`` and data have few classes."""
    names = tuple(str(number) for number in range(num_classes))
    source = replace(open_source("glyphs"), class_names=names)
    with (
        mock.patch("scalegrid.baselines.get", return_value=baseline),
        mock.patch("scalegrid.plan.plan.open_data", return_value=source),
    ):
        return make_plan(spec)
