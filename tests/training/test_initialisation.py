from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from training_helpers import Small

from scalegrid import baselines
from scalegrid.training.initialisation import zero_classifier, zero_initialise, zero_last_norms


@pytest.fixture(scope="module")
def b0() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return baselines.get("b0").build(1.0, 1.0, 10)


def test_residual_blocks_start_as_the_identity(b0: nn.Module) -> None:
    # Of the 16 blocks of B0, the first of each of the 7 stages has no skip connection.
    assert zero_last_norms(b0) == 9
    changed: list[bool] = []

    def compare(block: Any, args: Any, output: torch.Tensor) -> None:
        if block.has_skip:
            changed.append(not torch.equal(args[0], output))

    hooks = [m.register_forward_hook(compare) for m in b0.modules() if hasattr(m, "has_skip")]
    with torch.no_grad():
        b0.eval()(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    for hook in hooks:
        hook.remove()
    assert changed == [False] * 9


def test_every_class_starts_equally_likely(b0: nn.Module) -> None:
    assert zero_classifier(b0)
    with torch.no_grad():
        outputs = b0.eval()(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert torch.count_nonzero(outputs) == 0


def test_other_networks_keep_their_weights() -> None:
    model = Small(3)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    zero_initialise(model)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
