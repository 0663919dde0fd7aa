"""Tables and sentences on terminals of any width."""

from __future__ import annotations

import io
import re

import pytest

from scalegrid.cli.output import print_lines, print_table

ROWS = [
    {"variant": "5ed34325d373", "α": "1.000", "px": "32", "top-1": "63.98 %", "best": "< 1 %"},
    {"variant": "d65190f233b9", "α": "1.167", "px": "40", "top-1": "63.64 %", "best": "92 %"},
]


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def shown(width: int, monkeypatch: pytest.MonkeyPatch, least: tuple[str, ...]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    out = Terminal()
    print_table(ROWS, out, least=least)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_wide_terminal_shows_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(shown(60, monkeypatch, ("variant", "px")))
    assert all(cell in text for row in ROWS for cell in row.values())
    assert "wider" not in text


def test_a_narrow_one_leaves_out_what_tells_least_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shown(28, monkeypatch, ("variant", "px"))
    assert "A wider terminal shows also:" in " ".join(lines)
    text = "\n".join(lines)
    assert all(len(re.sub(r"\x1b\[\d*m", "", line)) <= 28 for line in lines)
    assert "5ed34325d373" not in text
    assert all(row[key] in text for row in ROWS for key in ("α", "px", "top-1", "best"))


@pytest.mark.parametrize("width", range(1, 40, 6))
def test_no_number_is_ever_cut(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(shown(width, monkeypatch, ("variant", "px")))
    assert "…" not in text
    assert all(row[key] in text for row in ROWS for key in ("α", "top-1", "best"))


def test_a_file_gets_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = io.StringIO()
    print_table(ROWS, out, least=("variant",))
    print_lines(["word " * 30], out)
    assert "5ed34325d373" in out.getvalue()
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) == 150
    assert not any(line.endswith(" ") for line in lines[:-1])


def test_sentences_are_broken_between_words_and_commands_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    print_lines(
        ["A sentence of more than twenty characters.", "  scalegrid sweep a-b --seeds 2"], out
    )
    lines = out.getvalue().splitlines()
    assert lines[:2] == ["A sentence of more", "than twenty"]
    assert lines[-1] == "  scalegrid sweep a-b --seeds 2"
