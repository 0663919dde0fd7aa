"""Whether compound scaling's advantage over the best single axis grows with φ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from analysis_tables import trials_table

from benchmarks.advantage import APART, extended, simulated
from scalegrid.analysis import recommend, to_text
from scalegrid.analysis.advantage import AXES, Advantage
from scalegrid.analysis.wording import sentences
from scalegrid.coefficients import Shares, from_shares

INNER = {"grid": (1 / 3, 1 / 3, 1 / 3), "other": (0.5, 0.25, 0.25)}
SHARES = {**dict(zip(AXES, ((1, 0, 0), (0, 1, 0), (0, 0, 1)), strict=True)), **INNER}
COMPOUND = from_shares(Shares(*INNER["grid"]))
PHIS = (0.5, 1.0, 2.0)
VALUES = {"depth": 0.60, "width": 0.61, "resolution": 0.59, "grid": 0.64, "other": 0.62}


def row(name: str, role: str, phi: float, **changes: Any) -> dict[str, Any]:
    shares = Shares(*SHARES["grid" if role == "compound" else name.split()[0]])
    return {
        **{"variant": name, "role": role, "phi": phi, "resolution": 64, "matched": True},
        **{"flops_ratio": 2.0**phi, **from_shares(shares)._asdict()},
        **{f"share_{axis}": share for axis, share in shares._asdict().items()},
        **changes,
    }


def swept(growth: float = 0.02, noise: float = 0.0005) -> tuple[pd.DataFrame, dict[str, Any]]:
    """A table of variants, and the values of four trials of each.

    The advantage is 3 points at φ = 1, and grows by ``growth`` per φ; the best axis is width.
    """
    rows = [row(name, name if name in AXES else "grid", 1.0) for name in VALUES]
    values = dict(VALUES)
    for phi in PHIS[::2]:
        rows += [row(f"{axis} {phi}", axis, phi) for axis in AXES]
        rows.append(row(f"compound {phi}", "compound", phi))
        values |= {f"{axis} {phi}": VALUES[axis] + 0.01 * (phi - 1) for axis in AXES}
        values[f"compound {phi}"] = VALUES["grid"] + (0.01 + growth) * (phi - 1)
    away = (-noise, noise, noise, -noise)
    return pd.DataFrame(rows), {name: [v + a for a in away] for name, v in values.items()}


def advantage(variants: pd.DataFrame, values: dict[str, Any], **settings: Any) -> Advantage:
    trials = trials_table(values)
    found = recommend(variants, trials, compound=COMPOUND, **settings).advantage
    assert found is not None
    return found


def test_with_little_noise_it_is_what_was_measured() -> None:
    variants, values = swept()
    found = advantage(variants, values)
    assert [one.phi for one in found.at] == list(PHIS)
    assert [one.axis for one in found.at] == ["width"] * 3
    assert [one.variant for one in found.at] == ["compound 0.5", "grid", "compound 2.0"]
    assert [one.advantage for one in found.at] == pytest.approx([0.02, 0.03, 0.05], abs=1e-3)
    assert found.slope is not None
    assert found.slope.mean == pytest.approx(0.02, abs=1e-3)
    assert found.slope.low < 0.02 < found.slope.high
    assert found.slope.probability > 0.99
    assert found.left_out == ()
    by_loss = advantage(variants, values, metric="val_loss")
    assert by_loss.slope is not None
    assert by_loss.slope.mean == pytest.approx(found.slope.mean, abs=1e-3)


def test_it_is_a_sentence_and_plain_data() -> None:
    variants, values = swept()
    said = recommend(variants, trials_table(values), compound=COMPOUND)
    (sentence,) = (line for line in sentences(said) if "advantage" in line)
    assert sentence.startswith(
        "The advantage of compound scaling (α 1.26, β 1.12, γ 1.12) over the "
    )
    assert "best single axis changes by +2.0" in sentence
    assert "it grows with probability > 99 %" in sentence
    document = said.to_dict()["advantage"]
    assert list(document) == ["alpha", "beta", "gamma", "at", "slope", "left_out"]
    assert list(document["slope"]) == ["mean", "low", "high", "probability", "axes"]
    plain = recommend(variants, trials_table(values))
    assert plain.to_dict()["advantage"] is None
    assert "advantage" not in to_text(plain)


def test_beside_longer_trainings_it_is_that_of_the_brief_ones_and_that_is_said() -> None:
    variants, values = swept()
    brief = trials_table(values)
    long = brief[brief["variant"].isin(SHARES)].assign(rung=3)
    said = recommend(
        variants, pd.concat([brief.assign(rung=1), long], ignore_index=True), compound=COMPOUND
    )
    assert said.rung == 3
    assert said.advantage == recommend(variants, brief, compound=COMPOUND).advantage
    assert "over the best single axis at 1× changes by" in to_text(said)


def test_what_is_compared_is_of_equal_cost_and_the_rest_is_named() -> None:
    variants, values = swept()
    at = variants.set_index("variant")
    at.loc["resolution", ["matched", "flops_ratio"]] = [False, 2.57]
    at.loc["compound 0.5", ["matched", "flops_ratio"]] = [False, 1.3]
    found = advantage(at.reset_index(), values)
    assert [one.phi for one in found.at] == [1, 2]
    assert found.left_out == ("compound at φ = 0.5 (1.30×)", "resolution alone at φ = 1 (2.57×)")
    assert found.slope is not None
    assert found.slope.axes == ("depth", "width")  # of equal cost at both
    del values["width 2.0"]
    found = advantage(at.reset_index(), values)
    assert [one.phi for one in found.at] == [1]
    assert found.slope is None
    assert "φ = 2 (no finished trial of width alone)" in found.left_out
    said = recommend(at.reset_index(), trials_table(values), compound=COMPOUND)
    assert "over the best single axis is +3.0" in to_text(said)
    same = advantage(at.drop("compound 0.5").reset_index(), values)
    assert "φ = 0.5 (its compound network is another variant)" in same.left_out


def test_the_recommendation_itself_stays() -> None:
    variants, values = swept()
    with_it = recommend(variants, trials_table(values), compound=COMPOUND).to_dict()
    without = recommend(variants, trials_table(values)).to_dict()
    assert {**with_it, "advantage": None} == without


def test_rows_in_any_order_say_the_same() -> None:
    variants, values = swept(noise=0.01)
    shuffled = variants.sample(frac=1, random_state=3)
    backwards = dict(reversed(values.items()))
    assert advantage(shuffled, backwards) == advantage(variants, values)


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Twenty-four sweeps; of a true 95 %, fewer than 20 hold it in one case of two hundred."""
    rows = [simulated(0.0, 2, apart, 12) for apart in APART[:2]]
    assert sum(float(str(one["covers"])) for one in rows) / 2 >= 0.8
    assert sum(float(str(one["advantage covers"])) for one in rows) / 2 >= 0.8
    assert sum(float(str(one["sure"])) for one in rows) / 2 <= 0.17
    assert abs(sum(float(str(one["bias"])) for one in rows) / 2) < 0.4


def test_a_growth_that_is_much_larger_than_the_noise_is_seen() -> None:
    found, true = extended(0.03, 4, 0.005, np.random.default_rng(1))
    assert found.slope is not None
    assert found.slope.probability > 0.99
    assert len(found.at) == len(true)
