import math
from unittest import mock

import pytest
import torch

from scalegrid.training.precision import Precision, total


@pytest.mark.parametrize(("clip_norm", "moved"), [(0.0, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_the_gradient_is_no_longer_than_the_limit(clip_norm: float, moved: float) -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    precision = Precision(torch.device("cpu"))
    precision.backward((weight * torch.tensor([3.0, 4.0])).sum())  # a gradient of norm 5
    precision.update(optimizer, clip_norm)
    assert math.isclose(float(weight.detach().norm()), moved, rel_tol=1e-5)


def test_on_a_mac_s_gpu_numbers_stay_float32_and_sums_have_no_float64() -> None:
    """Torch's ``meta`` device stands for the tensors: there is no such GPU here."""
    precision = Precision(torch.device("mps"))
    with precision.autocast():
        layer = torch.nn.Linear(2, 2)
        assert layer(torch.zeros(1, 2)).dtype == torch.float32
    assert precision.state() == {}
    made: list[object] = []
    with mock.patch("torch.zeros", lambda *_, dtype, device: made.append(dtype)):
        total(torch.device("mps"))
        total(torch.device("cuda"))
    assert made == [torch.float32, torch.float64]
