"""How sure the answer became, and what is forecast of further trials."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from figure_texts import drawn_texts
from matplotlib.patches import Rectangle
from pictures import draw, picture, subject
from stress_tables import sweep

from scalegrid.figures.subject import Drawing
from scalegrid.util.errors import UserError

OPEN, DECIDED, ONE_SEED = "baseline failed", "5 candidates, 20 seeds", "5 candidates, 1 seed"


def lines(drawing: Drawing, key: str) -> list[Any]:
    return [line for line in drawing.figure.axes[0].lines if line.get_gid() == key]


def spans(drawing: Drawing) -> dict[str, tuple[float, float]]:
    """The ends of each shaded span."""
    found = [p for p in drawing.figure.axes[0].patches if isinstance(p, Rectangle)]
    return {str(p.get_gid()): (p.get_x(), p.get_x() + p.get_width()) for p in found}


@pytest.mark.parametrize("sweep", [OPEN, DECIDED, ONE_SEED])
def test_the_lines_end_at_what_is_recommended_now(sweep: str) -> None:
    here, drawing = subject(sweep), picture("certainty", sweep)
    best = here.found.best
    for key, now in (
        ("best", best.probability_best),
        ("within", best.probability_within_indifference),
    ):
        assert lines(drawing, key)[-1].get_xdata()[-1] == len(here.trials)
        assert lines(drawing, key)[-1].get_ydata()[-1] == pytest.approx(100 * now)
    (asked,) = lines(drawing, "confidence")
    assert asked.get_ydata()[0] == 95
    ring = lines(drawing, "recommended")[0].get_xydata()[0]
    assert tuple(ring) == pytest.approx(
        (len(here.trials), 100 * best.probability_within_indifference)
    )


def test_the_forecast_is_that_of_recommend() -> None:
    here, drawing = subject(OPEN), picture("certainty", OPEN)
    half, most = here.found.trials_needed, here.found.trials_most
    assert half
    assert most
    spent = len(here.trials)
    assert spans(drawing)["forecast"] == pytest.approx((spent + half, spent + most))
    assert f"forecast: clear after {half} to {most} more trials" in drawn_texts(drawing.figure)
    caption = " ".join(drawing.caption)
    assert re.search(f"{half} to {most} more trials.* would probably decide it\\.", caption)
    assert "forecast" not in spans(picture("certainty", DECIDED))


def test_it_is_shaded_since_when_the_leader_leads() -> None:
    drawing = picture("certainty", OPEN)
    since, spent = spans(drawing)["leads"]
    assert spent == len(subject(OPEN).trials)
    assert f"recommended since trial {since:.0f}" in drawn_texts(drawing.figure)
    assert since in [line.get_xdata()[0] for line in lines(drawing, "change")]
    assert f"leads since trial {since:.0f}" in " ".join(drawing.caption)


def test_what_rests_on_a_guess_of_the_noise_is_dotted() -> None:
    assert all(len(x.get_xdata()) < 2 for x in lines(picture("certainty", ONE_SEED), "best")[1:])
    guess, seen = lines(picture("certainty", DECIDED), "best")
    assert (guess.get_linestyle(), seen.get_linestyle()) == (":", "-")
    assert guess.get_xdata()[-1] == seen.get_xdata()[0]
    assert "Dotted: the noise is a guess" in " ".join(picture("certainty", DECIDED).caption)


def test_without_times_it_is_not_drawn() -> None:
    tables = sweep(5, 2)
    tables = replace(tables, trials=tables.trials.drop(columns="finished_at"))
    with pytest.raises(UserError, match="do not say when each trial ended"):
        draw("certainty", tables)
