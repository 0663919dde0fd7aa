"""Which coefficients are best and how sure that is, from result tables alone."""

from __future__ import annotations

from scalegrid.analysis.candidates import has_metric, not_measured, others, raced, value, zone
from scalegrid.analysis.compare import compare
from scalegrid.analysis.comparison import Comparison
from scalegrid.analysis.estimates import Estimates
from scalegrid.analysis.learning import Learning
from scalegrid.analysis.naming import network_name
from scalegrid.analysis.next_step import going_on, next_step
from scalegrid.analysis.recommend import (
    RIVALS,
    estimates_as_planned,
    recommend,
    recommend_as_planned,
    sensor_as_planned,
)
from scalegrid.analysis.recommendation import Candidate, Gain, Recommendation, SurfaceOptimum
from scalegrid.analysis.sensor import Sensor
from scalegrid.analysis.tables import Tables
from scalegrid.analysis.wording import (
    DROPPED,
    amount,
    answer,
    basis,
    rows,
    sensor_sentences,
    sentences,
    to_text,
)
from scalegrid.spec import Metric

__all__ = [
    "DROPPED",
    "RIVALS",
    "Candidate",
    "Comparison",
    "Estimates",
    "Gain",
    "Learning",
    "Metric",
    "Recommendation",
    "Sensor",
    "SurfaceOptimum",
    "Tables",
    "amount",
    "answer",
    "basis",
    "compare",
    "estimates_as_planned",
    "going_on",
    "has_metric",
    "network_name",
    "next_step",
    "not_measured",
    "others",
    "raced",
    "recommend",
    "recommend_as_planned",
    "rows",
    "sensor_as_planned",
    "sensor_sentences",
    "sentences",
    "to_text",
    "value",
    "zone",
]
