"""Names, and the errors for names that are wrong."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scalegrid import baselines
from scalegrid.baselines import registry
from scalegrid.baselines.families import B0_STAGES
from scalegrid.util.errors import UserError

SWEEPS = Path(__file__).parents[2] / "sweeps"
POCKET = SWEEPS / "networks" / "pocket.yaml"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bo", "did you mean 'b0'"),
        ("resnet55", "did you mean 'resnet50'"),
        ("MobileNetV2", "did you mean 'mobilenetv2'"),
        ("efficientnet_b0", "say 'timm/efficientnet_b0'"),
        ("%%%", "package.module:factory"),
        ("timm/resnet50000", "did you mean 'timm/resnet"),
        ("", "unknown baseline ''"),
    ],
)
def test_an_unknown_name_is_answered_with_what_was_meant(name: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        baselines.get(name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lonely.net", "for a function of lonely.py say lonely:net."),
        ("lonely", "for a function of lonely.py say lonely:FUNCTION."),
        ("sub/lonely.py", "for a function of sub/lonely.py say sub/lonely:FUNCTION."),
        ("lonely.py:f", "; say lonely:f."),
        ("sub/lonely.py:f", "; say sub/lonely:f."),
        ("absent.py:f", "on the import path."),
        ("x" * 300, "unknown baseline"),
    ],
)
def test_the_answer_says_how_a_file_of_that_name_is_given(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("sub").mkdir()
    for file in ("lonely.py", "sub/lonely.py"):
        Path(file).write_text("def f(depth, width, num_classes): ...\n")
    with pytest.raises(UserError) as error:
        baselines.get(name)
    sys.modules.pop("lonely", None)
    assert message in str(error.value)


def test_every_listed_name_is_found() -> None:
    assert [baselines.get(name).name for name in baselines.names()] == baselines.names()


def test_the_promised_families_are_there() -> None:
    names = set(baselines.names())
    assert {f"b{i}" for i in range(8)} <= names
    assert {"mobilenetv1", "mobilenetv2", "mobilenetv3_small", "mobilenetv3_large"} <= names
    assert {f"resnet{n}" for n in (18, 34, 50, 101, 152)} <= names
    assert {"nano", "lite0", "mnasnet_a1", "regnetx_004", "convnext_atto"} <= names


def test_the_list_needs_neither_torch_nor_timm() -> None:
    code = (
        "import sys; from scalegrid import baselines; baselines.listing(); baselines.names(); "
        "baselines.get('b0'); print('torch' in sys.modules or 'timm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


class Offered:
    """What an installed package may name in its entry points."""

    blocks = baselines.BUILT_IN["b0"]

    @staticmethod
    def factory(depth: float, width: float, num_classes: int) -> Any:
        from torch import nn

        return nn.Sequential(nn.Conv2d(3, round(8 * width), 3), nn.Flatten())

    number = 3
    incomplete = SimpleNamespace(layout=None, build=None)


def offer(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    point = EntryPoint("theirs", value, registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])


def test_an_installed_package_adds_a_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{__name__}:Offered.blocks")
    assert baselines.get("theirs").layout(1, 1)[0].channels == 32
    assert baselines.families()["installed"] == ["theirs"]
    assert baselines.listing()[-1] == ("installed", "theirs", None, None, None)


def test_an_installed_package_adds_a_factory(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{__name__}:Offered.factory")
    baseline = baselines.get("theirs")
    assert baseline.channels(1) != baseline.channels(2)


@pytest.mark.parametrize(
    "value",
    [f"{__name__}:Offered.{what}" for what in ("number", "incomplete")] + ["nowhere_at_all:x"],
)
def test_a_bad_offer_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    offer(monkeypatch, value)
    with pytest.raises(UserError, match="'theirs' of an installed package"):
        baselines.get("theirs")


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("b0", "built-in"),
        ("resnet18", "built-in"),
        (str(POCKET), "yaml"),
        ("timm/resnet10t", "timm"),
        ("timm/regnetz_005", "timm"),
        ("plainnet:plainnet", "code"),
    ],
)
def test_every_kind_of_baseline_has_all_members(
    name: str, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(SWEEPS))
    baseline = baselines.get(name)
    assert isinstance(baseline, baselines.Baseline)
    assert baseline.origin == origin


def test_the_nearest_name_may_be_an_installed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, f"{__name__}:Offered.blocks")
    with pytest.raises(UserError, match="did you mean 'theirs'"):
        baselines.get("their")


def test_a_definition_beside_the_specification_is_located(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("specs")
    folder.mkdir()
    lines = "\n".join(f"- {stage[0]}" for stage in B0_STAGES)
    (folder / "net.yaml").write_text(f"resolution: 64\nstages:\n{lines}\n")
    assert baselines.locate("net.yaml", folder) == "specs/net.yaml"
    assert baselines.get("specs/net.yaml").total_stride == 32
    assert baselines.locate("b0", folder) == "b0"
    (tmp_path / "net.yaml").write_text("")
    assert baselines.locate("net.yaml", folder) == "net.yaml"
