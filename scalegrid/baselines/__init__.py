"""What can be scaled: built-in families, timm models, YAML definitions, a user's own code.

`get` finds a `Baseline` by name; `skeleton` builds one of its networks without values, to be
inspected and counted. Lists and layer tables of block-string families need neither torch nor timm.
"""

from __future__ import annotations

from scalegrid.baselines.base import Baseline, Layer, LayerRow, Layout, Origin, Run, network_id
from scalegrid.baselines.families import BUILT_IN, brief_rate
from scalegrid.baselines.registry import families, get, is_factory, locate, names
from scalegrid.baselines.skeleton import skeleton
from scalegrid.baselines.tables import Listing, TableRow, input_sides, layer_table, listing

__all__ = [
    "BUILT_IN",
    "Baseline",
    "Layer",
    "LayerRow",
    "Layout",
    "Listing",
    "Origin",
    "Run",
    "TableRow",
    "brief_rate",
    "families",
    "get",
    "input_sides",
    "is_factory",
    "layer_table",
    "listing",
    "locate",
    "names",
    "network_id",
    "skeleton",
]
