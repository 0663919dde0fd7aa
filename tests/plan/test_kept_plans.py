"""Plans of networks that have to be built are kept, and never mistaken for others."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scalegrid import baselines
from scalegrid.baselines import user_code
from scalegrid.plan import make_plan
from scalegrid.spec import SweepSpec

NETWORK = """
from torch import nn
from {helper} import layers

def network(depth, width, num_classes):
    c = round(8 * width)
    blocks = [nn.Conv2d(c, c, 3, padding=1) for _ in range(layers(depth))]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, num_classes)]
    return nn.Sequential(nn.Conv2d(3, c, 3, 2, 1), nn.Sequential(*blocks), *head)

network.resolution = 16
"""
HELPER = "import math\ndef layers(depth):\n    return math.ceil(4 * depth{power} - 1e-9)\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SCALEGRID_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    yield
    sys.path[:] = path


def write(power: str = "") -> None:
    Path("kept_helper.py").write_text(HELPER.format(power=power))
    Path("kept_network.py").write_text(NETWORK.format(helper="kept_helper"))
    for name in ("kept_helper", "kept_network"):
        sys.modules.pop(name, None)


def steps() -> list[tuple[str, float, float]]:
    """Layers of each variant, and the depth coefficients that realise them."""
    plan = make_plan(SweepSpec(baseline="kept_network:network", resolution_step=2))
    return [(v.layers, v.alpha_low, v.alpha_high) for v in plan.variants]


@pytest.mark.slow
def test_models_that_differ_in_layers_alone_have_plans_of_their_own() -> None:
    one, other = (
        make_plan(SweepSpec(baseline=f"timm/{name}", flops_factor=1.1)).variants[0]
        for name in ("regnetx_004", "regnetx_008")
    )
    assert one.layers != other.layers
    for variant, name in ((one, "regnetx_004"), (other, "regnetx_008")):
        layout = baselines.get(f"timm/{name}").layout(1, 1)
        assert variant.layers == "-".join(str(row.layers) for row in layout)


def test_a_change_in_an_imported_module_is_noticed() -> None:
    write()
    before = steps()
    assert steps() == before
    write("**1.5")
    after = steps()
    assert {layers for layers, *_ in after} & {layers for layers, *_ in before}
    assert after != before


COMMAND = """
import sys
from scalegrid.cli.main import main
main(["plan", "--format", "csv", *sys.argv[1:]], standalone_mode=False)
print({"torch", "timm"} & sys.modules.keys() or "no library", file=sys.stderr)
"""
OWN = ("--baseline", "kept_network:network", "--resolution-step", "2")


def shown(*arguments: str) -> tuple[str, str]:
    """What a process of its own prints of a plan, and which libraries it has imported."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr.splitlines()[-1]


def test_a_kept_plan_of_timm_is_the_same_and_shown_without_torch_and_timm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = SweepSpec(baseline="timm/test_resnet")
    first = make_plan(spec)
    ids = [variant.variant for variant in first.variants]
    table, libraries = shown("--baseline", spec.baseline)
    assert [line.partition(",")[0] for line in table.splitlines()[1:]] == ids
    assert libraries == "no library"

    def planned_again(*_arguments: Any) -> None:
        raise RuntimeError("planned again")

    monkeypatch.setattr("scalegrid.plan.plan.matched_picks", planned_again)
    again = make_plan(spec)
    assert repr(again.variants) == repr(first.variants)
    assert (again.notes, again.of_grid, again.axes) == (first.notes, first.of_grid, first.axes)
    version = importlib.metadata.version
    others = {"timm": "0.0.1"}
    monkeypatch.setattr("importlib.metadata.version", lambda of: others.get(of) or version(of))
    with pytest.raises(RuntimeError, match="planned again"):
        make_plan(spec)


@pytest.mark.slow
def test_a_kept_plan_of_own_code_is_shown_without_torch_until_a_module_changes() -> None:
    write()
    first, _ = shown(*OWN)
    assert shown(*OWN) == (first, "no library")
    write("**1.5")
    changed, libraries = shown(*OWN)
    assert changed != first
    assert "torch" in libraries


RECORD = """
import json
from scalegrid.baselines import user_code
user_code.start()
user_code.imported("own:network")
print(json.dumps(user_code.loaded()))
"""


@pytest.mark.parametrize(
    ("file", "text", "same"),
    [
        ("own.py", "from pack.part import network\n", True),
        ("own.py", "from pack.part import network\nnetwork = None\n", False),
        ("pack/part.py", "network = 2\n", False),
        ("pack/__init__.py", "# another\n", False),
        ("pack/part/__init__.py", "network = 1\n", False),  # a package is found before a module
        ("other.py", "", True),
        ("own/__init__.py", "", False),
    ],
)
def test_own_code_is_the_same_while_its_modules_are(file: str, text: str, same: bool) -> None:
    files = {
        "own.py": "from pack.part import network\n",
        "pack/__init__.py": "",
        "pack/part.py": "network = 1\n",
    }
    modules = record(files)
    assert modules.keys() >= {"own", "pack", "pack.part"}
    Path(file).parent.mkdir(exist_ok=True)
    Path(file).write_text(text)
    assert user_code.unchanged("own:network", modules) is same


def test_a_module_that_takes_the_place_of_a_library_is_noticed() -> None:
    modules = record({"own.py": "import tabnanny\n"})
    assert "tabnanny" not in sys.modules
    assert user_code.unchanged("own:network", modules)
    Path("tabnanny.py").touch()
    assert not user_code.unchanged("own:network", modules)


def test_what_changed_while_it_was_loaded_is_not_kept() -> None:
    writing = "from pathlib import Path\nPath(__file__).write_text('network = 1')\n"
    assert record({"own.py": writing}) is None
    assert not user_code.unchanged("own:network", None)


def record(files: dict[str, str]) -> Any:
    """The modules that a process of its own loads of ``files``."""
    for name, text in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)
    time.sleep(0.2)  # what has just changed is not trusted
    done = subprocess.run(
        [sys.executable, "-c", RECORD], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)
