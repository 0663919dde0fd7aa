"""A network that is run on remembered shapes is the same as one that torch runs."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from scalegrid.baselines.shapes import Shapes


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every operator, with the shapes, strides and types of what it returns."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.outputs: list[Any] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        some = output if isinstance(output, list | tuple) else [output]
        self.outputs.append((func, [(t.shape, t.stride(), t.dtype) for t in some]))
        return output


def operators(model: nn.Module, image: Tensor) -> list[Any]:
    seen = Seen()
    with torch.no_grad(), seen:
        model(image)
    return seen.outputs


@pytest.mark.parametrize(
    "name",
    ["test_vit", "test_resnet", "test_convnext", "swin_tiny_patch4_window7_224"],
)
def test_every_operator_returns_what_it_returns_otherwise(name: str) -> None:
    with torch.device("meta"):
        model: Any = timm.create_model(name).eval()
        image = torch.zeros(1, 3, *model.pretrained_cfg["input_size"][1:])
    plain = operators(model, image)
    for _ in range(2):  # the second time from memory
        with Shapes():
            assert operators(model, image) == plain


def test_what_does_not_fit_is_refused_after_what_fits() -> None:
    with torch.device("meta"), torch.no_grad(), Shapes():
        layer, norm = nn.Linear(4, 8), nn.LayerNorm(4)
        fits, other = torch.zeros(2, 4), torch.zeros(2, 5)
        for _ in range(2):
            assert layer(norm(fits)).shape == (2, 8)
        for module in (layer, norm):
            with pytest.raises(RuntimeError):
                module(other)


def test_types_of_numbers_are_told_apart() -> None:
    whole = torch.zeros(3, dtype=torch.int64, device="meta")
    with Shapes():
        assert [(whole * n).dtype for n in (2, 2.0, 2, True)] == [
            *(torch.int64, torch.float32, torch.int64, torch.int64)
        ]


def test_values_are_computed_as_ever() -> None:
    with Shapes():
        ones = [torch.ones(2) + n for n in (1, 2)]
    assert [one.tolist() for one in ones] == [[2, 2], [3, 3]]


def test_an_input_changed_in_place_is_returned() -> None:
    for _ in range(2):
        images = torch.zeros(2, 3, device="meta")
        with Shapes():
            assert images.relu_() is images
            assert images.unsqueeze_(0).shape == (1, 2, 3)
