"""What trials are compared by: scalegrid's own metrics, and figures that a trainer gives.

A metric is a text: ``top1``, ``top5``, ``balanced`` (the mean over classes of the top-1 within
each), ``val_loss`` or ``nas``; or ``maximize NAME`` or ``minimize NAME``, of a figure of a user's
own training, whose unit is not known.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

from scalegrid.util.text import did_you_mean

METRICS = ("top1", "top5", "balanced", "val_loss", "nas")
"""Those that need no trainer."""

GOALS = ("maximize", "minimize")

TAKEN = frozenset(
    {
        *(
            "trial",
            "variant",
            "seed",
            "rung",
            "epoch",
            "epochs",
            "number_format",
            "status",
            "role",
            "order",
            "value",
        ),
        *("flops", "flops_ratio", "params", "activations", "memory", "images", "correct", "own"),
        *("images_per_second", "seconds", "device", "threads", "versions", "error", "finished_at"),
        *("figures", "resolution", "depth", "width", "phi", "alpha", "beta", "gamma", "matched"),
    }
)
"""Names that mean something else in the tables, or where they are joined."""

Unit = Literal["share", "nats", "own"]


class Measure(NamedTuple):
    """A metric: the ``column`` of trials that has it, its name in sentences, and its unit.

    ``sign`` is -1 where less of it is better.
    """

    column: str
    title: str
    sign: int
    unit: Unit

    @property
    def scale(self) -> float:
        """What it is multiplied by to be shown: shares become per cent."""
        return 100.0 if self.unit == "share" else 1.0

    @property
    def points(self) -> str:
        """What follows the number of a difference; better is positive, whatever the metric."""
        return {"share": "points", "nats": "nats", "own": f"in {self.title}"}[self.unit]


_OWN = {
    "top1": Measure("top1", "top-1", 1, "share"),
    "top5": Measure("top5", "top-5", 1, "share"),
    "balanced": Measure("balanced", "balanced accuracy", 1, "share"),
    "val_loss": Measure("val_loss", "validation loss", -1, "nats"),
    "nas": Measure("top1", "ACC·(FLOPs/T)^w", 1, "share"),
}


@cache
def measure(metric: str) -> Measure:
    """What a metric is.

    Raises:
        ValueError: it is none; the message follows the name of a setting.
    """
    if metric in _OWN:
        return _OWN[metric]
    goal, _, name = metric.partition(" ")
    if goal not in GOALS:
        hint = did_you_mean(metric, METRICS)
        raise ValueError(
            f"must be one of {', '.join(METRICS)}, or a figure that --trainer gives, with "
            f"--maximize or --minimize{f'; {hint}' if hint else ''}"
        )
    if name in _OWN:
        raise ValueError(f"is {name} as it is, without --{goal}: it is known what is better")
    if name in TAKEN:
        raise ValueError(
            f"may not be {name}, a column of the tables; call the figure otherwise in the trainer"
        )
    if not is_name(name):
        raise ValueError(f"must name a figure after {goal}, such as `{goal} miou`, without $")
    return Measure(name, name, 1 if goal == "maximize" else -1, "own")


def is_name(name: str) -> bool:
    """Whether a figure may be called so: plain text, in which no ``$`` begins a formula."""
    return bool(name) and name == name.strip() and name.isprintable() and "$" not in name


def known_metric(metric: str) -> str:
    """The metric itself; ValueError if it is none."""
    measure(metric)
    return metric


def metric_flags(metric: str) -> list[str]:
    """The flags that ask for a metric."""
    if metric in _OWN:
        return ["--metric", metric]
    goal, _, name = metric.partition(" ")
    return ["--metric", name, f"--{goal}"]
