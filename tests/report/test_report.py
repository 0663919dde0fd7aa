"""The page of a sweep: all of it in one file, from the tables, with every text escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from threading import Timer

import pytest
from click.testing import CliRunner
from light_sweep import light_spec, run_light_sweep

from scalegrid.analysis import recommend_as_planned, sentences
from scalegrid.cli.main import main
from scalegrid.progress.status import Status, write_status
from scalegrid.report import print_pdf, watch_report, write_report
from scalegrid.report.contents import FIGURES
from scalegrid.report.inline import inline
from scalegrid.results import SweepTables, load_sweep
from scalegrid.util.errors import UserError

PUBLISHED = Path(__file__).parent.parent.parent / "results" / "published"
HOSTILE = "<script>alert('x')</script>&\"<img src=x onerror=alert(1)>"


class Reader(HTMLParser):
    """The texts of a page by the elements that hold them, and what it loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0
        self.loads: list[str] = []
        self.text: list[str] = []
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.scripts += tag == "script"
        given = dict(attrs)
        self.loads += [
            str(given[name])
            for name in ("src", "href", "xlink:href", "data", "srcset")
            if given.get(name) and not str(given[name]).startswith(("#", "data:image/png"))
        ]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text.append(data.strip())
            if {"td", "th"} & set(self.open):
                self.cells.append(data.strip())

    @property
    def said(self) -> str:
        return " ".join(filter(None, self.text))


@pytest.fixture(scope="module")
def published() -> SweepTables:
    return load_sweep("nano-leaves-32", PUBLISHED)


@pytest.fixture(scope="module")
def page(published: SweepTables, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = write_report(published, tmp_path_factory.mktemp("page") / "report.html")
    return path.read_text(encoding="utf-8")


@pytest.fixture
def one_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what does not depend on the figures, which take most of the time of a page."""
    monkeypatch.setattr("scalegrid.report.contents.FIGURES", ("difference",))


def test_it_says_what_recommend_says(published: SweepTables, page: str) -> None:
    found = recommend_as_planned(
        published.planned, published.trials, published.spec, answers=published.answered
    )
    said = Reader(page).said
    assert all(line in said for line in sentences(found)[:5])
    assert "scalegrid sweep " in said
    assert "--max-trials" in said


def test_it_begins_with_what_it_is_of(page: str) -> None:
    said = "coefficients of nano at 32 px, trained briefly on leaves, for 12,800 images<"
    assert page.index(said) < page.index("<h1>")


def test_it_lists_every_variant_with_its_cost(published: SweepTables, page: str) -> None:
    cells = set(Reader(page).cells)
    assert set(published.planned["variant"]) <= cells
    assert {f"{ratio:.3f}×" for ratio in published.planned["flops_ratio"]} <= cells


@pytest.mark.usefixtures("one_figure")
def test_the_metric_that_decides_is_beside_top_1_and_old_tables_are_read_rightly(
    published: SweepTables, page: str, tmp_path: Path
) -> None:
    spec = {**published.spec, "metric": "val_loss"}
    written = write_report(replace(published, spec=spec), tmp_path / "page.html")
    cells = Reader(written.read_text(encoding="utf-8")).cells
    seeds, first, second, *_ = cells[cells.index("seeds", cells.index("role")) :]
    assert (seeds, first, second) == ("seeds", "validation loss", "top-1")
    finished = published.trials[published.trials["status"] == "finished"]
    means = finished.groupby("variant")[["val_loss", "top1"]].mean()
    assert {f"{mean:.4f}" for mean in means["val_loss"]} <= set(cells)
    assert {f"{100 * mean:.2f} %" for mean in means["top1"]} <= set(cells)
    assert "validation loss" not in Reader(page).cells
    # Its role `paper` is that of the nearest network of equal cost.
    assert "≈ paper" in cells
    assert "paper" not in cells


def test_it_is_one_file(page: str) -> None:
    reader = Reader(page)
    assert reader.loads == []
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    assert page.count("<svg ") == len(FIGURES)


def test_ids_are_once_each_and_every_reference_has_its_target(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', page)) <= set(ids)


def test_equal_tables_give_equal_pages(published: SweepTables, tmp_path: Path, page: str) -> None:
    again = write_report(published, tmp_path / "again.html").read_text(encoding="utf-8")
    assert again == page


def test_texts_of_users_stay_texts(published: SweepTables, tmp_path: Path) -> None:
    trials = published.trials.copy()
    trials.loc[trials.index[0], ["status", "error"]] = ["failed", HOSTILE]
    spec = {**published.spec, "data": HOSTILE, "baseline": HOSTILE}
    planned = published.planned.copy()
    planned["layout"] = planned["layout"].str.replace('"operator": "', f'"operator": "{"<b>"}')
    hostile = replace(
        published, spec=spec, trials=trials, planned=planned, folder=tmp_path / "<i>x</i>"
    )
    page = write_report(hostile, tmp_path / "page.html").read_text(encoding="utf-8")
    reader = Reader(page)
    assert reader.scripts == 1  # its own
    assert "alert('x')" in reader.said
    assert "<img" not in page
    assert "<i>" not in page
    assert "<b>" not in page


def test_before_anything_can_be_recommended_it_says_so(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, seeds=1, candidates=4))
    tables = load_sweep(None, tmp_path)
    none = replace(tables, trials=tables.trials.iloc[:0], history=tables.history.iloc[:0])
    page = write_report(none, tmp_path / "page.html").read_text(encoding="utf-8")
    said = Reader(page).said
    assert "Nothing can be recommended yet" in said
    assert "All 4 variants" in said


@pytest.mark.slow
def test_two_hundred_variants_are_under_three_megabytes(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, seeds=2, candidates=200))
    path = write_report(load_sweep(None, tmp_path))
    assert path == next(tmp_path.glob("*/report.html"))
    assert path.stat().st_size < 3e6


@pytest.mark.usefixtures("one_figure")
def test_a_page_that_is_watched_follows_the_trials(
    published: SweepTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_light_sweep(light_spec(tmp_path, seeds=1, candidates=4, name="one"))
    folder = tmp_path / "one"
    write_status(folder, Status("one", "running", 1, 0, 4, updated_at=2e10))
    spec = (folder / "sweep.yaml").rename(folder / "not-yet.yaml")
    Timer(0.2, lambda: spec.rename(folder / "sweep.yaml")).start()  # the rate has been found
    looks = watch_report(folder, pause=0.01)
    page = next(looks).read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="10">' in page
    write_status(folder, Status("one", "finished", 4, 0, 4))
    assert list(looks) == []
    assert "refresh" not in write_report(load_sweep("one", tmp_path)).read_text(encoding="utf-8")


@pytest.mark.usefixtures("one_figure")
def test_the_command_writes_the_page(tmp_path: Path) -> None:
    run_light_sweep(light_spec(tmp_path, seeds=2, candidates=4))
    ran = CliRunner().invoke(main, ["report", "--results", str(tmp_path)])
    assert ran.exit_code == 0
    assert Path(ran.stdout.strip()).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    ran = CliRunner().invoke(
        main, ["report", "--results", str(tmp_path), "--output", str(tmp_path / "no" / "x.html")]
    )
    assert ran.exit_code == 2
    assert "cannot write" in ran.stderr
    for name in (tmp_path, Path()):  # folders
        with pytest.raises(UserError, match="choose another --output"):
            write_report(load_sweep(None, tmp_path), name)


def test_without_a_browser_no_pdf_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"none of chromium, .* is on PATH"):
        print_pdf(tmp_path / "page.html")


def test_names_in_a_figure_are_its_own() -> None:
    svg = (
        '<?xml version="1.0"?>\n<svg xmlns="x"><metadata>2026</metadata>'
        '<defs><path id="m1"/></defs><g id="variant-abc">'
        '<use xlink:href="#m1" clip-path="url(#p2)"/></g><clipPath id="p2"/></svg>'
    )
    found = inline(svg, "one", 'What "it" shows', {"variant-abc": "a < b"})
    assert found.startswith('<svg role="img" aria-label="What &quot;it&quot; shows" xmlns="x">')
    assert "<g><title>a &lt; b</title>" in found
    assert 'xlink:href="#one-m1" clip-path="url(#one-p2)"' in found
    assert '<clipPath id="one-p2"/>' in found
    assert "2026" not in found
