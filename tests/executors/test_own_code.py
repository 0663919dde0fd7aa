"""What of a user's own travels to other machines; Ray itself is in test_on_ray.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scalegrid.data import CachedData
from scalegrid.executors import own_code as module
from scalegrid.executors import placement_for
from scalegrid.executors.lacking import lacking
from scalegrid.executors.own_code import copied, own_code
from scalegrid.spec import Recipe, SweepSpec
from scalegrid.training.trial import Trial
from scalegrid.util.errors import UserError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with own code, and with much that is none."""
    here = tmp_path / "project"
    for name in (
        *("net.yaml", "models/big/net.py", "models/big/__init__.py", "models/beside.py"),
        *("train.py", "helpers/__init__.py", "helpers/table.csv", "helpers/__pycache__/x.pyc"),
        *("results/a/trials.parquet", "images/ant/1.png", ".git/config", "notes.txt"),
    ):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_text("x = 1\n")
    monkeypatch.chdir(here)
    return here


def travelled(into: Path, **settings: object) -> dict[str, set[str]]:
    """The files in the folder of copies, and the names by which they are found there."""
    some = own_code(SweepSpec.model_validate(settings))
    copied(some, into)
    files = {path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()}
    return {"files": files, "names": {one.there for one in some}}


def test_a_definition_travels_alone(project: Path, tmp_path: Path) -> None:
    assert travelled(tmp_path / "to", baseline="net.yaml") == {
        "files": {"net.yaml"},
        "names": {"net.yaml"},
    }
    elsewhere = str(project / "net.yaml")
    assert travelled(tmp_path / "other", baseline=elsewhere) == {
        "files": {"outside/net.yaml"},
        "names": {"outside/net.yaml"},
    }


def test_modules_travel_with_those_beside_them_and_nothing_else(
    project: Path, tmp_path: Path
) -> None:
    assert travelled(tmp_path / "to", baseline="models/big.net:make", trainer="train:run") == {
        "files": {
            *("models/big/__init__.py", "models/big/net.py", "models/beside.py"),
            *("train.py", "helpers/__init__.py", "helpers/table.csv"),
        },
        "names": {"models/big.net:make", "train:run"},
    }
    outside = f"{project}/models/big.net:make"
    assert travelled(tmp_path / "other", baseline=outside)["names"] == {"outside/big.net:make"}


def test_what_is_built_in_or_installed_stays(project: Path, tmp_path: Path) -> None:
    for name in ("b0", "timm/resnet18", "timm.models.resnet:resnet18", '{"stages": "a:b"}'):
        assert own_code(SweepSpec(baseline=name)) == []


@pytest.mark.parametrize(
    ("baseline", "missing"),
    [
        ("b0", []),
        ('{"stages": "a:b"}', []),
        ("net.yaml", []),
        ("none.yaml", ["the file "]),
        ("models/big.net:make", []),
        ("models/none.net:make", ["the module none, in "]),
    ],
)
def test_what_a_node_needs_to_see_is_named(
    project: Path, baseline: str, missing: list[str]
) -> None:
    data = CachedData(project, "f", 10, (32,))
    described = Trial("t", "v", 0, baseline, 1.0, 1.0, 32, data, Recipe(epochs=1))
    found = lacking(described)
    assert [one.startswith(words) for one, words in zip(found, missing, strict=True)] == [
        True for _ in missing
    ]


def test_too_much_code_is_refused(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    with pytest.raises(UserError, match=r"travel to the nodes with train:run, take more than"):
        travelled(tmp_path / "to", baseline="b0", trainer="train:run")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"^--executor ray needs Ray, which is not installed; pip"):
        placement_for(SweepSpec(baseline="nano", executor="ray"))


def test_the_engine_needs_neither_torch_nor_ray_to_be_imported() -> None:
    code = (
        "import sys, scalegrid.executors.on_ray; print({'torch', 'ray'}.intersection(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n", found.stderr
