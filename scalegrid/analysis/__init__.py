"""Which coefficients are best and how sure that is, from result tables alone."""

from __future__ import annotations

from scalegrid.analysis.candidates import METRICS, others, raced, value, zone
from scalegrid.analysis.recommend import recommend, recommend_as_planned
from scalegrid.analysis.recommendation import Candidate, Gain, Recommendation, SurfaceOptimum
from scalegrid.analysis.wording import amount, rows, sentences, to_text
from scalegrid.spec import Metric

__all__ = [
    "METRICS",
    "Candidate",
    "Gain",
    "Metric",
    "Recommendation",
    "SurfaceOptimum",
    "amount",
    "others",
    "raced",
    "recommend",
    "recommend_as_planned",
    "rows",
    "sentences",
    "to_text",
    "value",
    "zone",
]
