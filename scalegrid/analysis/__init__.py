"""Which coefficients are best and how sure that is, from result tables alone."""

from __future__ import annotations

from scalegrid.analysis.candidates import METRICS, raced, value, zone
from scalegrid.analysis.recommend import recommend
from scalegrid.analysis.recommendation import Candidate, Gain, Recommendation, SurfaceOptimum
from scalegrid.analysis.wording import rows, sentences, to_text
from scalegrid.spec import Metric

__all__ = [
    "METRICS",
    "Candidate",
    "Gain",
    "Metric",
    "Recommendation",
    "SurfaceOptimum",
    "raced",
    "recommend",
    "rows",
    "sentences",
    "to_text",
    "value",
    "zone",
]
