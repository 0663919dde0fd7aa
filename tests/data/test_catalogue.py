from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from data_helpers import make_classes

import scalegrid.data
from scalegrid.data import open_source
from scalegrid.util.errors import UserError


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
            "'cifr10' is neither a folder nor the name of a data set; did you mean 'cifar10'",
        ),
        ("Glyphs", "did you mean 'glyphs'"),
        ("/no/such/place", "'/no/such/place' is neither.*give a folder, or one of glyphs, cifar10"),
        (__file__, "is a file; give a folder"),
    ],
)
def test_what_is_no_data_set_is_refused(data: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        open_source(data)


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys; from scalegrid.data import open_source; open_source('glyphs');"
        "print({'torch', 'torchvision', 'timm', 'pandas'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


@pytest.mark.parametrize("name", scalegrid.data.__all__)
def test_everything_promised_is_there(name: str) -> None:
    assert getattr(scalegrid.data, name) is not None


def test_nothing_else_is_there() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        scalegrid.data.nonsense  # noqa: B018
