"""Networks defined in YAML, and the errors for those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from soundness_helper import check

from scalegrid import baselines, cost
from scalegrid.baselines.families import B0_STAGES
from scalegrid.util.errors import UserError

POCKET = Path(__file__).parents[2] / "sweeps" / "networks" / "pocket.yaml"


def write(folder: Path, text: str) -> str:
    path = folder / "net.yaml"
    path.write_text(text)
    return str(path)


def with_stage(folder: Path, string: str) -> str:
    return write(folder, f"resolution: 64\nstages:\n- ds_r1_k3_s1_c16\n- {string}\n")


def test_b0_written_in_yaml_is_b0(tmp_path: Path) -> None:
    stages = "\n".join(f"- {stage[0]}" for stage in B0_STAGES)
    name = write(tmp_path, f"resolution: 224\nbrief_resolution: 64\nstages:\n{stages}\n")
    written, b0 = baselines.get(name), baselines.get("b0")
    assert written.definition == b0.definition
    assert (written.resolution, written.brief_resolution) == (224, 64)
    costs = [cost.measure(baselines.skeleton(b, 1.3, 1.2, 10), 64) for b in (written, b0)]
    assert costs[0] == costs[1]


def test_the_example_is_sound_and_scales_on_both_axes() -> None:
    example = baselines.get(str(POCKET))
    assert check(example, 10, example.resolution) == []
    assert example.total_stride == 8


def test_the_settings_reach_the_network(tmp_path: Path) -> None:
    name = write(
        tmp_path,
        "resolution: 32\nstem: 12\nhead: 0\nactivation: gelu\nchannel_divisor: 4\n"
        "depth_rounding: round\nstages:\n- [ir_r1_k3_s2_e2_c20, ir_r2_k3_s1_e3_c20]\n",
    )
    baseline = baselines.get(name)
    model = baselines.skeleton(baseline, 1.2, 1.1, 10)
    kinds = {type(m).__name__ for m in model.modules()}
    assert "BatchNormAct2d" in kinds
    assert any("GELU" in kind for kind in kinds)
    rows = [(row.operator, row.channels, row.layers) for row in baseline.layout(1.2, 1.1)]
    assert rows == [
        ("Conv", 12, 1),
        ("MBConv2", 24, 1),
        ("MBConv3", 24, 3),
        ("Pooling & FC", 24, 1),
    ]


@pytest.mark.parametrize(
    ("string", "message"),
    [
        ("xx_r2_k3_s2_e6_c24", "starts with 'xx'"),
        ("ir_r2_k3_s2_c24", "lacks e"),
        ("ir_k3_s2_e6", "lacks r, c"),
        ("ir_r2_k3_s3_e6_c24", "'s3'"),
        ("ir_r0_k3_s1_e6_c24", "'r0'"),
        ("ir_r2_k3_s2_e6_c24_se25", "'se25'"),
        ("ir_r2_k3_s2_e6_c24_q7", "'q7'"),
        ("ir_r2_k3_s2_e6_c24_nzz", "'nzz'"),
        ("ir_r2_r3_k3_s2_e6_c24", "given twice"),
        ("ir_r2_k3_s2_e6_c24_", "''"),
        ("cn_r1_k3_s1_c16_se0.25", "means nothing in a block of kind cn"),
        ("ir_r1000000_k3_s2_e6_c24", "'r1000000'"),
        ("ir_r2_k3_s2_e6_c99999999999", "'c99999999999'"),
    ],
)
def test_a_bad_block_string_is_named_with_its_stage(
    tmp_path: Path, string: str, message: str
) -> None:
    with pytest.raises(UserError) as error:
        baselines.get(with_stage(tmp_path, string))
    assert "stage 2" in str(error.value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resolution: 64\n", "'stages' is missing"),
        ("stages: [ds_r1_k3_s1_c16]\n", "'resolution' is missing"),
        ("resolution: 64\nstages: []\n", "stages"),
        ("resolution: 64\nstages: [[]]\n", "stage 1 has no block string"),
        ("resolution: 64\nstages: [7]\n", "stage 1 must be a block string"),
        (
            "resolution: 5000\nstages: [ds_r1_k3_s1_c16]\n",
            "resolution should be less than or equal",
        ),
        ("resolution: big\nstages: [ds_r1_k3_s1_c16]\n", "(given 'big')"),
        ("resolution: 64\nstages: [ds_r1_k3_s1_c16]\nwidth: 2\n", "unknown key 'width'"),
        ("resolution: 64\nstages: [ds_r1_k3_s1_c16]\nhead: -1\n", "head"),
        ("resolution: 64\nstages: [ds_r1_k3_s1_c16]\nstem: 99999999\n", "stem"),
        ("resolution: 64\nstages: [ds_r1_k3_s1_c16]\nactivation: zzz\n", "no activation 'zzz'"),
        ("resolution: 64\nstages: [ds_r1_k3_s1_c16]\ndepth_rounding: up\n", "depth_rounding"),
        ("- a list\n", "keys and values"),
        ("", "'resolution' is missing"),
        ("resolution: [1\n", "not a valid network definition"),
        ("!!python/object:os.system {}\n", "not a valid network definition"),
        ("resolution: 8\nstages: [ds_r1_k3_s2_c16, ds_r1_k3_s2_c16, ds_r1_k3_s2_c16]\n", "16"),
        ("resolution: 640\nstages: [" + ", ".join(["ds_r1_k3_s2_c16"] * 6) + "]\n", "at most 32"),
    ],
)
def test_a_bad_file_is_an_error_of_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        baselines.get(write(tmp_path, text))
    assert message in str(error.value)
    assert "net.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_check_finds_what_timm_refuses_to_build(tmp_path: Path) -> None:
    network = baselines.get(with_stage(tmp_path, "ir_r2_k3_s2_e6_c24_gs7"))
    with pytest.raises(UserError, match="cannot be built at depth 1, width 1"):
        check(network, 10, 64)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UserError, match=r"nowhere/net\.yaml: No such file"):
        baselines.get("nowhere/net.yaml")
