"""The README's commands and code, run in the order in which a reader would."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from scalegrid.cli.main import main
from scalegrid.results import schema as tables

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(console|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
BRIEF = (
    "--train-images 48 --val-images 24 --batch-size 16 --epochs 1 --candidates 4 --resolution 32 "
    "--max-trials 8"
)
LIMITS = ("--max-trials",)


def run(command: str) -> None:
    """Run one command of the README, a sweep or plan of it on few and small images."""
    for part in command.split(" && "):
        words = shlex.split(part)
        if words[0] in ("pip", "ruff", "mypy", "pytest"):
            continue  # what runs this test
        assert words[0] == "scalegrid", part
        if words[1] in ("sweep", "plan"):
            # Those given last win; a limit is made smaller, and where there is none stays away.
            brief = [p for p in _pairs(BRIEF) if p[0] not in words or p[0] in LIMITS]
            words += [
                w for pair in brief if pair[0] not in LIMITS or pair[0] in words for w in pair
            ]
        result = CliRunner().invoke(main, words[1:])
        assert result.exit_code == 0, f"{part}\n{result.output}\n{result.exception}"
        assert result.output


def _pairs(flags: str) -> list[tuple[str, str]]:
    words = flags.split()
    return list(zip(words[::2], words[1::2], strict=True))


def test_every_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scalegrid.sweep.machine_rate", lambda *_: None)  # see test_timing
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "sweeps").symlink_to(ROOT / "sweeps")
    for language, text in BLOCKS:
        if language == "console":
            for command in text.splitlines():
                run(command)
        elif "def mynet" in text:
            Path("mynet.py").write_text(text)
        else:
            exec(compile(text, "README.md", "exec"), {})
            assert "best with probability" in capsys.readouterr().out
    for figure in ("accuracy-flops", "single-axis", "triangle", "ranking", "architecture"):
        assert (tmp_path / "results/mynet/figures" / f"{figure}.png").stat().st_size > 10_000
    assert (tmp_path / "pictures/plan.png").exists()


def test_the_own_network_is_about_forty_lines() -> None:
    (code,) = (text for language, text in BLOCKS if "def mynet" in text)
    assert len(code.splitlines()) <= 45


@pytest.mark.parametrize("schema", [tables.VARIANTS, tables.TRIALS, tables.HISTORY])
def test_every_column_is_documented(schema: object) -> None:
    for field in schema:  # type: ignore[attr-defined]
        meaning = field.metadata[b"description"].decode()
        assert f"| `{field.name}` | {field.type} | {meaning} |" in README


def test_links_and_pictures_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
