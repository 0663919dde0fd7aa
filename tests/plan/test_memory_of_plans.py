"""The memory that training keeps, against closed forms and the networks themselves."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scalegrid import baselines
from scalegrid.baselines import BUILT_IN
from scalegrid.baselines.blocks import BlockBaseline
from scalegrid.cost import Costs, measure
from scalegrid.plan.memory import kept_elements, kept_per_activation, memory_notes
from scalegrid.spec import SweepSpec


def test_what_is_kept_is_the_inputs_that_gradients_need() -> None:
    # Both convolutions keep their input, ReLU its output, which is the second's input.
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1), nn.Flatten()
    )
    side = 6
    outputs = 5 * side * side
    kept = kept_elements(model.to("meta"), side) * 2  # of a batch of two
    rest = kept - 2 * (3 + 8) * side * side
    assert 0 <= rest <= 2 * (outputs + 1), "what the loss keeps"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("nano", "resnet18") else pytest.mark.slow)
        for name, network in BUILT_IN.items()
        if isinstance(network, BlockBaseline)
    ],
)
def test_the_recorded_numbers_are_within_6_percent(name: str) -> None:
    network = baselines.get(name)
    recorded = kept_per_activation(Costs(network, 10), 64)
    for depth, width, px in ((1.0, 1.0, 68), (1.4, 1.2, 84)):
        model = baselines.skeleton(network, depth, width, 10, px)
        found = kept_elements(model, px) / measure(model, px).activations
        assert found == pytest.approx(recorded, rel=0.06)


def test_fewer_workers_than_cores_for_want_of_memory_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("executors.placement", "plan.memory"):
        monkeypatch.setattr(f"scalegrid.{module}.available_cores", lambda: 4)
        monkeypatch.setattr(f"scalegrid.{module}.device_memory", lambda _: 3 * 2**30)
    (note,) = memory_notes([], SweepSpec(device="cpu"))
    assert "3.0 GiB of memory have room for 2 workers, though 4 cores are free" in note
    assert memory_notes([], SweepSpec(device="cpu", workers=2)) == []
    assert memory_notes([], SweepSpec(device="cpu", threads=2)) == []


def test_a_network_is_left_as_it_was() -> None:
    model = baselines.skeleton(baselines.get("nano"), 1, 1, 10, 32).eval()
    kept_elements(model, 32)
    assert not any(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.is_grad_enabled()


def test_what_does_not_train_without_values_is_unknown() -> None:
    class Deciding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 10, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.layer(x).mean((2, 3))
            return result * 2 if self.training and result.sum().item() > 0 else result

    from scalegrid.baselines.factory import FactoryBaseline

    network = FactoryBaseline("deciding", lambda depth, width, num_classes: Deciding())
    assert kept_per_activation(Costs(network, 10), 32) != kept_per_activation(
        Costs(network, 10), 32
    )
