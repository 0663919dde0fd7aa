"""What a network costs, counted or measured: one network, or all depths, widths and resolutions."""

from scalegrid.cost.counting import Cost, counted_layers, measure, positions

__all__ = ["Cost", "counted_layers", "measure", "positions"]
