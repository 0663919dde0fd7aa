"""Layer tables are read off block strings without timm; they must agree with what timm builds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timm.models import _efficientnet_builder

from scalegrid.baselines import BUILT_IN
from scalegrid.baselines.blocks import BlockBaseline
from scalegrid.baselines.blockstring import read_block
from scalegrid.baselines.rounding import scale_stage

timm_builder: Any = _efficientnet_builder

STRINGS = sorted(
    {
        string
        for baseline in BUILT_IN.values()
        if isinstance(baseline, BlockBaseline)
        for strings in baseline.stages
        for string in strings
    }
    | {"uir_r2_a3_k5_s2_e4_c128", "uir_r1_k3_s1_e2.5_p5_c96", "er_r4_k3_s2_e4_c48_noskip"}
)


@pytest.mark.parametrize("string", STRINGS)
def test_a_block_string_says_what_timm_decodes(string: str) -> None:
    block, (arguments, *others) = read_block(string), timm_builder.decode_arch_def([[string]])[0]
    kernels = [value for key, value in arguments.items() if "kernel" in key]
    expansion = f"{arguments['exp_ratio']:g}" if "exp_ratio" in arguments else ""
    assert block.repeats == 1 + len(others)
    assert (block.channels, block.stride) == (arguments["out_chs"], arguments["stride"])
    assert block.kernel == max(kernels)
    assert block.operator.endswith(expansion)


def test_mixed_kernels_go_by_the_largest() -> None:
    assert read_block("ir_r1_k3.5.7_s1_e6_c40").kernel == 7


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.floats(1, 4).map(lambda depth: round(depth, 9)),
    st.sampled_from(["ceil", "round"]),
)
def test_layers_of_a_stage_are_shared_out_as_timm_does(
    repeats: list[int], depth: float, rounding: Any
) -> None:
    picks = timm_builder._scale_stage_depth(list(range(len(repeats))), repeats, depth, rounding)
    assert list(scale_stage(repeats, depth, rounding)) == [
        picks.count(i) for i in range(len(repeats))
    ]
