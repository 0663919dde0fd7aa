"""What can be scaled: built-in families, timm models, YAML definitions, one's own code."""

from __future__ import annotations

from scalegrid.baselines.base import Baseline, LayerRow, Layout, Row, network_id
from scalegrid.baselines.registry import BUILT_IN, families, get, locate, names
from scalegrid.baselines.skeleton import skeleton
from scalegrid.baselines.tables import Listing, TableRow, input_sides, layer_table, listing

__all__ = [
    "BUILT_IN",
    "Baseline",
    "LayerRow",
    "Layout",
    "Listing",
    "Row",
    "TableRow",
    "families",
    "get",
    "input_sides",
    "layer_table",
    "listing",
    "locate",
    "names",
    "network_id",
    "skeleton",
]
