"""What a network costs: FLOPs, parameters and activations counted, latency measured.

`counting` counts one network that has been built. `table` has the costs of all depths, widths and
resolutions of a baseline: in `closedform` where its layers are known without building it, else by
what is `separable`, from few networks. `latency` measures.
"""

from scalegrid.cost.closedform import check_closed_form
from scalegrid.cost.counting import Cost, Trace, measure, trace
from scalegrid.cost.table import Costs, Table

__all__ = ["Cost", "Costs", "Table", "Trace", "check_closed_form", "measure", "trace"]
