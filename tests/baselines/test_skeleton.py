"""Skeletons have the shapes of real networks, and building them changes nothing else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from timm.layers import weight_init
from torch.nn import init

from scalegrid import baselines
from scalegrid.util.errors import UserError


def test_a_skeleton_has_the_shapes_of_the_network_and_no_values() -> None:
    nano = baselines.get("nano")
    outline, network = baselines.skeleton(nano, 1.5, 1.2, 7), nano.build(1.5, 1.2, 7)
    assert {p.device.type for p in outline.parameters()} == {"meta"}
    shapes = [{n: p.shape for n, p in model.named_parameters()} for model in (outline, network)]
    assert shapes[0] == shapes[1]


def test_building_one_leaves_initialisers_and_random_numbers_alone() -> None:
    functions = (init.kaiming_normal_, init.zeros_, weight_init.trunc_normal_)
    state = torch.random.get_rng_state()
    baselines.skeleton(baselines.get("convnext_atto"), 1, 1, 7)
    assert functions == (init.kaiming_normal_, init.zeros_, weight_init.trunc_normal_)
    assert torch.equal(state, torch.random.get_rng_state())
    layer = torch.nn.Linear(4, 4)
    assert init.zeros_(layer.weight).abs().sum() == 0
    assert weight_init.trunc_normal_(layer.weight).abs().sum() > 0


@pytest.mark.parametrize("error", [ImportError("libtorch: no room"), MemoryError("no room")])
def test_what_has_nothing_to_do_with_depth_is_not_blamed_on_it(error: Exception) -> None:
    def build(*_: object, **__: object) -> object:
        raise error

    stand_in: Any = SimpleNamespace(name="nano", counting_device="cpu", build=build)
    with pytest.raises(UserError, match=r"nano cannot be built \(.*no room\); install") as refused:
        baselines.skeleton(stand_in, 1.0, 1.0, 7)
    assert "every depth" not in str(refused.value)
