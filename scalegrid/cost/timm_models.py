"""What models of timm cost, as timm builds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scalegrid.baselines.skeleton import bare
from scalegrid.cost.counting import Cost, measure
from scalegrid.util.errors import UserError, one_line


def check_known(models: Iterable[str]) -> None:
    """Raise UserError unless timm has all ``models``."""
    import timm

    for model in models:
        if not timm.is_model(model):
            raise UserError(
                f"timm {timm.__version__} has no model {model!r}, so its FLOPs cannot be counted; "
                "leave it out, or give its FLOPs."
            )


def cost_of_timm(model: str, resolution: int, num_classes: int = 1000) -> Cost:
    """Count a ``model`` of timm for one image of ``resolution`` px, on torch's meta device.

    Raises:
        UserError: timm does not know it, or it cannot be built for these px.
    """
    import timm

    check_known([model])
    config = timm.get_pretrained_cfg(model, allow_unregistered=True)
    sized: dict[str, Any] = {"img_size": resolution} if config and config.fixed_input_size else {}
    try:
        with bare("meta"):
            network = timm.create_model(model, num_classes=num_classes, **sized)
        return measure(network, resolution)
    except Exception as error:  # of timm or torch
        raise UserError(
            f"the FLOPs of {model} cannot be counted at {resolution} px ({one_line(error)})."
        ) from error
