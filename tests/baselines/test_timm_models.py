"""timm models by name: their own network unscaled, one rule when scaled, or a clear refusal."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import timm
import torch
from torch import nn

from scalegrid import baselines, cost
from scalegrid.plan import soundness
from scalegrid.util.errors import UserError

SCALABLE = [
    "efficientnet_lite0",
    "fbnetc_100",
    "tinynet_e",
    "mobilenetv4_conv_small",
    "lcnet_050",
    "resnet10t",
    "seresnext26t_32x4d",
    "resnetv2_18",
    "regnetz_005",
    "repvgg_a0",
    "gernet_s",
    "mobileone_s0",
    "convnextv2_atto",
    "starnet_s1",
    "fasternet_t0",
    "pvt_v2_b0",
]


def shapes(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(p.shape)) for name, p in model.named_parameters()]


@pytest.mark.parametrize("model", SCALABLE)
def test_unscaled_it_is_timms_and_scaled_it_costs_more_on_each_axis(model: str) -> None:
    baseline = baselines.get(f"timm/{model}")
    with torch.device("meta"):
        reference = timm.create_model(model)
    plain = baselines.skeleton(baseline, 1, 1, 1000)
    assert shapes(plain) == shapes(reference)
    for depth, width in ((1.5, 1), (1, 1.5)):
        scaled = baselines.skeleton(baseline, depth, width, 1000)
        assert cost.measure(scaled, 64).flops > cost.measure(plain, 64).flops
    assert baseline.depths(1.5) != baseline.depths(1)
    assert baseline.channels(1.5) != baseline.channels(1)


@pytest.mark.parametrize("model", ["repvgg_a0", "resnet10t", "mobilenetv4_conv_small"])
def test_it_passes_the_check_and_has_a_layer_table(model: str) -> None:
    baseline = baselines.get(f"timm/{model}")
    assert soundness.check(baseline, 10, baseline.brief_resolution) == []
    assert baseline.total_stride == 32
    table = baselines.layer_table(baseline)
    assert table[-1].operator == "Pooling & FC"
    deeper = baseline.layout(2, 1)
    assert sum(row.layers for row in deeper) > sum(row.layers for row in table)


def test_a_builtin_family_and_the_timm_rule_agree() -> None:
    for name, model in (("b0", "efficientnet_b0"), ("convnext_atto", "convnext_atto")):
        pair = [baselines.get(name), baselines.get(f"timm/{model}")]
        models = [baselines.skeleton(baseline, 1.4, 1.2, 10) for baseline in pair]
        assert shapes(models[0]) == shapes(models[1])


def test_building_leaves_timm_as_it_was() -> None:
    module: Any = sys.modules["timm.models.resnet"]
    before = module.build_model_with_cfg
    baselines.get("timm/resnet10t").build(1, 1, 3)
    assert module.build_model_with_cfg is before


@pytest.mark.parametrize("model", ["vit_tiny_patch16_224", "densenet121", "inception_v3", "vgg11"])
def test_what_has_no_stages_is_refused_with_a_way_out(model: str) -> None:
    with pytest.raises(UserError) as error:
        baselines.get(f"timm/{model}")
    assert f"timm/{model} cannot be scaled by rule" in str(error.value)
    assert "package.module:function" in str(error.value)


def test_a_network_of_one_image_size_is_refused() -> None:
    swin = baselines.get("timm/swin_tiny_patch4_window7_224")
    with pytest.raises(UserError, match="images of any size"):
        soundness.check(swin, 10, 224)
