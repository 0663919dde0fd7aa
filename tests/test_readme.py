"""The commands and code of the README and of docs/tables.md, run in a reader's order."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

import scalegrid
from scalegrid.cli.main import main
from scalegrid.cli.options import spec_from_flags
from scalegrid.cli.sweep import sweep
from scalegrid.executors.inline import InlineExecutor
from scalegrid.results import schema as tables
from scalegrid.speed import Probed

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLES = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
[SEGMENT] = re.findall(
    r"^```python\n(import torch.*?)^```",
    (ROOT / "docs" / "trainer.md").read_text(encoding="utf-8"),
    re.MULTILINE | re.DOTALL,
)
BLOCKS = re.findall(
    r"^```(console|python|text)\n(.*?)^```", README + TABLES, re.MULTILINE | re.DOTALL
)
BRIEF: dict[str, Any] = {
    "train_images": 24,
    "val_images": 20,
    "batch_size": 24,
    "epochs": 1,
    "candidates": 4,
    "resolution": 32,
    "max_trials": 8,
    "workers": 1,
    "rates": "same",
    "check_learning": False,
}
LIMITS = ("max_trials",)


def run(command: str) -> str:
    """What a command of the README prints; sweeps and plans take few and small images."""
    output = ""
    for part in command.split(" && "):
        words = shlex.split(part)
        if words[0] in ("pip", "ruff", "mypy", "pytest"):
            continue  # what runs this test
        assert words[0] == "scalegrid", part
        if words[1] in ("sweep", "plan"):
            given = {word[2:].replace("-", "_") for word in words if word.startswith("--")}
            shorter = brief(given)
            if "trainer" in given:  # which has images and a recipe of its own
                shorter = {key: shorter[key] for key in ("candidates", "max_trials", "workers")}
            for key, value in shorter.items():
                flag = key.replace("_", "-")
                words += [f"--no-{flag}"] if value is False else [f"--{flag}", str(value)]
            if "cuda" in words and not torch.cuda.is_available():
                flags = dict(sweep.make_context("sweep", words[2:]).params)
                assert spec_from_flags(flags.pop("spec_file"), flags).device == "cuda"
                continue
        result = CliRunner().invoke(main, words[1:])
        assert result.exit_code == 0, f"{part}\n{result.output}\n{result.exception}"
        assert result.output
        output += result.output
    return output


def brief(given: set[str]) -> dict[str, Any]:
    """What shortens a sweep: a limit that is given becomes smaller, none is added."""
    return {key: n for key, n in BRIEF.items() if (key in given) == (key in LIMITS)}


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a reader, with the committed sweeps and specifications."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    # Both have tests of their own, and take seconds for each sweep.
    monkeypatch.setattr("scalegrid.sweep.probed", lambda plan, *_, **__: Probed(plan, None))
    monkeypatch.setattr("scalegrid.executors.local.LocalExecutor", lambda *_: InlineExecutor())
    (tmp_path / "sweeps").symlink_to(ROOT / "sweeps")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published").symlink_to(ROOT / "results" / "published")
    spec: Callable[..., object] = scalegrid.SweepSpec
    monkeypatch.setattr(
        scalegrid, "SweepSpec", lambda **given: spec(**{**given, **brief(set(given))})
    )
    return tmp_path


def test_every_example_runs(reader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = ""
    for language, text in BLOCKS:
        if language == "console":
            printed = "".join(run(command) for command in text.splitlines())
        elif language == "text":
            assert re.search(pattern(text), printed, re.DOTALL), printed
        elif "def mynet" in text:
            Path("mynet.py").write_text(text)
            fewer = SEGMENT.replace("range(100)", "range(2)").replace("discs(256", "discs(8")
            Path("segment.py").write_text(fewer)  # steps and images
        else:
            exec(compile(text, "README.md", "exec"), {"__name__": "__main__"})
            says = [word for word in ("best with probability", "are wrong in") if word in text]
            assert (says or ["Its coefficients: "])[0] in capsys.readouterr().out
    for figure in ("equal-cost", "difference", "ranking", "scaling", "triangle", "architecture"):
        assert (reader / "results/mynet/figures" / f"{figure}.png").stat().st_size > 10_000
    assert (reader / "results/plan.png").exists()


def pattern(shown: str) -> str:
    """Of an output as the README shows it: … is for what it leaves out, and spaces do not count."""
    words = re.sub("─+", "─", shown).split()
    return r"\s+".join(".*" if w == "…" else "─+" if w == "─" else re.escape(w) for w in words)


def test_the_own_network_is_about_forty_lines() -> None:
    (code,) = (text for language, text in BLOCKS if "def mynet" in text)
    assert len(code.splitlines()) <= 45


@pytest.mark.parametrize(
    "schema", [tables.VARIANTS, tables.TRIALS, tables.HISTORY, tables.ANSWERS, tables.NETWORKS]
)
def test_every_column_is_documented(schema: object) -> None:
    for field in schema:  # type: ignore[attr-defined]
        meaning = field.metadata[b"description"].decode()
        assert f"| `{field.name}` | {field.type} | {meaning} |" in TABLES


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))],
)
def test_links_and_pictures_exist(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / page).parent.joinpath(target).exists(), (
            target
        )


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 200
