import math
from contextlib import nullcontext
from unittest import mock

import pytest
import torch

from scalegrid.spec import Precision
from scalegrid.training.devices import check_precision, number_format, settled
from scalegrid.training.precision import Arithmetic, total
from scalegrid.util.errors import UserError


@pytest.mark.parametrize(
    ("precision", "device", "half", "found"),
    [
        ("auto", "cpu", True, "fp32"),
        ("auto", "mps", True, "fp32"),
        ("auto", "cuda:1", True, "bf16"),
        ("auto", "cuda:1", False, "fp16"),
        ("fp32", "cuda:1", True, "fp32"),
        ("bf16", "cpu", False, "bf16"),
    ],
)
def test_the_format_is_the_one_asked_for_or_that_of_the_device(
    precision: Precision, device: str, half: bool, found: str
) -> None:
    with mock.patch("scalegrid.training.devices.computes_in_bf16", return_value=half):
        assert number_format(precision, device) == found


def _without_bf16(device: str) -> bool:
    return device != "cuda:1"


@pytest.mark.parametrize(
    ("precision", "device", "refused"),
    [
        ("auto", "cuda:1", False),
        ("bf16", "cpu", False),
        ("bf16", "cuda:0", False),
        ("bf16", "cuda:1", True),
        ("bf16", "mps", True),
        ("fp16", "cuda:1", False),
        ("fp16", "cpu", True),
        ("fp16", "mps", True),
    ],
)
def test_a_format_is_refused_where_the_device_lacks_it(
    precision: Precision, device: str, refused: bool
) -> None:
    refusal = pytest.raises(UserError, match=f"in {precision} cannot be trained on {device}")
    devices = ["cuda:0", device] if "cuda" in device else [device]
    able = mock.patch("scalegrid.training.devices.computes_in_bf16", _without_bf16)
    with able, refusal if refused else nullcontext():
        check_precision(precision, devices)


@pytest.mark.parametrize(
    ("precision", "devices", "found"),
    [
        ("auto", ["cuda:0"], "bf16"),
        ("auto", ["cuda:0", "cuda:1"], "fp16"),
        ("auto", ["cpu"], "auto"),
        ("auto", ["mps"], "auto"),
        ("fp32", ["cuda:0"], "fp32"),
    ],
)
def test_a_sweep_keeps_to_what_all_its_gpus_compute_in(
    precision: Precision, devices: list[str], found: str
) -> None:
    with mock.patch("scalegrid.training.devices.computes_in_bf16", _without_bf16):
        assert settled(precision, devices) == found


@pytest.mark.parametrize(("precision", "kind"), [("bf16", "bfloat16"), ("fp32", "float32")])
def test_products_are_in_the_format_and_gradients_in_float32(
    precision: Precision, kind: str
) -> None:
    layer, arithmetic = torch.nn.Linear(2, 2), Arithmetic(precision, torch.device("cpu"))
    with arithmetic.autocast():
        outputs = layer(torch.ones(1, 2))
    assert outputs.dtype == getattr(torch, kind)
    arithmetic.backward(outputs.float().sum())
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32
    assert arithmetic.state() == {}


@pytest.mark.parametrize(("clip_norm", "moved"), [(0.0, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_the_gradient_is_no_longer_than_the_limit(clip_norm: float, moved: float) -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    arithmetic = Arithmetic("fp32", torch.device("cpu"))
    arithmetic.backward((weight * torch.tensor([3.0, 4.0])).sum())  # a gradient of norm 5
    arithmetic.update(optimizer, clip_norm)
    assert math.isclose(float(weight.detach().norm()), moved, rel_tol=1e-5)


def test_on_a_mac_s_gpu_numbers_stay_float32_and_sums_have_no_float64() -> None:
    """Torch's ``meta`` device stands for the tensors: there is no such GPU here."""
    arithmetic = Arithmetic("auto", torch.device("mps"))
    with arithmetic.autocast():
        layer = torch.nn.Linear(2, 2)
        assert layer(torch.zeros(1, 2)).dtype == torch.float32
    assert arithmetic.state() == {}
    made: list[object] = []
    with mock.patch("torch.zeros", lambda *_, dtype, device: made.append(dtype)):
        total(torch.device("mps"))
        total(torch.device("cuda"))
    assert made == [torch.float32, torch.float64]
