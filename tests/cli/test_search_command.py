"""`scalegrid search` on the command line: a space of two networks, trained for real."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from scalegrid.cli.main import main
from scalegrid.results.loading import SEARCH_FILE
from scalegrid.search.spec import read_spec

SPACE = """
resolution: 16
stem: 4
head: 8
stages:
  - {channels: 8, layers: 1, stride: 1, kernel: [3, 5], expansion: [1, 2]}
  - {channels: 16, layers: 1, stride: 2, expansion: 2}
"""
SPEC = """
baseline: results/x-search/found.yaml
name: x
data: glyphs
train_images: 64
val_images: 32
batch_size: 32
epochs: 1
candidates: 4
search:
  space: tiny.yaml
  target: 60k
  window: [0.1, 10.0]
  trials: 3
  finalists: 1
  workers: 1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "tiny.yaml").write_text(SPACE)
    (tmp_path / "specs" / "x.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_found_is_swept_by_the_same_specification(folder: Path) -> None:
    run = CliRunner()
    before = run.invoke(main, ["plan", "specs/x.yaml"])
    assert "found.yaml is not there yet; `scalegrid search specs/x.yaml` finds" in before.stderr
    result = run.invoke(main, ["search", "specs/x.yaml"])
    assert result.exit_code == 0, result.output
    assert "Found: network " in result.stdout
    assert "b0 channels" in result.stdout
    again = run.invoke(main, ["search", f"results/x-search/{SEARCH_FILE}", "--format", "json"])
    [winner] = json.loads(again.stdout)
    assert winner["network"] in (1, 2, 3)
    assert winner["objective"] == pytest.approx(winner["top1"] * (winner["cost"] / 60e3) ** -0.07)
    assert "trial 1/" not in again.stderr
    plan = run.invoke(main, ["plan", "specs/x.yaml"])
    assert plan.exit_code == 0, plan.output
    assert "baseline" in plan.stdout
    drawn = run.invoke(main, ["plot", "x-search", "--figure", "search-front", "--format", "png"])
    assert drawn.exit_code == 0, drawn.output
    refused = run.invoke(main, ["recommend", "x-search"])
    assert "is a search for a baseline" in refused.stderr
    reported = run.invoke(main, ["report", "x-search"])
    assert reported.exit_code == 0, reported.output
    page = Path("results/x-search/report.html").read_text(encoding="utf-8")
    assert result.stdout.splitlines()[0] in page
    assert "All 3 networks" in page
    assert "scalegrid sweep --baseline results/x-search/found.yaml" in page
    assert run.invoke(main, ["status", "x-search"]).exit_code == 0


def test_a_plain_number_in_yaml_is_flops(folder: Path) -> None:
    path = folder / "specs" / "x.yaml"
    path.write_text(SPEC.replace("60k", "60000"))
    assert read_spec(path, {}).objective.target.amount == 60_000


def test_another_executor_does_without_the_settings_of_that_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "executor: ray\nray_address: auto\nsearch:\n  executor: slurm\n  slurm: time=3\n"
    )
    found = [read_spec(path, flags) for flags in ({}, {"executor": "local"})]
    assert [(one.executor, one.slurm, one.ray_address) for one in found] == [
        ("slurm", "time=3", None),
        ("local", None, None),
    ]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--searcher", "tpee"], "did you mean 'tpe'?"),
        (["--target", "many"], "target must be FLOPs, parameters or a latency"),
        (["--space", "none.yaml"], "cannot read the space none.yaml"),
        (["--window", "2", "3"], "window should be less than or equal to 1 (given 2.0)"),
        (["--exponent", "0.07"], "exponent should be less than or equal to 0"),
        (["--trials", "0"], "trials should be greater than 0"),
    ],
)
def test_bad_flags_are_one_sentence(folder: Path, flags: list[str], words: str) -> None:
    result = CliRunner().invoke(main, ["search", *flags])
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.strip().count("\n") == 0


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  trials: 3", "  trails: 3", "search: unknown key 'trails'; did you mean 'trials'?"),
        ("  trials: 3", "  candidates: 3", "search: unknown key 'candidates'"),
        ("candidates: 4", "candidate: 4", "unknown key 'candidate'"),
        ("  trials: 3", "  trials: many", "search: trials should be a valid integer"),
    ],
)
def test_a_wrong_specification_is_one_sentence(
    folder: Path, old: str, new: str, words: str
) -> None:
    path = folder / "specs" / "x.yaml"
    path.write_text(SPEC.replace(old, new))
    result = CliRunner().invoke(main, ["search", "specs/x.yaml"])
    assert result.exit_code == 2
    assert words in result.stderr
