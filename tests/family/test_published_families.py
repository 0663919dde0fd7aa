"""Published sizes, and the networks that they are."""

from __future__ import annotations

import math

import pytest
from family_page import QUICK

from scalegrid import baselines
from scalegrid.cost import Cost, Costs, measure
from scalegrid.family.networks import network_between
from scalegrid.family.published import PUBLISHED, REFERENCES, PublishedSize

# Millions of parameters of the same networks, as their model cards at huggingface.co/timm say.
PARAMETERS = {
    "EfficientNetV2": [21.5, 54.1, 118.5],
    "TinyNet": [2.0, 2.3, 2.5, 3.7, 6.2],
    "MobileNetV2": [1.7, 2.0, 2.6, 3.5, 6.1],
}


def cost(family: str, size: PublishedSize) -> Cost:
    network = network_between(family, size, size)
    return Costs(network, 1000).of(1.0, 1.0, size.resolution)


@pytest.mark.parametrize("family", ["EfficientNet", "EfficientNet-Lite"])
def test_built_in_baselines_have_the_published_multipliers(family: str) -> None:
    for size in PUBLISHED[family].sizes:
        built_in = baselines.get(size.model)
        assert (
            vars(built_in).items()
            >= {
                "depth": size.depth,
                "width": size.width,
                "resolution": size.resolution,
            }.items()
        )
        assert cost(family, size) == Costs(built_in, 1000).of(1.0, 1.0, size.resolution)


@pytest.mark.parametrize("family", QUICK)
def test_counts_agree_with_what_is_printed(family: str) -> None:
    """Lite's and V2's authors count a little more and a little less than their layers."""
    for size in PUBLISHED[family].sizes:
        counted = cost(family, size)
        if size.flops == size.flops:
            assert counted.flops / 1e9 == pytest.approx(size.flops, rel=0.07)
        if size.params == size.params:
            assert counted.params / 1e6 == pytest.approx(size.params, rel=0.03)


@pytest.mark.parametrize("family", PARAMETERS)
def test_networks_are_those_of_timm(family: str) -> None:
    counted = [round(cost(family, size).params / 1e6, 1) for size in PUBLISHED[family].sizes]
    assert counted == PARAMETERS[family]


def test_dropout_rises_from_a_fifth_to_a_half() -> None:
    """Section 5.2 of the paper."""
    dropout = [size.dropout for size in PUBLISHED["EfficientNet"].sizes]
    assert dropout == sorted(dropout)
    assert (dropout[0], dropout[-1]) == (0.2, 0.5)


def test_every_family_and_its_source_is_named_and_its_sizes_differ() -> None:
    for family in PUBLISHED.values():
        assert "arXiv" in family.source or "github.com" in family.source
        assert len({size.name for size in family.sizes}) == len(family.sizes) > 1
    assert all(math.isnan(one.flops) or one.flops > 1 for one in REFERENCES)


@pytest.mark.slow
@pytest.mark.parametrize("family", [*QUICK, "ResNet", "ConvNeXt"])
def test_every_size_costs_what_its_model_does(family: str) -> None:
    for size in PUBLISHED[family].sizes:
        if size.model:
            own = baselines.skeleton(baselines.get(size.model), 1.0, 1.0, 1000, size.resolution)
            network = baselines.skeleton(network_between(family, size, size), 1.0, 1.0, 1000)
            assert measure(network, size.resolution) == measure(own, size.resolution), size.name
