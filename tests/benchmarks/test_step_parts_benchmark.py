"""The parts of a training step: which operator is in which group, and that nothing is lost."""

import pytest

from benchmarks.step_parts import GROUPS, REST, SPEED, TOGETHER, bounds, group_of, parts
from scalegrid.training.cpu import accelerate


@pytest.mark.parametrize(
    ("operator", "group"),
    [
        ("aten::mm", "products of matrices"),
        ("aten::addmm", "products of matrices"),
        ("aten::mkldnn_convolution", "convolutions, forward"),
        ("aten::convolution_backward", "gradients of convolutions"),
        ("aten::native_batch_norm_backward", "batch norm, forward and backward"),
        ("aten::silu_backward", "activations, forward and backward"),
        ("aten::mul", "sums and products of maps"),
        ("aten::copy_", "copies and conversions"),
        ("aten::empty", REST),
        ("aten::_foreach_mul_", REST),
        ("ConvolutionBackward0", REST),
        ("autograd::engine::evaluate_function: MulBackward0", REST),
        ("Optimizer.step#SGD.step", REST),
    ],
)
def test_operators_are_grouped_by_name(operator: str, group: str) -> None:
    assert group_of(operator) == group


def test_the_parts_of_a_step_are_where_a_network_has_them() -> None:
    found = parts("nano", 16, accelerate, half=False, steps=1)
    assert set(found) == {*GROUPS, REST, TOGETHER, SPEED}
    assert all(found[group] > 0 for group in found if group != "copies and conversions")
    assert found[TOGETHER] == pytest.approx(sum(found[group] for group in [*GROUPS, REST]))


@pytest.mark.slow
def test_products_are_bounded_by_the_speed_of_a_product() -> None:
    single, half = bounds("nano", 16)
    assert (single["format"], half["format"]) == ("fp32", "bf16")
    # nano has 0.43 M multiply-adds at 16 px; forward and backward a batch of 64 is 6 · 64 times it.
    work = float(str(single["all products, ms"])) / 1000 * float(str(single["product, GFLOP/s"]))
    assert work == pytest.approx(6 * 64 * 0.43e-3, rel=0.05)
    passes = [float(str(row["one pass, ms"])) for row in (single, half)]
    assert passes[0] == pytest.approx(2 * passes[1])
