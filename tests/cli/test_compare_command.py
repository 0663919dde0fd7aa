"""`scalegrid compare` on committed sweeps: what it prints, in which order, and how wide."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scalegrid.analysis import recommend_as_planned
from scalegrid.cli.main import main
from scalegrid.results import load_sweep

ROOT = Path(__file__).parent.parent.parent
PUBLISHED = str(ROOT / "results" / "published")
FIXTURES = ROOT / "tests" / "fixtures" / "results"
NANO = ("nano-glyphs-32", "nano-leaves-32", "--results", PUBLISHED)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["compare", *arguments])


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_the_answer_comes_first_and_80_columns_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()
    with contextlib.redirect_stdout(terminal):
        main(["compare", *NANO], standalone_mode=False)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    lines = [line.rstrip() for line in plain.splitlines()]
    assert max(map(len, lines)) <= 80
    said = " ".join(plain.split())
    assert said.startswith(
        "A (nano-glyphs-32) and B (nano-leaves-32) recommend the same network, width alone "
        "(α 1.000, β 1.417, γ 1.000), 32 px. It is good enough"
    )
    order = ("differs A B", "They share 8 candidates", "α β γ px", "Order: the rank correlation")
    assert sorted(order, key=said.index) == list(order)
    cells = [line.split() for line in lines]
    assert ["data", "glyphs", "leaves"] in cells
    assert not {"epochs", "name", "workers"} & {row[0] for row in cells if row}
    assert ["1.00", "1.42", "1.00", "32", "2.01×"] in [row[:5] for row in cells]
    (baseline,) = (row for row in cells if row[:1] == ["baseline"])
    assert (baseline[1:3], baseline[-1]) == (["32", "1.00×"], "–")


def test_as_json_it_has_all_that_is_printed() -> None:
    found = json.loads(run(*NANO, "--format", "json").stdout)
    assert found["same_network"] is True
    assert found["differing"]["learning_rate"] == {"a": 0.5, "b": 0.25}
    assert len(found["differing"]["data_fingerprint"]["a"]) == 64
    assert (len(found["shared"]), len(found["only_a"]), len(found["only_b"])) == (8, 8, 0)
    assert -1 <= found["agreement"]["low"] < found["agreement"]["high"] <= 1
    tables = load_sweep("nano-leaves-32", PUBLISHED)
    alone = recommend_as_planned(
        tables.planned, tables.trials, tables.spec, answers=tables.answered
    )
    assert {one["variant"]: one["b"] for one in found["shared"]} == {
        one.variant: one.accuracy for one in alone.ranking
    }
    base = tables.trials[tables.trials["variant"] == tables.planned["variant"][0]]
    assert found["baseline"]["b"] == pytest.approx(base["top1"].mean())


def test_as_csv_it_has_a_line_for_each_shared_candidate_and_the_baseline() -> None:
    rows = list(csv.DictReader(io.StringIO(run(*NANO, "--format", "csv").stdout)))
    assert [row["rank_a"] for row in rows] == [*(str(rank) for rank in range(1, 9)), ""]
    assert float(rows[-1]["flops_ratio"]) == 1
    assert float(rows[0]["low"]) < float(rows[0]["difference"]) < float(rows[0]["high"])
    none = run("b0-glyphs-48", "b0-leaves-36", "--results", PUBLISHED, "--format", "csv")
    assert none.stdout.splitlines() == [",".join(rows[0])]
    assert "They share no candidate, as resolution differs" in none.stderr


def test_sweeps_that_share_nothing_still_say_what_they_recommend() -> None:
    shown = run("b0-glyphs-48", "nano-leaves-32", "--results", PUBLISHED).stdout
    assert "recommend different networks" in shown
    assert " ".join(shown.split()).count("it is no candidate of") == 2
    assert "They share no candidate, as baseline and resolution differ:" in " ".join(shown.split())


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_paths_and_earlier_versions_can_be_compared(version: str) -> None:
    shown = run(str(FIXTURES / version), str(FIXTURES / "v3") + "/").stdout
    assert f"A ({version}) and B (v3) recommend the same network" in shown
    assert "the 10 that finished in both gave the same numbers" in " ".join(shown.split())


def test_sweeps_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    (tmp_path / "v3").symlink_to(FIXTURES / "v3")
    shown = run("v3", str(FIXTURES / "v3"), "--results", str(tmp_path)).stdout
    assert str(tmp_path / "v3") in "".join(shown.split("\n"))
    assert "Settings, data, devices, versions and seeds are the same." in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nano-leaves-32",), "Missing argument 'B'"),
        (("nano-leaves-32", "nano-leaves-23"), "did you mean 'nano-leaves-32'"),
        (("nano-leaves-32", "no/such"), "there are no results called 'such' in"),
        (("nano-leaves-32", "b0-leaves-36", "--metric", "f1"), "f1 must be one of top1, top5"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments, "--results", PUBLISHED)
    assert (result.exit_code, result.stdout) == (2, "")
    (sentence,) = result.stderr.strip().splitlines()
    assert message in sentence
