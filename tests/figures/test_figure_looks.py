"""What holds for every figure: one column wide, nothing small, cut off or on top of another."""

from __future__ import annotations

import math
from typing import Any

import pytest
from figure_texts import PAGES, assert_legible, contrast, line_colours
from matplotlib.colors import to_hex, to_rgba
from pictures import ANSWERS, picture
from stress_tables import BEYOND, NO_CORNERS, RUNGS, STRESS, TWO_RUNGS

from scalegrid.figures import style

# All figures of candidates have the same rows; the others differ by how many points there are.
FEW, MANY = "5 candidates, 20 seeds", "200 candidates, 20 seeds"
CASES = [("equal-cost", sweep) for sweep in STRESS]
CASES += [(name, sweep) for name in ("difference", "ranking") for sweep in (FEW, MANY)]
CASES += [("certainty", sweep) for sweep in (FEW, "5 candidates, 1 seed", "baseline failed")]
CASES += [("noise", sweep) for sweep in (FEW, "baseline failed")]
CASES += [(name, "60 candidates, 1 seed") for name in ("coefficients", "price", "edf")]
CASES += [("coefficients", "5 candidates, 1 seed"), ("price", NO_CORNERS)]
CASES += [(name, sweep) for name in ("triangle", "scaling", "edf") for sweep in (FEW, NO_CORNERS)]
CASES += [("triangle", MANY), ("triangle", BEYOND)]
CASES += [(name, RUNGS) for name in ("rungs", "certainty", "noise", "edf", "scaling")]
CASES += [("rungs", TWO_RUNGS)]
CASES += [("scaling", "baseline failed"), ("architecture", "baseline failed")]


@pytest.mark.parametrize(
    ("name", "sweep"),
    [
        pytest.param(*case, marks=pytest.mark.slow if case[1] in (MANY, RUNGS) else [])
        for case in CASES
    ],
)
def test_every_figure_is_legible_in_one_column(name: str, sweep: str) -> None:
    figure, caption = picture(name, sweep)
    assert 25.4 * figure.get_figwidth() == pytest.approx(85)
    assert 25.4 * figure.get_figheight() < 200
    assert_legible(figure, turned=name == "triangle")
    assert all(sentence.endswith(".") for sentence in caption)
    assert "nan" not in " ".join(caption)


@pytest.mark.parametrize(
    "name", [*ANSWERS, "scaling", "coefficients", "price", "certainty", "noise", "edf"]
)
def test_every_line_stands_out_from_a_light_and_a_dark_page(name: str) -> None:
    colours = set(line_colours(picture(name, "16 candidates, 3 seeds, one off cost").figure))
    assert colours
    for colour in colours:
        for theme, page in PAGES.items():
            assert contrast(_in_theme(colour, theme), page) >= 3, (colour, page)


def _in_theme(colour: Any, theme: str) -> Any:
    """What a colour of the light theme is in another: ink changes, and nothing else."""
    if to_hex(colour) != style.INK["light"]:
        return colour
    return to_rgba(style.INK[theme], to_rgba(colour)[3])  # type: ignore[index]


def test_roles_differ_in_colour_and_shape() -> None:
    looks = [style.look(role) for role in ("depth", "width", "resolution", "paper", "compound")]
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == 5
    # Candidates are circles all; the recommended one is larger, and has a ring.
    assert style.look("grid").marker == style.look("compound").marker
    assert style.look("grid").size < style.look("compound").size


def test_contrast_is_that_of_the_recommendation() -> None:
    """Facts from WCAG: black on white is 21:1, and #767676 on white is 4.54:1."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast((0, 0, 0, 0), "#ffffff") == pytest.approx(1)
    assert not math.isnan(contrast("#777777", "#111111"))
