"""A sweep and its recommendation in a notebook: the words of the command line, escaped."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from scalegrid.cli.main import main
from scalegrid.results import SweepTables, load_sweep

PUBLISHED = str(Path(__file__).parents[2] / "results" / "published")
NAME = "nano-cifar10-32"
EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """The tags of a piece of HTML, and its texts in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def tables() -> SweepTables:
    return load_sweep(NAME, PUBLISHED)


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """The lines that `scalegrid recommend` prints."""
    shown = CliRunner().invoke(main, ["recommend", NAME, "--results", PUBLISHED])
    return shown.stdout.splitlines()


def test_a_sweep_shows_its_name_what_it_is_and_its_verdict(
    tables: SweepTables, printed: list[str]
) -> None:
    texts = Page(tables._repr_html_()).texts
    assert texts[0] == NAME
    for fact in ("nano, 32 px", "data/cifar10-25k", "9, all trained", "76 finished, 0 failed"):
        assert fact in texts
        assert fact in repr(tables)
    assert texts[-1] == printed[0]
    assert len(repr(tables)) < 200


def test_a_recommendation_shows_what_recommend_prints(
    tables: SweepTables, printed: list[str]
) -> None:
    found = tables.recommend()
    end = printed.index("")
    assert repr(found).splitlines() == printed[:end]
    texts = Page(found._repr_html_()).texts
    assert texts[:end] == printed[:end]
    cells = " ".join(" ".join(printed[end:]).replace("─", "").split())
    assert " ".join(filter(None, texts[end:])) == cells


def test_what_users_name_stays_text(tables: SweepTables) -> None:
    trials = tables.trials.assign(device=["one", EVIL] * (len(tables.trials) // 2))
    spec = {**tables.spec, "baseline": EVIL, "data": EVIL}
    evil = replace(tables, folder=Path(EVIL.replace("/", "")), spec=spec, trials=trials)
    for html in (evil._repr_html_(), evil.recommend()._repr_html_()):
        page = Page(html)
        assert "script" not in page.tags
        assert "<script>" in "".join(page.texts)


def test_without_a_finished_trial_it_says_so(tables: SweepTables) -> None:
    html = replace(tables, trials=tables.trials.head(0))._repr_html_()
    texts = Page(html).texts
    assert "9, 9 without a finished trial" in texts
    assert texts[-1].startswith("Nothing can be recommended yet: no candidate")
