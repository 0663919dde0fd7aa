"""Trackers: trials and figures of a sweep where people already look.

`runs` makes runs of the result tables, `trackers` sends them to TensorBoard, Weights & Biases,
Trackio or MLflow, and `tracking` does so beside a running sweep: in one process that it starts, so
that a tracker that hangs or fails costs the sweep nothing.
"""

from scalegrid.track.runs import Run
from scalegrid.track.trackers import Tracker, tracker_for
from scalegrid.track.tracking import Tracking

__all__ = ["Run", "Tracker", "Tracking", "tracker_for"]
