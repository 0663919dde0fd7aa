import math

import pytest
import torch

from scalegrid.training.precision import Precision


@pytest.mark.parametrize(("clip_norm", "moved"), [(0.0, 5.0), (1.0, 1.0), (10.0, 5.0)])
def test_the_gradient_is_no_longer_than_the_limit(clip_norm: float, moved: float) -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    precision = Precision(torch.device("cpu"))
    precision.backward((weight * torch.tensor([3.0, 4.0])).sum())  # a gradient of norm 5
    precision.update(optimizer, clip_norm)
    assert math.isclose(float(weight.detach().norm()), moved, rel_tol=1e-5)
