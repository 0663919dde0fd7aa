"""timm models by name: their own network unscaled, one rule when scaled, or a clear refusal."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import timm
import torch
from breadth import some
from soundness_helper import check
from torch import nn

from scalegrid import baselines
from scalegrid.baselines.introspection import run
from scalegrid.baselines.skeleton import bare
from scalegrid.baselines.timm_models import TimmListing, timm_listing
from scalegrid.plan import make_plan, resolve
from scalegrid.spec import SweepSpec
from scalegrid.util.errors import UserError

SCALABLE = {
    # of block strings and block configurations
    "test_efficientnet": 4,
    "test_byobnet": 4,
    # of stages
    "test_resnet": 4,
    "test_convnext": 4,
    "test_nfnet": 4,
    "test_mambaout": 4,
    "starnet_s050": 4,
    "cs3darknet_focus_s": 4,
    "ese_vovnet19b_slim": 4,
    "lcnetv2_small": 4,
    "vgg11": 2,
    # of stages with attention
    "test_maxvit": 32,
    "test_coatnet": 32,
    "swin_tiny_patch4_window7_224": 4,
    # isotropic
    "test_vit": 16,
    "test_vit_relpos": 16,
    "eva02_tiny_patch14_224": 14,
    "gmixer_12_224": 16,
}
"""Small models of different constructors, and the px between their resolutions."""

SIZED = ("test_maxvit", "test_coatnet", "swin", "test_vit", "eva02", "gmixer")
"""What starts so is built for a resolution."""


def shapes(model: nn.Module) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, tuple(p.shape)) for name, p in model.named_parameters()]


def params(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def built(name: str, depth: float, width: float, px: int | None = None) -> nn.Module:
    return baselines.skeleton(baselines.get(f"timm/{name}"), depth, width, 1000, px)


def reference(model: str, **settings: Any) -> nn.Module:
    with bare("meta"):
        return timm.create_model(model, num_classes=1000, **settings)


@pytest.mark.parametrize("model", some(SCALABLE, 2))
def test_unscaled_it_is_timms_and_scaled_it_is_larger_on_each_axis(model: str) -> None:
    baseline = baselines.get(f"timm/{model}")
    small = baseline.brief_resolution
    assert baseline.resolution_step == SCALABLE[model]
    plain, deeper, wider, both = (
        built(model, depth, width, small)
        for depth, width in ((1, 1), (1.3, 1), (1, 1.3), (1.4, 1.4))
    )
    sized = {"img_size": small} if model.startswith(SIZED) else {}
    assert shapes(plain) == shapes(reference(model, **sized))
    assert params(plain) < min(params(deeper), params(wider))
    assert run(both, small, whole=True).shape == (1, 1000)
    larger = small + baseline.resolution_step
    assert run(built(model, 1, 1.3, larger), larger, whole=True).shape == (1, 1000)
    assert baseline.depths(1.3) != baseline.depths(1)
    assert baseline.channels(1.3) != baseline.channels(1)


@pytest.mark.parametrize(
    ("model", "depth", "width", "other"),
    [
        ("rexnet_100", 1, 1.5, "rexnet_150"),
        ("ghostnet_050", 1, 2, "ghostnet_100"),
        ("repghostnet_050", 1, 2, "repghostnet_100"),
        ("xcit_nano_12_p16_224", 1, 1.5, "xcit_tiny_12_p16_224"),
        ("xcit_tiny_12_p16_224", 2, 1, "xcit_tiny_24_p16_224"),
        ("cait_xxs24_224", 1.5, 1, "cait_xxs36_224"),
        ("resmlp_12_224", 2, 1, "resmlp_24_224"),
        ("gmlp_ti16_224", 1, 2, "gmlp_s16_224"),
        ("mixer_s16_224", 1.5, 1.5, "mixer_b16_224"),
        ("mixer_b16_224", 2, 4 / 3, "mixer_l16_224"),
        ("deit_tiny_distilled_patch16_224", 1, 2, "deit_small_distilled_patch16_224"),
        ("eva02_tiny_patch14_224", 1, 2, "eva02_small_patch14_224"),
    ],
)
def test_the_sizes_of_a_family_are_one_network_scaled(
    model: str, depth: float, width: float, other: str
) -> None:
    """Heads differ in number or size, which parameters do not show."""
    assert shapes(built(model, depth, width)) == shapes(reference(other))


@pytest.mark.parametrize(
    ("depth", "width", "px", "published"),
    [(1, 1, 224, 5.72e6), (1, 2, 224, 22.05e6), (1, 4, 224, 86.57e6), (2, 2, 96, None)],
)
def test_a_vit_has_the_parameters_of_its_closed_form(
    depth: int, width: int, px: int, published: float | None
) -> None:
    """Of twelve blocks of 192 channels at patch 16; published: Touvron et al. 2021, Table 1."""
    model: Any = built("vit_tiny_patch16_224", depth, width, px)
    layers, dim, tokens = 12 * depth, 192 * width, (px // 16) ** 2
    embedding = (3 * 16**2 + 1) * dim + dim + (tokens + 1) * dim
    block = 12 * dim**2 + 13 * dim
    total = embedding + layers * block + 2 * dim + (dim + 1) * 1000
    assert params(model) == total
    assert published is None or abs(total / published - 1) < 0.001
    assert model.blocks[0].attn.num_heads == 3


def test_heads_stay_and_grow_in_multiples_of_eight() -> None:
    baseline = baselines.get("timm/vit_tiny_patch16_224")
    assert len({baseline.channels(1 + 0.01 * n) for n in range(42)}) == 4
    models: list[Any] = [built("vit_tiny_patch16_224", 1, width) for width in (1.1, 1.25, 1.41)]
    assert [model.embed_dim for model in models] == [216, 240, 264]


def test_group_norms_divide_all_channels() -> None:
    assert check(baselines.get("timm/resnet50_gn"), 10, 64) == []
    assert params(built("resnet50_gn", 1, 1)) == params(reference("resnet50"))
    for model in ("resnetv2_50d_gn", "efficientnet_b0_gn"):
        assert params(built(model, 1, 1.3)) > params(built(model, 1, 1))


@pytest.mark.parametrize("model", ["resnet10t", "mobilenetv4_conv_small"])
def test_it_passes_the_check_and_has_a_layer_table(model: str) -> None:
    baseline = baselines.get(f"timm/{model}")
    assert check(baseline, 10, baseline.brief_resolution) == []
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
        assert pair[0].resolution_step == pair[1].resolution_step


def test_building_leaves_timm_as_it_was() -> None:
    module: Any = sys.modules["timm.models.resnet"]
    before = module.build_model_with_cfg
    baselines.get("timm/resnet10t").build(1, 1, 3)
    assert module.build_model_with_cfg is before


@pytest.mark.parametrize("model", ["inception_v3", "dla34", "vitamin_small_224"])
def test_what_no_rule_scales_is_refused_with_a_way_out(model: str) -> None:
    with pytest.raises(UserError) as error:
        baselines.get(f"timm/{model}")
    assert f"timm/{model} cannot be scaled by rule, since " in str(error.value)
    assert "package.module:function" in str(error.value)


def test_patches_move_as_a_whole() -> None:
    vit = baselines.get("timm/test_vit")
    assert (vit.total_stride, vit.resolution_step, vit.brief_resolution) == (16, 16, 96)
    assert check(vit, 10, 96) == []
    with pytest.raises(UserError, match=r"patches of 16 px, .* 100 px; take a multiple of 16 px"):
        check(vit, 10, 100)
    coatnet = baselines.get("timm/test_coatnet")
    with pytest.raises(UserError, match=r"on images of 80 px .* 64 px, or steps of 32 px"):
        check(coatnet, 10, 80)
    spec = SweepSpec(baseline="timm/test_vit", resolution_step=8)
    with pytest.raises(UserError, match=r"--resolution-step 8 .* multiple of 16 px"):
        make_plan(spec)
    assert resolve(spec.model_copy(update={"resolution_step": 32})).resolution == 96


def test_most_of_timm_scales_and_the_rest_has_a_reason(listed: list[TimmListing]) -> None:
    assert [row.name for row in listed] == [f"timm/{model}" for model in timm.list_models()]
    assert sum(row.scalable for row in listed) > 0.9 * len(listed)
    assert all(row.scalable != bool(row.reason) for row in listed)


@pytest.fixture(scope="module")
def listed() -> list[TimmListing]:
    return list(timm_listing())


def test_what_is_listed_as_scalable_is_a_baseline(listed: list[TimmListing]) -> None:
    for row in listed[::50]:
        if row.scalable:
            assert baselines.get(row.name).name == row.name
        else:
            with pytest.raises(UserError, match="cannot be scaled"):
                baselines.get(row.name)


def test_images_of_other_channels_are_taken() -> None:
    model: Any = baselines.get("timm/test_vit").build(1, 1, 10, resolution=64, in_chans=1)
    assert model(torch.zeros(1, 1, 64, 64)).shape == (1, 10)
