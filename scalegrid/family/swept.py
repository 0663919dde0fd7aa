"""The coefficients that a sweep recommends, and the network that they were found on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from scalegrid import baselines
from scalegrid.analysis import recommend_as_planned
from scalegrid.analysis.direction import coefficients_of, undecided
from scalegrid.coefficients import Coefficients
from scalegrid.cost.table import Costs
from scalegrid.family.intervals import Interval, interval
from scalegrid.family.start import Start
from scalegrid.plan.trainer import OUTPUTS
from scalegrid.spec import IMPORTED, UNKNOWN
from scalegrid.util.errors import UserError

if TYPE_CHECKING:
    from scalegrid.results import SweepTables


class Swept(NamedTuple):
    """What a sweep says: its start, its coefficients, all that build the same network, and its F.

    ``notes`` are sentences that a user should read, such as that the sweep has not decided;
    ``origin`` names the sweep and its data.
    """

    start: Start
    coefficients: Coefficients
    interval: Interval
    flops_factor: float
    batch_size: int
    notes: list[str]
    origin: str


def swept(tables: SweepTables) -> Swept:
    """Read the recommendation of a sweep; an axis that does not scale has the coefficient 1.

    Raises:
        UserError: no candidate has a finished trial, or the baseline has changed since.
    """
    spec = tables.spec
    if spec["baseline"] == UNKNOWN:
        raise UserError(
            f"which network was scaled in {tables.folder.name} is not known, as it was imported "
            "without --baseline; give --baseline with --alpha, --beta and --gamma."
        )
    found = recommend_as_planned(tables.planned, tables.trials, spec, answers=tables.answered)
    coefficients = coefficients_of(found.best)
    costs = _costs(tables, str(found.best.depth_rounding))
    px, step = int(tables.planned["resolution"].iloc[0]), int(spec["resolution_step"])
    first = Start(costs, px, step, 0 if spec.get("grid") == "classic" else px % step)
    trainer = spec.get("trainer")
    by = f"by {trainer}" if trainer else f"on {spec['data']}"
    by = "of trainings made elsewhere" if trainer == IMPORTED else by
    return Swept(
        first,
        coefficients,
        interval(first, coefficients),
        float(spec["flops_factor"]),
        int(spec.get("batch_size", 16)),
        undecided(found, tables.folder.name),
        f"the sweep {tables.folder.name} {by}",
    )


def _costs(tables: SweepTables, rounding: Any) -> Costs:
    """The costs of the sweep's networks: with the classifier that its baseline has.

    The tables do not say how many classes the data have; the baseline's parameters do. A trainer's
    networks have the outputs that the specification says.
    """
    spec = tables.spec
    baseline = baselines.get(spec["baseline"])
    in_chans = int(spec.get("channels") or 3)
    row = tables.planned.iloc[0]
    px = int(row["resolution"])
    classes = int(spec.get("num_classes") or OUTPUTS)
    if spec.get("trainer") is None:
        one, two = (Costs(baseline, n, in_chans).of(1.0, 1.0, px).params for n in (1, 2))
        classes = 1 + round((int(row["params"]) - one) / (two - one))
    costs = Costs(baseline, max(1, classes), in_chans).rounded(rounding)
    now = costs.of(1.0, 1.0, px)
    if (now.flops, now.params) != (int(row["flops"]), int(row["params"])):
        raise UserError(
            f"{baseline.name} has changed since the sweep in {tables.folder} was started, or its "
            "images have several bands and --channels was not given; undo the change, or give "
            "--baseline with --alpha, --beta and --gamma."
        )
    return costs
