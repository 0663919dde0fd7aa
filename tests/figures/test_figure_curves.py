"""Learning curves, and the distribution of error over the candidates."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from figure_tables import with_history
from figure_texts import PAGES, assert_legible, contrast, line_colours
from matplotlib.figure import Figure
from pictures import draw, picture, subject
from stress_tables import NO_CORNERS, STRESS, sweep

from scalegrid.figures import edf
from scalegrid.figures.subject import Drawing, Subject
from scalegrid.util.errors import UserError

OFF = "16 candidates, 3 seeds, one off cost"
MANY = "5 candidates, 20 seeds"
CURVES = {MANY: 40, OFF: 10, NO_CORNERS: 3}


@cache
def trained(name: str) -> Subject:
    """A stress sweep with so many epochs."""
    here = copy(subject(name))
    here.history = with_history(STRESS[name](), CURVES[name]).history
    return here


@cache
def curves(name: str) -> Drawing:
    return draw("curves", trained(name))


def lines(figure: Figure, panel: int, key: str) -> dict[str, Any]:
    found = figure.axes[panel].lines
    return {str(n.get_gid())[len(key) :]: n for n in found if str(n.get_gid()).startswith(key)}


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_legible_in_one_column(name: str) -> None:
    figure, caption = curves(name)
    assert 25.4 * figure.get_figwidth() == pytest.approx(85)
    assert_legible(figure)
    for colour in line_colours(figure):
        assert contrast(colour, PAGES["light"]) >= 3, colour
    assert all(sentence.endswith(".") for sentence in caption)


def test_curves_are_means_over_seeds_of_the_leader_the_axes_the_baseline_and_the_worst() -> None:
    here = trained(MANY)
    ranking = [one.variant for one in here.found.ranking]
    roles = here.variants.set_index("role")["variant"]
    wanted = {ranking[0], ranking[-1], *roles[["depth", "width", "resolution", "baseline"]]}
    figure = curves(MANY).figure
    history = here.history.merge(here.trials[["trial", "variant"]], on="trial")
    for panel, column, unit in ((0, "top1", 100), (2, "train_loss", 1)):
        found = lines(figure, panel, "line-")
        assert set(found) == wanted
        for variant, line in found.items():
            own = history[history["variant"] == variant].groupby("epoch")[column].mean()
            np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 41))
            np.testing.assert_allclose(line.get_ydata(), unit * own)


def test_differences_are_of_the_seeds_that_both_have() -> None:
    """A seed that is one point better for all, and that the leader lacks, changes nothing."""
    here = trained(OFF)
    best = here.found.best.variant
    alone = (here.trials["variant"] == best) & (here.trials["seed"] == 2)
    lucky = here.trials.loc[here.trials["seed"] == 2, "trial"]
    history = here.history.copy()
    history.loc[history["trial"].isin(lucky), "top1"] += 0.01
    some = replace(STRESS[OFF](), history=history)
    some = replace(some, trials=some.trials[~alone.to_numpy()])
    assert Subject(some).found.best.variant == best
    found = lines(draw("curves", some).figure, 1, "line-")
    both = here.history.merge(here.trials[here.trials["seed"] < 2], on="trial")
    means = (100 * both["top1_x"]).groupby([both["variant"], both["epoch"]]).mean()
    for variant, line in found.items():
        expected = (means[variant] - means[best]).to_numpy()
        np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-9)


def test_labels_are_at_the_ends_of_lines_in_their_order() -> None:
    figure = curves(NO_CORNERS).figure
    assert {"Recommended", "Worst", "Baseline"} == {
        text.get_text() for text in figure.axes[0].texts
    }
    for panel, axes in enumerate(figure.axes):
        ends = [line.get_ydata()[-1] for line in lines(figure, panel, "line-").values()]
        places = [text.get_window_extent().y0 for text in axes.texts]
        assert list(np.argsort(ends)) == list(np.argsort(places))


def test_many_epochs_have_bands_and_few_have_bars() -> None:
    assert len(curves(OFF).figure.axes[0].collections) == len(lines(curves(OFF).figure, 0, "line-"))
    assert "Bars, beside each other" in " ".join(curves(OFF).caption)
    assert "Bands are" in " ".join(curves(MANY).caption)


def test_one_epoch_is_no_curve() -> None:
    for tables in (sweep(5, 1), with_history(sweep(5, 1), 1)):
        with pytest.raises(UserError, match=r"no finished trial has two epochs.*--epochs 3"):
            draw("curves", tables)


def test_the_distribution_steps_at_the_means_of_the_candidates() -> None:
    here = subject(OFF)
    (line,) = lines(picture("edf", OFF).figure, 0, "measured").values()
    candidates = [one.variant for one in here.found.ranking]
    means = here.means.table.set_index("variant")["accuracy"]
    x, share = line.get_xdata(), line.get_ydata()
    np.testing.assert_allclose(x[1:-1], np.sort(100 - means[candidates]))
    np.testing.assert_allclose(share[1:-1], 100 * np.arange(1, 16) / 15)
    marked = lines(picture("edf", OFF).figure, 0, "variant-")
    for variant, mark in marked.items():
        assert mark.get_xdata()[0] == pytest.approx(100 - means[variant])
    assert set(marked) == {candidates[0]} | set(
        here.variants.loc[here.variants["role"] != "grid", "variant"]
    )


def test_the_dashed_distribution_is_the_mean_over_posterior_draws() -> None:
    here = subject(OFF)
    (line,) = lines(picture("edf", OFF).figure, 0, "true").values()
    for place, share in list(zip(line.get_xdata(), line.get_ydata(), strict=True))[::200]:
        slow = 100 * np.mean(100 - 100 * here.estimates.values <= place)
        assert share == pytest.approx(slow)
    assert not lines(picture("edf", "5 candidates, 1 seed").figure, 0, "true")


def test_without_seeds_the_band_is_that_of_binomial_counts() -> None:
    """The bootstrap of a share of n candidates is a binomial count over n."""
    from scipy.stats import binom

    errors = np.arange(40.0)[:, None]
    places = np.array([3.5, 9.5, 19.5, 35.5])
    low, high = edf.bootstrap(errors, places)
    shares = np.array([4, 10, 20, 36]) / 40
    np.testing.assert_allclose(low, binom.ppf(0.025, 40, shares) / 40, atol=0.026)
    np.testing.assert_allclose(high, binom.ppf(0.975, 40, shares) / 40, atol=0.026)


def test_seeds_that_move_all_candidates_widen_the_band() -> None:
    errors = np.linspace(0, 1, 200)[:, None] + np.array([0.0, 0.5, 1.0, np.nan])
    errors[::2, 3] = 1.5 + np.linspace(0, 1, 200)[::2]
    moved = np.ptp(edf.bootstrap(errors, np.array([1.0])))
    still = np.ptp(edf.bootstrap(np.nanmean(errors, axis=1)[:, None], np.array([1.0])))
    assert moved > 1.5 * still


def test_a_loss_is_an_error_already() -> None:
    tables = sweep(12, 3)
    trials = tables.trials.assign(val_loss=2 - tables.trials["top1"])
    tables = replace(tables, trials=trials, spec={"metric": "val_loss", "indifference": 0.002})
    axes = draw("edf", tables).figure.axes[0]
    assert axes.get_xlabel() == "Validation loss (nats)"
    assert 1 < min(axes.get_xlim()) < max(axes.get_xlim()) < 2


def test_one_candidate_has_no_distribution() -> None:
    tables = sweep(12, 3)
    alone = tables.variants["role"].isin(["baseline", "width"])
    with pytest.raises(UserError, match="only one candidate"):
        draw("edf", tables.where_variants(alone))
