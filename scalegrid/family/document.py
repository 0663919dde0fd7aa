"""A family as one JSON value, and as rows."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from scalegrid.family.family import Family


def document(family: Family) -> dict[str, Any]:
    """What all sizes share, and a list of the sizes: what ``--format json`` prints."""
    terms = family.terms
    return {
        "baseline": terms.start.baseline.name,
        "resolution": terms.start.resolution,
        "resolution_step": terms.start.step,
        "num_classes": terms.start.costs.num_classes,
        **terms.coefficients._asdict(),
        "flops_factor": terms.flops_factor,
        "batch_size": terms.batch_size,
        "sizes": [asdict(size) for size in family.sizes],
        "ranges": [{**one._asdict(), "spread": one.spread} for one in family.ranges],
        "notes": list(family.notes),
    }
