"""`scalegrid family`: what it prints, how wide, and what it refuses."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scalegrid import make_family
from scalegrid.cli.main import main

PUBLISHED = str(Path(__file__).parent.parent.parent / "results" / "published")
PAPER = ("--alpha", "1.2", "--beta", "1.1", "--gamma", "1.15")
NANO = ("--from", "nano-cifar10-32", "--results", PUBLISHED)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["family", *arguments])


STUCK = ("--resolution-step", "1000", "--phi", "1")
"""Pixels that do not move."""


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "arguments", [PAPER, (*PAPER, "--budget", "both"), (*NANO, "--phi", "0,0.5,7")]
)
def test_80_columns_are_enough(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    with contextlib.redirect_stdout(terminal):
        main(["family", *arguments], standalone_mode=False)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 80
    assert "A wider terminal shows also" in " ".join(plain.split())


def test_every_format_says_the_same() -> None:
    table = make_family("b0", (1.2, 1.1, 1.15), [-1, 0, 1], budget="both")
    arguments = (*PAPER, "--phi", "-1:1", "--budget", "both")
    rows = list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv").stdout)))
    found = json.loads(run(*arguments, "--format", "json").stdout)
    assert [row["variant"] for row in rows] == table["variant"].tolist()
    assert [int(row["flops"]) for row in rows] == table["flops"].tolist()
    assert [size["variant"] for size in found["sizes"]] == table["variant"].tolist()
    assert (found["baseline"], found["resolution"], found["alpha"]) == ("b0", 224, 1.2)
    shown = run(*arguments).stdout
    assert "385.8 M" in shown
    assert "exact px" in shown


def test_a_plan_of_block_strings_needs_no_torch() -> None:
    script = (
        "import sys; from scalegrid.cli.main import main;"
        f"main(['family', *{PAPER!r}], standalone_mode=False);"
        "assert not {'torch', 'timm', 'scipy', 'pandas'} & set(sys.modules), 'imported'"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert len(re.findall(r"^[0-7] ", ran.stdout, re.MULTILINE)) == 8


def test_from_a_sweep_it_shows_what_is_open_and_what_would_narrow_it() -> None:
    ran = run(*NANO, "--phi", "0:7")
    assert "nano from 32 px by α = 1.167, β = 1.083, γ = 1.25" in ran.stdout
    assert "A sweep at φ = 3, by --flops-factor 8, would leave" in ran.stdout
    assert "What the sweep's coefficients, known to an interval, may build:" in ran.stdout
    assert "has not decided" not in ran.stdout


def test_a_sweep_that_has_not_decided_is_a_warning() -> None:
    ran = run("--from", "b0-leaves-36", "--results", PUBLISHED, "--format", "csv", "--phi", "1")
    assert ran.exit_code == 0
    assert "b0-leaves-36 has not decided" in ran.stderr
    assert len(ran.stdout.splitlines()) == 2


def test_a_family_of_a_sweep_can_start_from_more_pixels() -> None:
    found = json.loads(run(*NANO, "--resolution", "64", "--phi", "0,1", "--format", "json").stdout)
    assert [size["resolution"] for size in found["sizes"]] == [64, 80]
    assert found["num_classes"] == 10


def test_settings_over_phi_are_one_number_or_two() -> None:
    flags = ("--dropout", "0.1,0.8", "--drop-path", "0.3", "--weight-decay", "0.02,0.09")
    rows = csv.DictReader(io.StringIO(run(*PAPER, *flags, "--format", "csv").stdout))
    ends = [(row["dropout"], row["drop_path"], row["weight_decay"]) for row in rows]
    assert (ends[0], ends[-1]) == (("0.1", "0.3", "0.02"), ("0.8", "0.3", "0.09"))


def test_latency_is_measured_on_request() -> None:
    nano = ("--baseline", "nano", *PAPER, "--format", "json")
    found = json.loads(run(*nano, "--phi", "0,1", "--measure-latency").stdout)
    assert all(0 < size["latency"] < 10 for size in found["sizes"])
    assert any("latency is the median of 9 inferences" in note for note in found["notes"])


def test_what_is_too_large_or_takes_too_long_is_not_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nano = ("--baseline", "nano", *PAPER, "--phi", "1,12", "--measure-latency")
    monkeypatch.setattr("scalegrid.cost.latency.seconds", lambda *_: [[0.02] * 9])
    monkeypatch.setattr("scalegrid.family.timing.device_memory", lambda _: 2**40)
    ran = run(*nano)
    assert ran.exit_code == 2
    assert re.search(r"at φ = 12 one inference would take about [\d.]+ s on cpu", ran.stderr)
    monkeypatch.setattr("scalegrid.family.timing.device_memory", lambda _: 2**20)
    assert "weights and maps of 2 networks of nano need about" in run(*nano).stderr


def test_a_budget_of_milliseconds_is_met_by_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(models: list[Any], shapes: list[Any], *_: object) -> list[list[float]]:
        assert shapes[0][0] == 3
        return [[1e-9 * sum(p.numel() for p in model.parameters())] for model in models]

    monkeypatch.setattr("scalegrid.cost.latency.seconds", measured)
    nano = ("--baseline", "nano", *PAPER, "--format", "json")
    (size,) = json.loads(run(*nano, "--latency", "0.4").stdout)["sizes"]
    (same,) = json.loads(run(*nano, "--params", "4e5").stdout)["sizes"]
    assert size["params"] == pytest.approx(same["params"], rel=0.05)
    assert size["latency"] == pytest.approx(1e-9 * size["params"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a family needs --alpha, --beta and --gamma"),
        (("--alpha", "1.2", "--beta", "1.1"), "a family needs --alpha, --beta and --gamma"),
        ((*PAPER, "--phi", "7:0"), "--phi 7:0 has no φ"),
        ((*PAPER, "--phi", ""), "--phi  must be as 0:7"),
        ((*PAPER, "--phi", "0", "--flops", "1e9"), "both choose the sizes"),
        ((*PAPER, "--flops", ""), "--flops needs at least one number"),
        ((*PAPER, "--flops", "0"), "a budget of 0 must be a finite number above 0"),
        ((*PAPER, "--flops", "1"), "no φ brings b0 to a budget of 1"),
        ((*PAPER, "--latency", "5", "--budget", "exact"), "--latency is measured"),
        ((*PAPER, "--latency", "5,1e9"), "a latency of 1e+09 ms is none that is measured"),
        ((*PAPER, "--flops-factor", "1.000001"), "must be a number above 0 other than 1"),
        ((*PAPER, "--resolution", "16"), "images of 16 px are too small for b0"),
        ((*PAPER, "--baseline", "b00"), "did you mean 'b0'"),
        ((*PAPER, "--flops-factor", "1e308"), "φ = 2 asks for 1e+308^2 times the FLOPs"),
        (("--alpha", "1.002", "--beta", "1", "--gamma", "1", "--phi=-2000"), "2^-2000 times"),
        ((*PAPER, "--measure-latency", "--threads", "10000000"), "--threads 10000000 is more than"),
        ((*PAPER, "--latency", "5", "--threads", "10000000"), "--threads 10000000 is more than"),
        ((*PAPER, "--threads", "2"), "--threads is for --latency or --measure-latency"),
        ((*PAPER, "--results", "here"), "--results is the folder of --from NAME"),
        (("--fit", "efficientnet", "--phi", "1"), "--fit takes no --phi"),
        (("--fit", "efficientnet", "--compare", "published"), "--fit takes no --compare"),
        (("--compare", "published", "--flops", "1e9"), "--compare takes no --flops"),
        (("--compare", "published", "--phi", "1000"), "multiplies the depth of b0"),
        (("--compare", "published", "--alpha", "1", "--beta", "1", "--gamma", "1"), "costs stay"),
        ((*PAPER, "--num-classes", "10000000"), "or fewer --num-classes"),
        (("--baseline", "nano", "--alpha", "1", "--beta", "1", "--gamma", "1.4", *STUCK), "choose"),
        ((*PAPER, "--dropout", "2"), "--dropout 2 must be 0 or above and below 1"),
        ((*PAPER, "--dropout", "0,0,0"), "--dropout takes one number, or two"),
        ((*PAPER, "--flops-factor", "0.5"), "costs grow as φ grows"),
        ((*NANO, "--alpha", "1.2"), "has its own --alpha"),
        (("--returns", "published", "--threshold", "0"), "--threshold 0 must be a number"),
        (("--returns", "published", "--models", "x"), "--models chooses from a CSV file"),
        (("--returns", "published", "--results", "x"), "--results is the folder of a sweep"),
        (("--returns", "none.csv"), "--returns none.csv needs --models, such as"),
        (("--returns", "none.csv", "--models", "x"), "there is no file none.csv; timm's"),
        (("--returns", *NANO[1:]), "fewer than 3 sizes, the baseline included"),
        (("--threshold", "2", *PAPER), "--threshold belongs to --returns"),
        (("--from", "nano", "--results", PUBLISHED), "there are no results called 'nano'"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    ran = run(*arguments)
    assert ran.exit_code == 2
    assert not ran.stdout
    assert message in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_the_release_is_beside_the_formula() -> None:
    rows = json.loads(run("--compare", "published", "--format", "json").stdout)
    assert [row["model"] for row in rows] == [f"B{n}" for n in range(8)]
    assert [row["release_px"] for row in rows] == [224, 240, 260, 300, 380, 456, 528, 600]
    shown = run("--compare", "published", "--phi", "0:2").stdout
    assert "1.10, 1.00, 240" in shown
    assert "76.3" not in shown  # of an earlier version of the paper
    assert "leave out --baseline nano" in run("--compare", "published", "--baseline", "nano").stderr


def test_what_authors_in_effect_used_is_shown() -> None:
    found = json.loads(run("--fit", "efficientnet", "--format", "json").stdout)
    assert found["coefficients"]["alpha"] == pytest.approx(1.2, abs=0.05)
    assert [one["name"] for one in found["members"]] == [f"B{n}" for n in range(8)]
    assert "EfficientNet grows as by α = 1.22" in run("--fit", "EfficientNet").stdout
    assert "did you mean 'NFNet'" in run("--fit", "efnet").stderr


def test_the_other_networks_of_table_2_are_below_the_release_and_a_table_of_their_own() -> None:
    rows = json.loads(run("--compare", "references", "--format", "json").stdout)
    assert [row["cost"] for row in rows].count("counted") == 10
    assert (rows[-1]["model"], rows[-1]["flops"]) == ("GPipe", None)
    (table,) = run("--compare", "published").stdout.split("The other networks of Table 2:")[1:]
    assert re.search(r"ResNet-50 +224 +4.09 B +25.6 M +counted +4.1 +26 +76.0", table)
    assert re.search(r"GPipe +– +– +557.0 M +published +– +557 +84.3", table)
    assert json.loads(run("--compare", "published", "--format", "json").stdout)[0]["model"] == "B0"


def test_every_format_says_what_a_doubling_gives(tmp_path: Path) -> None:
    table2 = ("--returns", "published")
    (found,) = json.loads(run(*table2, "--format", "json").stdout)
    rows = list(csv.DictReader(io.StringIO(run(*table2, "--format", "csv").stdout)))
    assert [float(row["step"]) for row in rows[:-1]] == [
        size["step"]["mid"] for size in found["sizes"][:-1]
    ]
    assert not found["extrapolated"]
    assert float(rows[0]["beyond"]) == found["beyond"]["mid"]
    ran = run(*table2, "--threshold", "1", "--plot", str(tmp_path))
    assert f"less than 1 point beyond φ = {found['beyond']['mid']:.2f} (" in ran.stdout
    assert {path.name for path in tmp_path.iterdir()} == {f"returns.{x}" for x in FORMATS}


FORMATS = ("png", "svg", "txt")


def test_results_of_timm_are_chosen_by_patterns(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    rows = ["model,gmacs,top1", "a0,1,70", "a1,2,75", "a2,4,77.5", "b0,1,60", "b1,2,61"]
    path.write_text("\n".join(rows))
    ran = run("--returns", str(path), "--models", "a?, b1", "--format", "csv")
    assert "a1 and b1 have the same FLOPs" in ran.stderr
    ran = run("--returns", str(path), "--models", "a?", "--format", "csv")
    assert [row["name"] for row in csv.DictReader(io.StringIO(ran.stdout))] == ["a0", "a1", "a2"]
