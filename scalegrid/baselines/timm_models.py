"""Any timm model whose constructor is given its layers and channels.

timm's entry points are functions such as ``resnet50()`` that pass settings to a constructor
(`timm_entry`). They are replaced by those that a rule of `timm_rules` or `timm_blocks` scales; a
RegNet is scaled as the built-in ones are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from functools import cached_property, partial
from typing import TYPE_CHECKING, NamedTuple, cast

import timm
from torch import nn

from scalegrid.baselines.base import Baseline, Origin, usual_step
from scalegrid.baselines.construction import Call
from scalegrid.baselines.modules import ModuleBaseline
from scalegrid.baselines.stages import regnet_of_timm
from scalegrid.baselines.timm_blocks import block_rule, byob_rule
from scalegrid.baselines.timm_entry import Settings, all_settings, create, settings_of
from scalegrid.baselines.timm_rules import Rule, kind_of, rule_of
from scalegrid.coefficients import DepthRounding, DepthRule
from scalegrid.util.errors import UserError, one_line
from scalegrid.util.text import did_you_mean

if TYPE_CHECKING:
    from typing_extensions import Self

PREFIX = "timm/"

AUTHORS: DepthRounding = "ceil"
"""The rule of the EfficientNet paper, for models whose authors scale by hand or not at all."""

_INSTEAD = (
    "write a function (depth, width, num_classes) that builds it and give it as "
    "--baseline package.module:function"
)

_FIXED = "its constructor fixes the channels of its stages"
_REASONS = {
    "DLA": "its depth is the height of trees, each level of which doubles the layers",
    "DPN": "its constructor fixes the channels of its residual path",
    "EfficientFormer": "its attention takes images of one size",
    **dict.fromkeys(("NextViT", "SENet"), _FIXED),
    "cs3sedarknet_xdw": "its convolutions have a fixed number of groups, as many as channels",
    "ese_vovnet39b_evos": "the groups of its norms are not a setting",
    **dict.fromkeys(
        ("ese_vovnet19b_dw", "ese_vovnet19b_slim_dw"), "its stages cannot have more than one block"
    ),
    **dict.fromkeys(
        ("halo2botnet50ts_256", "haloregnetz_b", "lamhalobotnet50ts_256", "sebotnet33ts_256"),
        "its attention takes images or channels of one size",
    ),
    "SelecSls": "its blocks are connected one by one",
    **dict.fromkeys(
        ("InceptionResnetV2", "InceptionV3", "InceptionV4", "NASNetALarge", "PNASNet5Large"),
        "its constructor fixes its layers and channels",
    ),
    "Xception": "its constructor fixes its layers and channels",
}
"""Why what a constructor builds, or a model, is not scaled."""


_NOT_KEPT = ("pretrained", "cache", "features_only")
"""Settings, by their first letters, of timm's weights and of what a caller may ask for."""

Rules = Callable[[DepthRounding, float], Rule]
"""How a model scales, by how layers are rounded and where they are added."""


class TimmBaseline(ModuleBaseline):
    """A ``model`` of timm at the px that its weights were trained on, scaled by a rule."""

    origin: Origin = "timm"

    def __init__(self, model: str, resolution: int, rules: Rules, sized: bool) -> None:
        super().__init__(PREFIX + model, resolution)
        self._by: tuple[DepthRounding, float] = (AUTHORS, 0.0)
        rule = rules(*self._by)
        self.resolution = resolution
        self.definition = {"timm": model}
        self.depths = rule.depths
        self.channels = rule.channels
        self._model = model
        self._rules, self._rule = rules, rule
        self._sized = sized
        if rule.own_side:
            self._sides = [resolution]

    @property
    def depth_rounding(self) -> DepthRounding:
        """How layers are rounded."""
        return self._by[0]

    def rounded(self, rule: DepthRule, /) -> Self:
        """The same model, its layers rounded by another rule; what has been found out is shared."""
        return self._scaled_by(AUTHORS if rule == "authors" else rule, self._by[1])

    def placed(self, placement: float, /) -> Self:
        """The same model, layers added to its stages by another rule, where it is given stages."""
        _ = self._stages  # found as layers are added to all
        return self._scaled_by(self._by[0], placement)

    def _scaled_by(self, rounding: DepthRounding, placement: float) -> Self:
        other = copy(self)
        other._by = rounding, placement
        other._rule = self._rules(*other._by)
        other.depths = other._rule.depths
        return other

    @cached_property
    def total_stride(self) -> int:
        """The patch of an isotropic network; of others as `ModuleBaseline`."""
        return self._rule.patch or super().total_stride

    @cached_property
    def resolution_step(self) -> int:
        """A patch of an isotropic network; at least an eighth of the total stride of others.

        It is the first multiple of that, or of 8 px, that the network takes.
        """
        whole = self._rule.isotropic
        least = self.total_stride if whole else usual_step(self.total_stride)
        steps = {step for unit in (least, least if whole else 8) for step in self._multiples(unit)}
        side = self._multiples(least)[-1]
        return self._first_step(sorted(s for s in steps if s >= least), side) or self.resolution

    def _multiples(self, px: int) -> range:
        return range(px, self.resolution + 1, px)

    @cached_property
    def brief_resolution(self) -> int:
        """Just above 32 px or the total stride; more where sides move in whole strides or patches.

        That is 64 px or more: twice the total stride, or six patches if isotropic. With six
        patches a side there are two more resolutions up to γ = √2, with four only one.
        Why just above: see docs/planning.md.
        """
        stride, step = self.total_stride, self.resolution_step
        if self._rule.isotropic:
            least = max(64, 6 * stride)
        elif step >= stride:
            least = max(64, 2 * stride)
        else:
            least = max(32, stride) + step
        sides = range(-(-least // self.resolution_step) * self.resolution_step, 4 * self.resolution)
        runs = (s for s in sides[:: self.resolution_step] if self._runs(s))
        return next(runs, self.resolution)

    def _probed(self, depth: float, width: float, side: int) -> nn.Module:
        """As its authors built it: layers and channels do not depend on the resolution."""
        return self.build(depth, width, 10)

    def construction(self, depth: float, width: float, resolution: int | None = None) -> Call:
        """The model's constructor and all of its settings, but for those of timm's weights."""
        constructor, settings = settings_of(self._model)
        settings |= self._changed(depth, width, resolution)
        kept = {key: value for key, value in settings.items() if not key.startswith(_NOT_KEPT)}
        return Call(constructor, settings=kept)

    def build(
        self,
        depth: float,
        width: float,
        num_classes: int,
        *,
        resolution: int | None = None,
        in_chans: int = 3,
    ) -> nn.Module:
        """The timm model, its settings scaled.

        Raises:
            UserError: timm cannot build it at these multipliers, or whole patches do not make up
                the resolution, and timm would leave px unused.
        """
        changed = self._changed(depth, width, resolution)
        try:
            return create(
                self._model,
                lambda _, settings: settings | changed,
                num_classes=num_classes,
                in_chans=in_chans,
            )
        except (Exception, SystemExit) as error:
            at = f"depth {depth:g}, width {width:g}"
            at += f", {resolution} px" if self._sized and resolution else ""
            raise UserError(
                f"{self.name} cannot be built at {at} ({one_line(error)}); {_INSTEAD}."
            ) from error

    def _changed(self, depth: float, width: float, resolution: int | None) -> Settings:
        """The settings that are not those of the model's own entry point."""
        patch = self._rule.patch
        if patch and resolution is not None and resolution % patch:
            raise UserError(
                f"{self.name} has patches of {patch} px, which do not divide images of "
                f"{resolution} px; take a multiple of {self.resolution_step} px."
            )
        sized = {"img_size": resolution} if self._sized and resolution is not None else {}
        return self._rule.scaled(depth, width) | sized


def timm_baseline(name: str) -> Baseline:
    """The baseline of a name ``timm/<model>``.

    Raises:
        UserError: timm has no such model (the nearest is named), or no rule can scale it.
    """
    model = name.removeprefix(PREFIX)
    if not timm.is_model(model):
        known = [PREFIX + known for known in timm.list_models()]
        hint = did_you_mean(name, known, cutoff=0.5)
        raise UserError(f"timm has no model {model!r}{f'; {hint}' if hint else '.'}")
    pretrained = timm.models.get_pretrained_cfg(model)
    resolution = int(pretrained.input_size[-1]) if pretrained else 224
    constructor, settings = settings_of(model)
    if constructor.__name__ == "RegNet":
        return regnet_of_timm(name, timm.models.get_arch_name(model), resolution)
    given = all_settings(constructor, settings)
    about = (model, constructor.__name__, given, settings)
    if isinstance(rule := _rule(*about), str):
        raise UserError(f"{name} cannot be scaled by rule, since {rule}; {_INSTEAD}.")
    rules = cast(Rules, partial(_rule, *about))  # a model with one rule has all
    return TimmBaseline(model, resolution, rules, given.get("img_size") is not None)


class TimmListing(NamedTuple):
    """A model of timm, the class that builds it, and why it cannot be scaled, if it cannot."""

    name: str
    constructor: str
    scalable: bool
    reason: str


def timm_listing() -> Iterator[TimmListing]:
    """All models of timm, in its order; nothing is built."""
    for model in timm.list_models():
        constructor, settings = settings_of(model)
        rule: Rule | str = ""
        if constructor.__name__ != "RegNet":
            given = all_settings(constructor, settings)
            rule = _rule(model, constructor.__name__, given, settings)
        reason = rule if isinstance(rule, str) else ""
        yield TimmListing(PREFIX + model, constructor.__name__, not reason, reason)


def _rule(
    model: str,
    constructor: str,
    given: Settings,
    settings: Settings,
    layers: DepthRounding = AUTHORS,
    placement: float = 0.0,
) -> Rule | str:
    """The rule that scales a model, or why there is none."""
    if reason := _REASONS.get(model) or _REASONS.get(constructor):
        return reason
    if "num_classes" in (settings.get("kwargs_filter") or ()):
        return "it has no classifier"
    if settings.get("pruned"):
        return "its layers have been pruned one by one"
    if getattr(given.get("embed_layer"), "keywords", {}).get("proj") is False:
        return "the channels of its blocks are those of a convolutional stem"
    if constructor == "ByobNet":
        return byob_rule(settings["model_cfg"], layers, placement)
    if constructor in ("EfficientNet", "MobileNetV3", "MobileNetV5"):
        return block_rule(given, "num_features" in settings, layers, placement)
    kind = kind_of(constructor, given)
    if kind is None:
        return f"its constructor {constructor} is not given layers and channels stage by stage"
    return rule_of(kind, given, settings, layers, placement)
