"""The page in a real browser: it works, and can be read by anybody on any screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scalegrid.report import print_pdf, write_report
from scalegrid.report.pdf import BROWSERS
from scalegrid.results import load_sweep

BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PUBLISHED = Path(__file__).parent.parent.parent / "results" / "published"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no browser"),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    return write_report(load_sweep("b0-leaves-36", PUBLISHED), folder / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any, path: Path) -> Iterator[Any]:
    """The page at 1280 px; nothing may be complained of, or loaded from elsewhere."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("requestfailed", lambda request: complaints.append(request.url))
    opened.goto(path.as_uri())
    yield opened
    assert complaints == []
    opened.close()


def column(page: Any, name: str) -> list[str]:
    heads = page.locator("#variants thead th").all_inner_texts()
    at = [head.split(" ▲")[0].split(" ▼")[0] for head in heads].index(name) + 1
    cells: list[str] = page.locator(
        f"#variants tbody tr:visible :is(td, th):nth-child({at})"
    ).all_inner_texts()
    return cells


def test_columns_sort_by_their_numbers(page: Any) -> None:
    before = column(page, "px")
    button = page.get_by_role("button", name="px", exact=True)
    button.focus()
    page.keyboard.press("Enter")  # a keyboard is enough
    assert [int(px) for px in column(page, "px")] == sorted(map(int, before))
    assert page.locator("th[aria-sort=ascending]").count() == 1
    button.click()
    assert [int(px) for px in column(page, "px")] == sorted(map(int, before), reverse=True)
    page.get_by_role("button", name="best", exact=True).click()
    shown = column(page, "best")
    known = [text for text in shown if text != "–"]
    assert shown == known + ["–"] * (len(shown) - len(known))
    chances = [0.5 if text.startswith("<") else float(text.split()[0]) for text in known]
    assert chances == sorted(chances)


def test_rows_can_be_filtered(page: Any) -> None:
    rows = page.locator("#variants tbody tr")
    every = rows.count()
    page.get_by_label("Show rows that contain").fill("width")
    assert 0 < page.locator("#variants tbody tr:visible").count() < every
    assert f" of {every}" in page.locator("#shown").inner_text()
    page.get_by_label("Show rows that contain").fill("")
    assert page.locator("#variants tbody tr:visible").count() == every


def test_points_say_what_they_are(page: Any) -> None:
    titles = page.locator("#figure-triangle svg title").all_text_contents()
    families = [title for title in titles if "as published" in title]
    networks = [title for title in titles if title not in families]
    assert len(networks) >= 7
    assert all("px" in title and "top-1" in title for title in networks)
    assert all("twice the FLOPs: α" in title for title in families)


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (390, "dark"),
        (1280, "light"),
        pytest.param(390, "light", marks=pytest.mark.slow),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
    ],
)
def test_it_fits_and_can_be_read(page: Any, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page)
    serious = [
        f"{one['id']}: {one['nodes'][0]['html'][:120]}"
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_dark_page_is_dark(page: Any) -> None:
    page.emulate_media(color_scheme="dark")
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('figure svg')).color]"
    )
    back, ink = (sum(map(int, c[c.index("(") + 1 : -1].split(",")[:3])) / 3 for c in colours)
    assert back < 60
    assert ink > 190


def test_without_scripts_everything_is_there(browser: Any, path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    variants = load_sweep("b0-leaves-36", PUBLISHED).variants
    assert page.locator("#variants tbody tr").count() == len(variants)
    assert page.locator("figure svg").count() >= 3
    assert not page.get_by_label("Show rows that contain").is_visible()
    context.close()


def test_it_is_printed(path: Path) -> None:
    pdf = print_pdf(path)
    assert pdf.read_bytes().startswith(b"%PDF")
