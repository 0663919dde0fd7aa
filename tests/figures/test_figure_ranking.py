from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from figure_tables import FakeTables, plan, train
from figure_texts import assert_legible, drawn_texts
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from scalegrid.analysis import recommend
from scalegrid.figures import ranking, style


def draw(tables: FakeTables) -> Figure:
    with style.context():
        return ranking.draw(tables)


def swept(**settings: object) -> FakeTables:
    """A sweep whose top-5 and loss follow from its top-1."""
    tables = train(plan(grid=int(str(settings.pop("grid", 12)))), **settings)  # type: ignore[arg-type]
    top1 = tables.trials["top1"]
    trials = tables.trials.assign(top5=(1 + top1) / 2, val_loss=2 - top1)
    return replace(tables, trials=trials, variants=tables.variants.assign(matched=True))


def rows(figure: Figure) -> dict[str, tuple[float, float]]:
    """The value and the row of each candidate."""
    bars = [c for c in figure.axes[0].containers if isinstance(c, ErrorbarContainer)]
    return {
        str(bar.get_label()): (float(np.ravel(x)[0]), float(np.ravel(y)[0]))
        for bar in bars
        for x, y in [bar.lines[0].get_data()]
    }


def test_rows_are_the_ranking_of_recommend() -> None:
    tables = swept(seeds=3)
    found = recommend(tables.variants, tables.trials)
    drawn = rows(draw(tables))
    for row, candidate in enumerate(found.ranking):
        assert drawn[candidate.variant] == pytest.approx((100 * candidate.accuracy, row))
    assert len(drawn) == len(found.ranking)


def test_metric_and_indifference_zone_are_those_of_the_sweep() -> None:
    tables = replace(swept(seeds=3), spec={"metric": "val_loss", "indifference": 0.02})
    found = recommend(tables.variants, tables.trials, metric="val_loss", indifference=0.02)
    figure = draw(tables)
    assert rows(figure)[found.best.variant] == pytest.approx((found.best.accuracy, 0))
    assert figure.axes[0].get_xlabel() == "Validation loss (nats)"
    assert "Band: 0.02 nats from the first." in " ".join(" ".join(drawn_texts(figure)).split())


def test_candidates_that_may_be_the_best_are_in_colour() -> None:
    tables = swept(seeds=4, noise=0.002)
    found = recommend(tables.variants, tables.trials)
    bars = [c for c in draw(tables).axes[0].containers if isinstance(c, ErrorbarContainer)]
    coloured = {b.get_label() for b in bars if b.lines[0].get_color() != style.ROLES["grid"].colour}
    assert coloured == {candidate.variant for candidate in found.tie_set}
    assert len(coloured) < len(found.ranking)


@pytest.mark.parametrize(
    "tables",
    [
        swept(),
        swept(grid=45, seeds=2, failed=2),
        swept(grid=0, noise=0),
        replace(swept(seeds=2), spec={"metric": "nas"}),
        replace(swept(seeds=2), spec={"metric": "top5"}),
    ],
)
def test_text_is_legible(tables: FakeTables) -> None:
    assert_legible(draw(tables))
