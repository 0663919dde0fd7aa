"""One trial: the brief training of one variant with one seed.

`trial` holds a trial's description and outcome as plain data, `attempt` runs a trial and returns
its outcome, `loop` is the training itself, `trainer` a user's own in its place.
Only `loop` and the modules below it import torch.
"""

from scalegrid.training.attempt import TRAIN, Train, attempt, find
from scalegrid.training.trainer import TrainerTrial
from scalegrid.training.trial import Epoch, Outcome, Trial, trial_id

__all__ = [
    "TRAIN",
    "Epoch",
    "Outcome",
    "Train",
    "TrainerTrial",
    "Trial",
    "attempt",
    "find",
    "trial_id",
]
