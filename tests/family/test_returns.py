"""Diminishing returns of a family: published, in a table of results, and in sentences."""

from __future__ import annotations

import re
from math import inf, isnan, nan
from pathlib import Path

import pytest

from scalegrid.analysis.saturating import KNOWN
from scalegrid.family.accuracies import published_returns, results_returns
from scalegrid.family.returns import Measured, Returns, returns
from scalegrid.family.returns_text import answer, basis
from scalegrid.util.errors import UserError

GMACS = {"a_s.x": (1.0, 70.0), "a_m.x": (2.0, 75.0), "a_l.x": (4.0, 77.5), "b.y": (9.0, 78.0)}


@pytest.fixture(scope="module")
def table2() -> Returns:
    return published_returns()


def family(*accuracies: float, error: float = 0.05, threshold: float = 1.0) -> Returns:
    """Sizes that double from one to the next."""
    sizes = [
        Measured(f"S{n}", 1e9 * 2**n, accuracy, error) for n, accuracy in enumerate(accuracies)
    ]
    return returns("S", sizes, 0 if isnan(error) else KNOWN, "Known.", threshold)


def results(path: Path, columns: str = "model,gmacs,top1") -> Path:
    rows = [f"{name},{gmacs},{top1}" for name, (gmacs, top1) in GMACS.items()]
    path.write_text("\n".join([columns, *rows]) + "\n")
    return path


def test_table_2_gives_less_than_a_point_beyond_b3(table2: Returns) -> None:
    """By hand (82.9 − 81.6) / log₂(4.39 / 1.83) = 1.03, and of the next two sizes 0.57."""
    steps = [size.step.mid for size in table2.sizes]
    assert steps[3:5] == pytest.approx([1.03, 0.57], abs=0.01)
    assert isnan(steps[-1])
    b3, b4 = table2.sizes[3:5]
    assert b3.phi < table2.beyond.low < table2.beyond.mid < table2.beyond.high < b4.phi
    assert "between B3 and B4" in answer(table2)
    assert b3.slope.mid > 1 > b4.slope.mid


def test_the_error_of_a_published_size_is_that_of_50_000_images(table2: Returns) -> None:
    """√(0.771 · 0.229 / 50,000) is 0.188 points; 1.96 of them are 0.368."""
    first = table2.sizes[0].top1
    assert first.high - first.mid == pytest.approx(0.368, abs=0.001)
    assert "50,000 validation images" in basis([table2])[-1]


def test_a_larger_threshold_is_passed_earlier(table2: Returns) -> None:
    assert published_returns(2.0).beyond.high < table2.beyond.low
    assert published_returns(0.5).beyond.low > table2.beyond.high


def test_never_within_what_was_measured_is_an_answer() -> None:
    still = answer(family(60.0, 66.0, 71.0, 75.2))
    assert "gives 1 point or more at all sizes, up to φ = 3.00; extrapolated, less beyond" in still
    rising = family(10.0, 20.0, 30.0, 40.0, error=0.5, threshold=1e-9)
    assert "no end is in sight" in answer(rising)
    falling = family(70.0, 69.0, 68.5)
    assert falling.beyond.mid == -inf
    assert "already at S0, the smallest size (with a probability above 97 %)" in answer(falling)
    unsure = answer(family(70.0, 70.1, 70.4, error=1.0))
    assert re.search(r"already at S0, .*: 95 % interval up to \d", unsure)


def test_sizes_are_in_order_of_flops_whatever_the_order_given() -> None:
    sizes = [Measured(str(n), 2.0**n, 60 + n, 0.1) for n in (3, 1, 2)]
    assert [size.phi for size in returns("S", sizes, KNOWN, "").sizes] == [0, 1, 2]


def test_without_known_errors_steps_have_no_interval_and_the_curve_has() -> None:
    found = family(60.0, 66.0, 70.0, 72.2, error=nan)
    assert isnan(found.sizes[0].step.low)
    assert isnan(found.off)
    assert found.beyond.low < found.beyond.mid < found.beyond.high


def test_flops_of_results_are_given_or_counted(tmp_path: Path) -> None:
    path = results(tmp_path / "r.csv")
    found = results_returns(path, ["a_*", "b.y"])
    assert [size.flops for size in found.sizes] == [1e9, 2e9, 4e9, 9e9]
    assert [size.name for size in results_returns(path, ["a_*"]).sizes] == list(GMACS)[:3]
    table = 'model,top1,param_count,img_size\nresnet10t.c3_in1k,68.4,"5,000.44",64\n'
    table += "resnet18,73.3,11.69,64\nresnet26.bt_in1k,76.4,16.00,64\n"
    path.write_text(table)
    # timm's own table: resnet18 has 1.82 GMACs at 224 px.
    counted = results_returns(path, ["resnet*"]).sizes[1].flops
    assert counted == pytest.approx(1.82e9 * (64 / 224) ** 2, rel=0.01)


@pytest.mark.parametrize(
    ("text", "models", "message"),
    [
        (None, ["a_*"], r"there is no file .*r.csv; timm's results-imagenet.csv is in"),
        ("", ["a_*"], r"cannot read .*r.csv as a CSV file \(EmptyDataError"),
        ("model,gmacs\n", ["a_*"], "has no column top1; it has model, gmacs, and timm's"),
        ("model,top1\n", ["a_*"], "has no column flops or gmacs or img_size"),
        ("given", ["a_x.x"], "has no model 'a_x.x'; did you mean 'a_s.x' or 'a_m.x' or 'a_l.x'"),
        ("given", ["zzz*"], "has no model 'zzz.*patterns are as"),
        ("given", ["a_s*", "b*"], "has 2 sizes with an accuracy; .* need 3 or more"),
        ("model,gmacs,top1\na,1,70\nb,1,71\nc,2,72\n", ["*"], "a and b have the same FLOPs"),
        ("model,gmacs,top1\na,,70\nb,1,71\nc,2,72\n", ["*"], "has gmacs '' for a; it must be a"),
        ("model,gmacs,top1\na,1,0.7\nb,2,171\nc,3,72\n", ["*"], "has top1 '171' for b; .* 100"),
        ("model,gmacs,top1\na,1,70,9\nb,2,71,9\n", ["*"], "rows with more values than it has col"),
        ("model,gmacs,top1\na,1,70\nb,2,71,9\n", ["*"], "Expected 3 fields in line 3, saw 4"),
        ('model,gmacs,top1\na,"1,1",70\nb,2,71\n', ["*"], "has gmacs '1,1' for a"),
        ("model,flops,top1\na,1e-320,70\nb,2,71\n", ["*"], "has flops '1e-320' for a"),
        ("model,gmacs,top1\na,1e300,70\nb,2,71\n", ["*"], "has gmacs '1e300' for a"),
        ("model,gmacs,top1\na,1,.70\nb,2,.71\n", ["*"], "top1 up to 0.71, which are shares"),
        ("model,img_size,top1\nresnet18,64,70\nnone,64,70\n", ["*"], "timm .* no model 'none'"),
        ("model,img_size,top1\nresnet18,1,7\n", ["*"], "has img_size '1' for resnet18"),
        ("model,img_size,top1\ninception_v3,9,7\n", ["*"], "cannot be counted at 9 px"),
    ],
)
def test_a_table_that_does_not_fit_is_one_sentence(
    tmp_path: Path, text: str | None, models: list[str], message: str
) -> None:
    path = tmp_path / "r.csv"
    if text == "given":
        results(path)
    elif text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        results_returns(path, models)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("threshold", [0.0, -1.0, nan, inf])
def test_a_threshold_is_a_number_above_0(threshold: float) -> None:
    with pytest.raises(UserError, match="must be a number of points above 0"):
        family(60.0, 66.0, 70.0, threshold=threshold)
