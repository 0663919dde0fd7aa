from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from data_helpers import make_classes

import scalegrid.data
from scalegrid.data import open_source
from scalegrid.data.opening import data_root
from scalegrid.util.errors import UserError
from scalegrid.util.files import cache_notes, cache_root


def test_glyphs_by_name() -> None:
    source = open_source("glyphs", train_images=40, val_images=20)
    assert (source.name, source.num_train, source.num_val) == ("glyphs", 40, 20)


def test_a_folder_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_classes(tmp_path / "mnist", {"a": 3, "b": 3})
    assert open_source(str(tmp_path / "mnist")).num_train == 4
    monkeypatch.chdir(tmp_path)
    assert open_source("./mnist").class_names == ("a", "b")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_source("~/mnist").class_names == ("a", "b")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            "cifr10",
            "'cifr10' is neither a folder here nor the name of a data set; did you mean 'cifar10'",
        ),
        ("Glyphs", "did you mean 'glyphs'"),
        (
            "/no/such/place",
            "'/no/such/place' is neither.*give the path of a folder, or one of leaves, glyphs",
        ),
        (__file__, "is a file; give a folder"),
    ],
)
def test_anything_else_is_refused(data: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        open_source(data)


def test_caches_and_data_sets_have_folders_of_the_platform_or_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("SCALEGRID_CACHE", "XDG_CACHE_HOME", "SCALEGRID_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_root() == Path("/home/someone/.cache/scalegrid")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_root() == Path("/home/someone/.cache/scalegrid")
    monkeypatch.setenv("XDG_CACHE_HOME", "/fast")
    assert cache_root() == Path("/fast/scalegrid")
    assert data_root() == Path("/fast/scalegrid/datasets")
    monkeypatch.setenv("SCALEGRID_CACHE", "~/own")
    assert cache_root() == Path("/home/someone/own")
    monkeypatch.setenv("SCALEGRID_DATA", "/data")
    assert data_root() == Path("/data")


def test_without_a_home_directory_caches_are_temporary_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As for a user of a number alone, such as containers give."""
    for name in ("SCALEGRID_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cache_root().parent == tmp_path
    (note,) = cache_notes()
    assert "no home directory" in note
    assert str(cache_root()) in note
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "kept"))
    assert cache_notes() == []


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys; from scalegrid.data import open_source; open_source('glyphs');"
        "print({'torch', 'torchvision', 'timm', 'pandas'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("name", scalegrid.data.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(scalegrid.data, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        scalegrid.data.nonsense  # noqa: B018
