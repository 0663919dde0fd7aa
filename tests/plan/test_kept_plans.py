"""Plans of networks that have to be built are kept, and never mistaken for others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scalegrid import baselines
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


def test_a_kept_plan_is_the_same_and_builds_no_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SweepSpec(baseline="timm/test_resnet")
    first = make_plan(spec)

    def uncalled(*_arguments: Any) -> None:
        raise AssertionError("planned again")

    monkeypatch.setattr("scalegrid.plan.plan.matched_picks", uncalled)
    again = make_plan(spec)
    assert repr(again.variants) == repr(first.variants)
    assert (again.notes, again.of_grid, again.axes) == (first.notes, first.of_grid, first.axes)


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
