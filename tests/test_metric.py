"""What a metric is: its column, its direction, and its unit, of which nothing is assumed."""

import pytest
from click.testing import CliRunner

from scalegrid.analysis.naming import range_text, signed, value_with_unit, with_name, with_unit
from scalegrid.cli.main import main
from scalegrid.metric import METRICS, measure, metric_flags


def test_known_metrics_have_units_and_a_trainers_figure_has_none() -> None:
    assert [measure(metric).unit for metric in METRICS] == [
        *("share", "share", "share", "nats", "share")
    ]
    assert with_name(0.612, "top1") == "top-1 61.2 %"
    assert with_name(0.612, "maximize miou") == "miou 0.612"
    assert value_with_unit(1234.5678, "minimize mse") == "1234.6"
    assert with_unit(0.01234, "minimize mse") == "0.01234"
    assert signed(0.01234, "minimize mse") == "+0.01234"
    assert range_text(0.1, 0.25, "minimize mse") == "0.1–0.25"


def test_more_or_less_is_better_as_the_metric_says() -> None:
    assert measure("maximize miou")[:3] == ("miou", "miou", 1)
    assert measure("minimize mse").sign == measure("val_loss").sign == -1


@pytest.mark.parametrize("metric", ["miou", "maximize", "minimize ", "maximize top1", "less mse"])
def test_what_is_no_metric_is_refused(metric: str) -> None:
    with pytest.raises(ValueError, match=r"must|is top1 as it is"):
        measure(metric)


@pytest.mark.parametrize("metric", [*METRICS, "minimize mse", "maximize mean iou"])
def test_flags_ask_for_the_same_metric(metric: str) -> None:
    result = CliRunner().invoke(main, ["recommend", "none", *metric_flags(metric)])
    assert "there are no results" in result.stderr  # the flags were read


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--metric", "miou"], "with --maximize or --minimize"),
        (["--minimize"], "--minimize needs --metric"),
        (["--metric", "top1", "--maximize"], "is top1 as it is"),
        (
            ["--metric", "error", "--minimize"],
            "error, a column of the tables; call the figure otherwise",
        ),
        (["--metric", "iou", "--minimize", "--maximize"], "exclude each other"),
    ],
)
@pytest.mark.parametrize("command", ["recommend", "sweep"])
def test_half_a_metric_is_refused_in_a_sentence(command: str, flags: list[str], said: str) -> None:
    result = CliRunner().invoke(main, [command, *flags])
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
