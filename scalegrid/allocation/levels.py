"""The values of trials as if all had run on one kind of device."""

from __future__ import annotations

from collections.abc import Mapping

from scalegrid.allocation.base import Ask, Result
from scalegrid.analysis.kinds import levelled


def levelled_values(finished: Mapping[Ask, Result]) -> dict[Ask, float]:
    """The values of trials, less what a kind of device adds to them, as `recommend` takes it.

    It adds the same at all rungs.
    """
    if len({result.device for result in finished.values()}) < 2:
        return {ask: result.value for ask, result in finished.items()}
    import pandas as pd

    rows = [
        (f"{ask.variant} {ask.rung}", ask.seed, result.value, result.device)
        for ask, result in finished.items()
    ]
    table = pd.DataFrame(rows, columns=["variant", "seed", "value", "device"])
    values = levelled(table)[0]["value"].sort_index().tolist()  # sorted by trial; now as told
    return dict(zip(finished, values, strict=True))
