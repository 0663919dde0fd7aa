"""The spread of candidates against the noise of seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from figure_texts import drawn_texts
from matplotlib.axes import Axes
from pictures import draw, picture, subject
from stress_tables import sweep

from scalegrid.figures.subject import Subject
from scalegrid.util.errors import UserError

SWEEP = "5 candidates, 20 seeds"


def lines(axes: Axes, key: str) -> list[Any]:
    return [line for line in axes.lines if line.get_gid() == key]


def test_candidates_and_seeds_are_around_their_means_on_one_scale() -> None:
    here, (means, seeds, _) = subject(SWEEP), picture("noise", SWEEP).figure.axes
    top1 = 100 * here.trials.groupby("variant")["top1"].mean()
    ranked = np.array([top1[one.variant] for one in here.found.ranking])
    drawn = [lines(means, f"variant-{o.variant}")[0].get_xdata()[0] for o in here.found.ranking]
    np.testing.assert_allclose(drawn, ranked - ranked.mean())
    own = here.trials[here.trials["variant"].isin(top1.index)]
    own = own[own["variant"] != here.baseline["variant"]]
    apart = 100 * own["top1"] - own["variant"].map(top1)
    (dots,), (ticks,) = lines(seeds, "trials"), lines(seeds, "shared")
    assert len(dots.get_xdata()) == len(apart) == 100
    # What seeds share is next to nothing here, and is taken off.
    assert np.abs(ticks.get_xdata()).max() < 0.05
    np.testing.assert_allclose(np.sort(dots.get_xdata()), np.sort(apart), atol=0.05)
    assert means.get_xlim() == seeds.get_xlim()


def test_what_trials_of_a_seed_share_is_taken_off() -> None:
    tables = sweep(5, 20)
    bonus = 0.02 * np.cos(tables.trials["seed"])
    shifted = replace(tables, trials=tables.trials.assign(top1=tables.trials["top1"] + bonus))
    seeds = draw("noise", shifted).figure.axes[1]
    plain = picture("noise", SWEEP).figure.axes[1]
    np.testing.assert_allclose(
        lines(seeds, "shared")[0].get_xdata(), 2 * np.cos(np.arange(20)), atol=0.8
    )
    now, before = (lines(axes, "trials")[0].get_xdata().std() for axes in (seeds, plain))
    assert now == pytest.approx(before, rel=0.2)


def test_bands_and_titles_are_the_sensors_numbers() -> None:
    here, figure = subject(SWEEP), picture("noise", SWEEP).figure
    sensor = here.found.sensor
    assert sensor is not None
    for axes, deviation in zip(figure.axes, (sensor.spread, sensor.noise), strict=False):
        ends = [line.get_xdata()[0] for line in lines(axes, "deviation")]
        assert ends == pytest.approx([-100 * deviation, 100 * deviation])
    (middle,), (span,) = (lines(figure.axes[2], key) for key in ("reliability", "interval"))
    assert middle.get_xdata()[0] == pytest.approx(sensor.reliability)
    assert tuple(span.get_xdata()) == pytest.approx((sensor.low, sensor.high))
    said = " ".join(drawn_texts(figure))
    assert f"Reliability of one trial: {sensor.reliability:.2f}" in said
    assert f"noise {100 * sensor.noise:.3g} points" in said


def test_metrics_have_a_row_each_and_a_loss_its_unit() -> None:
    tables = sweep(12, 3)
    losses = 2 - tables.trials["top1"] + 0.01 * np.sin(np.arange(len(tables.trials)))
    tables = replace(
        tables, trials=tables.trials.assign(val_loss=losses), spec={"metric": "val_loss"}
    )
    figure, caption = draw("noise", Subject(tables))
    names = [label.get_text() for label in figure.axes[2].get_yticklabels()]
    assert names == ["validation loss", "with the losses", "top-1"]
    assert figure.axes[1].get_xlabel() == "From the mean (nats)"
    assert " nats" in " ".join(caption)
    assert len(lines(figure.axes[2], "reliability")) == 3


def test_one_seed_each_or_one_candidate_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UserError, match=r"one seed, .* again with more --seeds"):
        draw("noise", subject("5 candidates, 1 seed"))
    tables = sweep(5, 3)
    alone = tables.variants["role"].isin(["baseline", "width"])
    with pytest.raises(UserError, match="only one candidate"):
        draw("noise", tables.where_variants(alone))
