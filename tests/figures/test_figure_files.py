from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from figure_tables import plan, train, with_history, with_widths
from PIL import Image

from scalegrid.figures import FIGURES, draw, draw_plans, style
from scalegrid.util.errors import UserError

TABLES = with_history(train(with_widths(plan(grid=5, factors=(2.0, 3.0))), seeds=2), epochs=3)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("results") / "new" / "figures"
    return draw(None, TABLES, folder, ("png", "svg"))


def test_every_figure_is_written_with_its_caption(paths: list[Path]) -> None:
    suffixes = ("png", "svg", "txt")
    there = [name for name in FIGURES if name != "rungs"]  # all trials are brief
    assert [p.name for p in paths] == [f"{n}.{f}" for n in there for f in suffixes]
    for path in paths:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert image.info["dpi"][0] == pytest.approx(300, abs=1)
                assert image.width == pytest.approx(300 * 85 / 25.4, abs=1)
                assert np.asarray(image)[0, 0, 3] == 0  # transparent
        elif path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            assert len(path.read_text(encoding="utf-8").splitlines()) >= 3
    assert sorted(path.parent.iterdir()) == sorted(paths)


def test_equal_tables_give_equal_bytes(paths: list[Path], tmp_path: Path) -> None:
    for path in draw(["scaling", "triangle"], TABLES, tmp_path, ("png", "svg")):
        assert path.read_bytes() == (paths[0].parent / path.name).read_bytes()
    (once, _), (again, _) = (
        draw(["ranking"], TABLES, tmp_path / name, ("pdf",)) for name in ("once", "again")
    )
    assert once.read_bytes() == again.read_bytes()
    assert once.read_bytes().startswith(b"%PDF")


def test_threads_and_user_settings_have_no_influence(paths: list[Path], tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        with ThreadPoolExecutor(3) as pool:
            folders = [tmp_path / str(i) for i in range(3)]
            list(pool.map(lambda f: draw(["ranking"], TABLES, f, ("svg",)), folders))
        assert dict(matplotlib.rcParams) == before
    alone = (paths[0].parent / "ranking.svg").read_bytes()
    assert all((f / "ranking.svg").read_bytes() == alone for f in folders)


def test_only_the_named_figures_are_drawn_each_once(tmp_path: Path) -> None:
    paths = draw(["axes", "axes"], TABLES, tmp_path, ("svg",))
    assert [p.name for p in paths] == ["axes.svg", "axes.txt"]


def test_figures_without_data_are_left_out_with_a_warning(tmp_path: Path) -> None:
    untrained = train(plan(grid=5))
    untrained.trials["status"] = "failed"
    warnings: list[str] = []
    paths = draw(None, untrained, tmp_path, ("svg",), warn=warnings.append)
    assert [p.name for p in paths] == ["architecture.svg", "architecture.txt"]
    named = [re.split(", | and ", s.split(":")[0].removeprefix("cannot draw ")) for s in warnings]
    assert sorted(chain(*named)) == sorted(set(FIGURES) - {"architecture"})
    reasons = [s.split(":", 1)[1] for s in warnings]
    assert len(set(reasons)) == len(reasons) < len(FIGURES) - 1  # each is said once


def test_a_named_figure_without_data_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    untrained = train(plan(grid=5))
    untrained.trials["status"] = "failed"
    with pytest.raises(UserError, match="no trial has finished"):
        draw(["architecture", "scaling"], untrained, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_no_figure_at_all_is_an_error(tmp_path: Path) -> None:
    tables = train(plan())
    alone = tables.where_variants(tables.variants["role"] == "baseline")
    with pytest.raises(UserError, match=r"cannot draw equal-cost, .*: nothing can be recom"):
        draw(None, alone, tmp_path)


@pytest.mark.parametrize(
    ("names", "formats", "message"),
    [
        (["equalcost"], ["png"], "unknown figure 'equalcost'; did you mean 'equal-cost'?"),
        (["qqq"], ["png"], "unknown figure 'qqq'; there are equal-cost, difference"),
        (None, ["sgv"], "unknown format 'sgv'; did you mean 'svg'?"),
    ],
)
def test_unknown_names_are_errors(
    names: list[str] | None, formats: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        draw(names, TABLES, tmp_path, formats)
    assert str(caught.value).startswith(message)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write figures to .*file"):
        draw(["ranking"], TABLES, tmp_path / "file", ("svg",))


def test_an_svg_follows_the_page_and_its_text_stays_text(paths: list[Path]) -> None:
    for path in paths:
        if path.suffix == ".svg":
            text = path.read_text(encoding="utf-8")
            root = ElementTree.fromstring(text)
            assert root.get("class") == "scalegrid"
            assert "prefers-color-scheme: dark" in text
            assert f".scalegrid {{color: {style.INK['light']}}}" in text
            # Its ink is set once, on the root, and taken from there.
            assert text.count(style.INK["light"]) == 1
            assert "currentColor" in text
            words = [node.text or "" for node in root.iter() if node.tag.endswith("}text")]
            assert any(word.strip() for word in words)
            assert "sans-serif" in text


def test_a_theme_fixes_the_ink(tmp_path: Path) -> None:
    draw(["ranking"], TABLES, tmp_path / "dark", ("png", "svg"), theme="dark")
    text = (tmp_path / "dark" / "ranking.svg").read_text(encoding="utf-8")
    assert "prefers-color-scheme" not in text
    assert f".scalegrid {{color: {style.INK['dark']}}}" in text
    with Image.open(tmp_path / "dark" / "ranking.png") as image:
        pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    seen = {
        tuple(pixel) for pixel in np.unique(pixels[pixels[:, 3] == 255], axis=0)[:, :3].tolist()
    }
    assert (0xE6, 0xE6, 0xE6) in seen
    assert (0x22, 0x22, 0x22) not in seen


def test_plans_are_written_too(tmp_path: Path) -> None:
    plans = {"classic": plan(grid=20), "matched": plan(grid=9)}
    paths = draw_plans(plans, tmp_path, ("png", "svg"))
    assert [p.name for p in paths] == ["plan.png", "plan.svg", "plan.txt"]
    assert all(p.stat().st_size for p in paths)


def test_importing_is_quick_and_drawing_needs_neither_torch_nor_pyplot(tmp_path: Path) -> None:
    code = f"""
import sys
import scalegrid.figures
assert not {{"matplotlib", "pandas", "scipy"}} & set(sys.modules)
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from figure_tables import plan, train
names, folder = ["ranking", "triangle"], Path({str(tmp_path)!r})
scalegrid.figures.draw(names, train(plan(grid=3)), folder, ("svg",))
assert not {{"torch", "matplotlib.pyplot"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
