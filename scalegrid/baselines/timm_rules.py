"""Which settings of timm's constructors are layers and which are channels, and how they scale.

- Layers are rounded up, or to the nearest. Where a network is a list of its blocks, equal blocks
  are repeated.
- Channels become multiples of 8, or of what they have in common with 8; of as many channels for
  each attention head, where the constructor is given heads; and of the groups of group norms.
- Heads stay as many as they are and grow with the channels: with heads of one size a ViT-Ti would
  have two widths up to β = 1.41.
- Settings that follow the others follow: hidden sizes, indices of blocks, lists of a value a block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

from scalegrid.baselines.rounding import scale_channels, scale_layers, scale_stage, tidy
from scalegrid.baselines.timm_entry import Settings, configuration
from scalegrid.coefficients import DepthRounding, stage_depths

Change = tuple[str, Callable[[Any], Any]]
"""The path of a setting, and what becomes of its value."""

_STEPS = 16
"""A width multiplier of timm's own moves in sixteenths, so that each is another network."""


class Rule(NamedTuple):
    """How the settings of one constructor scale."""

    depths: Callable[[float], Hashable]
    """What a depth multiplier changes."""
    channels: Callable[[float], Hashable]
    """What a width multiplier changes."""
    scaled: Callable[[float, float], Settings]
    """The settings that change, at a depth and a width multiplier."""
    isotropic: bool = False
    """Whether all blocks are alike: one number of layers, one of channels."""
    patch: int = 0
    """The side in px of the patches of an isotropic network, if it is given."""
    own_side: bool = False
    """Whether layers are read off at the authors' resolution; others are tried at 256 px first."""


class Kind(NamedTuple):
    """Settings of a constructor: names, or paths in its configuration, separated by spaces."""

    layers: str
    channels: str
    heads: str = ""
    """The heads of each of the ``channels``, in the same order."""
    divisor: int = 8
    multiples: Callable[[Settings], list[int]] | None = None
    """Of what the channels of each stage must be multiples: of heads of fixed size, of groups."""
    in_proportion: Callable[[Settings], bool] | None = None
    """Whether each stage must have a whole multiple of the channels of the one before."""
    multiple_of: str = ""
    """The setting that has the channels before the first stage, which do not scale."""


def _heads_of_maxxvit(block_type: Any, transformer_cfg: Any, **_: Any) -> list[int]:
    """Attention is on the channels of its stage, or on those that enter the stage."""
    attends = [bool({"T", "M"} & {*blocks}) for blocks in block_type]
    if not transformer_cfg.expand_first:
        attends = [a or b for a, b in zip(attends, [*attends[1:], False], strict=True)]
    return [transformer_cfg.dim_head if a else 1 for a in attends]


def _groups_of_cspnet(stages: Any, **_: Any) -> list[int]:
    """The outputs of a stage, of which a share is divided into groups."""
    each = zip(stages.groups, stages.block_ratio, stages.bottle_ratio, strict=True)
    return [round(groups / (block * bottle)) for groups, block, bottle in each]


def _channels_of_resnet(given: Settings) -> int:
    """Those of its group norms; a bottleneck of whole groups where it is split or reduced."""
    parts = (given.get("block_args") or {}).get("radix", 1) * given["block_reduce_first"]
    unit = Fraction(64 * parts, given["base_width"]).numerator if parts > 1 else 1
    return math.lcm(unit, _norm_groups(given))


KINDS = {
    "CoaT": Kind("serial_depths parallel_depth", "embed_dims"),
    "ConVit": Kind("depth", "embed_dim"),
    "ConvMixer": Kind("depth", "dim"),
    "CrossVit": Kind("depth", "embed_dim", "num_heads"),
    "CspNet": Kind(
        "stages.depth",
        "stem.out_chs stages.out_chs",
        multiples=lambda given: _groups_of_cspnet(**given),
    ),
    "DenseNet": Kind("block_config", "growth_rate", divisor=4),
    "GhostNet": Kind("cfgs", "width"),
    "Hiera": Kind("stages", "embed_dim", "num_heads"),
    "HieraDet": Kind("stages", "embed_dim", "num_heads"),
    "HighPerfGpuNet": Kind(
        " ".join(f"stage{i}.3" for i in range(1, 5)),
        "stem_chs " + " ".join(f"stage{i}.{j}" for i in range(1, 5) for j in range(3)),
    ),
    "HighResolutionNet": Kind(
        " ".join(f"stage{i}.num_blocks" for i in range(1, 5)),
        "stem_width " + " ".join(f"stage{i}.num_channels" for i in range(1, 5)),
    ),
    "LCNetV2": Kind("depths", "scale"),
    "MlpMixer": Kind("num_blocks", "embed_dim"),
    "PoolingVisionTransformer": Kind("depth", "base_dims"),
    "RDNet": Kind("num_blocks_list", "num_init_features growth_rates"),
    "RepGhostNet": Kind("cfgs", "width"),
    "RexNet": Kind("depth_mult", "width_mult"),
    "TNT": Kind("depth", "embed_dim inner_dim", "num_heads_outer num_heads_inner"),
    "TResNet": Kind("layers", "width_factor"),
    "VGG": Kind("cfg", "cfg"),
    "VovNet": Kind("block_per_stage", "stem_chs stage_conv_chs stage_out_chs"),
    "XceptionAligned": Kind("block_cfg", "block_cfg"),
}
"""The constructors whose settings have names of their own; `kind_of` finds those of others."""

_SPECIAL: dict[str, dict[str, Any]] = {
    "ResNet": {"multiples": lambda given: [_channels_of_resnet(given)] * 4},
    "EdgeNeXt": {"in_proportion": lambda given: given["downsample_block"]},
    "FastVit": {"in_proportion": lambda given: True},
    "MaxxVit": {
        "multiples": lambda given: _heads_of_maxxvit(**given),
        "in_proportion": lambda given: given["conv_cfg"].block_type == "convnext",
        "multiple_of": "stem_width",
    },
    "MetaFormer": {
        "multiples": lambda given: [
            32 if "Attention" in str(mixer) else 1 for mixer in _each(given["token_mixers"], 4)
        ],
    },
}
"""What the channels of a constructor must be, beside multiples of 8."""

_LAYERS = ("depths", "layers", "depth", "depth_list")
_CHANNELS = ("dims", "channels", "embed_dims", "embed_dim", "widths", "width_list", "base_dim")

_INDICES = ("global_attn_indexes", "global_att_blocks", "local_up_to_layer")
_EACH_BLOCK = ("num_kv_heads", "mlp_ratios")
_WITH_CHANNELS = ("rel_pos_dim", "intermediate_size", "head_dim")


def kind_of(constructor: str, given: Settings) -> Kind | None:
    """The settings that are layers and channels among all that a constructor is ``given``."""
    if constructor in KINDS:
        return KINDS[constructor]
    if all(isinstance(given.get(key), int) for key in ("depth", "embed_dim", "num_heads")):
        return Kind("depth", "embed_dim", "num_heads")
    layers = next((key for key in _LAYERS if _is_list(given.get(key))), None)
    if layers is None:
        return None
    stages = len(given[layers])
    channels = next((key for key in _CHANNELS if _fits(given.get(key), stages)), None)
    if channels is None:
        return None
    heads = "num_heads" if _is_list(given.get("num_heads")) else ""
    return Kind(layers, channels, heads, **_SPECIAL.get(constructor, {}))


def rule_of(
    kind: Kind, given: Settings, settings: Settings, layers: DepthRounding, placement: float
) -> Rule:
    """How the settings of this ``kind`` scale, among ``settings`` and all that is ``given``."""

    def scaled(depth: float, width: float) -> Settings:
        paths = kind.layers.split()
        deeper = _deeper(len(paths), depth, layers, placement)
        changes: list[Change] = list(zip(paths, deeper, strict=True))
        changes += (*_wider(kind, given, width), *_following(kind, given, deeper[0], width))
        return _changed(settings, given, changes)

    isotropic = isinstance(given.get(kind.layers), int)
    patch = 0 if isinstance(given.get("embed_layer"), partial) else given.get("patch_size")
    return Rule(
        lambda depth: _frozen(scaled(depth, 1.0)),
        lambda width: _frozen(scaled(1.0, width)),
        scaled,
        isotropic=isotropic,
        patch=patch if isotropic and isinstance(patch, int) and patch > 1 else 0,
        own_side=isotropic or any(kind is named for named in KINDS.values()),
    )


def _changed(settings: Settings, given: Settings, changes: Iterable[Change]) -> Settings:
    """The settings, and the configuration among them, that the ``changes`` change."""
    name, config = configuration(settings)
    changed: Settings = {}
    for path, change in changes:
        top = path.partition(".")[0]
        if top == "cfg":
            changed[name] = change(changed.get(name, config))
        elif top in config if isinstance(config, dict) else hasattr(config, top):
            changed[name] = _replaced(changed.get(name, config), path, change)
        elif given.get(top) is not None:
            changed |= _replaced({top: changed.get(top, given[top])}, path, change)
    return changed


def _replaced(holder: Any, path: str, change: Callable[[Any], Any]) -> Any:
    """A copy of a dict, data class or list with what is at ``path`` changed."""
    key, _, rest = path.partition(".")
    if isinstance(holder, list | tuple):
        return [_entry(v, rest, change) if i == int(key) else v for i, v in enumerate(holder)]
    own = holder[key] if isinstance(holder, dict) else getattr(holder, key)
    new = {key: _entry(own, rest, change)}
    return {**holder, **new} if isinstance(holder, dict) else replace(holder, **new)


def _entry(value: Any, path: str, change: Callable[[Any], Any]) -> Any:
    return _replaced(value, path, change) if path else change(value)


def _deeper(
    paths: int, depth: float, rule: DepthRounding, placement: float
) -> list[Callable[[Any], Any]]:
    """What becomes of the layers at each path: a path is a stage, or the only one lists them."""
    if paths > 1:
        each = stage_depths(depth, placement, paths)
        return [partial(_layers, depth=d, rule=rule) for d in each]

    def listed(value: Any) -> Any:
        if placement == 0 or not isinstance(value, list | tuple) or _is_blocks(value):
            return _layers(value, depth, rule)
        each = zip(value, stage_depths(depth, placement, len(value)), strict=True)
        return type(value)(_layers(v, d, rule) for v, d in each)

    return [listed]


def _layers(value: Any, depth: float, rule: DepthRounding) -> Any:
    """Layers, lists of them, a depth multiplier of timm's own, or blocks in order."""
    if isinstance(value, float):  # RexNet's stages have up to five blocks
        return tidy(value * scale_layers(5, depth, rule) / 5)
    if isinstance(value, int):
        return scale_layers(value, depth, rule)
    if _is_blocks(value):
        return repeated(value, _repeats, depth, rule)
    return type(value)(_layers(v, depth, rule) for v in value)


def _is_blocks(value: Any) -> bool:
    """Whether a list is one of blocks: VGG's channels and poolings, dicts, or GhostNet's rows."""
    head = value[0]
    if isinstance(head, list | tuple):
        return len(head) == 5 and not any(isinstance(v, list | tuple) for v in head)
    return isinstance(head, dict) or any(isinstance(v, str) for v in value)


def _repeats(block: Any) -> bool:
    """Whether a block keeps the size and the channels of its map."""
    if isinstance(block, dict):
        return bool(block["stride"] == 1 and block["in_chs"] == block["out_chs"])
    return block[-1] == 1 if isinstance(block, list | tuple) else isinstance(block, int)


def repeated(
    blocks: Iterable[Any], repeats: Callable[[Any], bool], depth: float, rule: DepthRounding
) -> list[Any]:
    """Blocks in order, those that may be repeated as often as `scale_stage` says."""
    scaled: list[Any] = []
    for may_repeat, stage in groupby(blocks, repeats):
        runs = [list(run) for _, run in groupby(stage)]
        lengths = [len(run) for run in runs]
        counts = scale_stage(lengths, depth, rule) if may_repeat else lengths
        scaled += (run[0] for run, n in zip(runs, counts, strict=True) for _ in range(n))
    return scaled


def _wider(kind: Kind, given: Settings, width: float) -> Iterator[Change]:
    """How the channels change, given the heads of each."""
    names = kind.channels.split()
    heads = dict(zip(names, kind.heads.split(), strict=False))
    whole = kind.multiples(given) if kind.multiples else _norm_groups(given)
    change: Callable[..., Any] = _channels
    if kind.in_proportion and kind.in_proportion(given):
        before = _each(given.get(kind.multiple_of, 1), 1)[-1]
        change = partial(_proportional, before=before)
    for name in names:
        each = given.get(heads.get(name, ""), 1)
        yield name, partial(change, width=width, most=kind.divisor, heads=each, whole=whole)


def _channels(value: Any, width: float, most: int, heads: Any, whole: Any) -> Any:
    """Channels, lists of them, a width multiplier of timm's own, or blocks in order.

    They are multiples of up to ``most``, for each of the ``heads``, and of the ``whole``.
    """
    if isinstance(value, float):
        return tidy(value * max(1, round(_STEPS * width)) / _STEPS)
    if isinstance(value, int):
        heads, whole = _each(heads, 1)[0], _each(whole, 1)[0]
        divisor = heads * math.gcd(most, value // heads) if value % heads == 0 else most
        divisor = math.gcd(divisor, value)
        both = math.lcm(divisor, whole)
        return scale_channels(value, width, both if value % both == 0 else divisor)
    if not isinstance(value, list | tuple):
        return value
    if isinstance(value[0], dict):
        return _wider_blocks(value, partial(_channels, width=width, most=most, heads=1, whole=1))
    each = zip(value, _each(heads, len(value)), _each(whole, len(value)), strict=False)
    return type(value)(_channels(v, width, most, n, w) for v, n, w in each)


def _proportional(value: Any, width: float, most: int, heads: Any, whole: Any, before: int) -> Any:
    """Channels of stages, multiples of those ``before``, and whole in all stages."""
    ratios = [channels // value[0] for channels in value]
    if any(channels % value[0] for channels in value):
        return _channels(value, width, most, heads, whole)
    unit = math.lcm(
        before,
        *(w // math.gcd(w, r) for w, r in zip(_each(whole, len(value)), ratios, strict=True)),
    )
    first = _channels(value[0], width, most, heads, unit)
    return type(value)(first * ratio for ratio in ratios)


def _each(value: Any, stages: int) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value] * stages


def _wider_blocks(blocks: Sequence[Settings], wider: Callable[[Any], Any]) -> list[Settings]:
    """Blocks with inputs and outputs of their own; the stem is not widened."""
    inputs = [blocks[0]["in_chs"], *(wider(block["in_chs"]) for block in blocks[1:])]
    return [
        block | {"in_chs": n, "out_chs": wider(block["out_chs"])}
        for block, n in zip(blocks, inputs, strict=True)
    ]


def norm_groups(layer: Any) -> int:
    """Channels of which a layer must have multiples for its group norm; 1 for other norms."""
    groups = 32
    if isinstance(layer, partial):
        groups = layer.keywords.get("group_size") or layer.keywords.get("num_groups", groups)
        layer = layer.func
    name = str(getattr(layer, "__name__", layer)).lower().replace("_", "")
    grouped = name.startswith(("groupnorm", "evonorm2ds")) and not name.startswith("groupnorm1")
    return groups if grouped else 1


def _norm_groups(given: Settings) -> int:
    """`norm_groups` of outputs, of which the bottleneck has a share."""
    return round(norm_groups(given.get("norm_layer")) / min(1.0, given.get("bottle_ratio") or 1.0))


def _following(
    kind: Kind, given: Settings, deeper: Callable[[Any], Any], width: float
) -> Iterator[Change]:
    """What follows the layers, and in an isotropic network the channels."""
    before = given.get(kind.layers)
    if not isinstance(before, int) and not _is_list(before):
        return
    for name in _INDICES:
        yield name, partial(_index, before=before, after=deeper(before))
    for name in _EACH_BLOCK:
        yield name, partial(_stretched, layers=deeper(before))
    if not isinstance(before, int):
        return
    for name in _WITH_CHANNELS:
        yield name, partial(scale_channels, width=width)
    embedding, ratio = given[kind.channels.split()[0]], given.get("mlp_ratio")
    if isinstance(ratio, float) and ratio % 1:
        wider = dict(_wider(kind, given, width))[kind.channels.split()[0]](embedding)
        hidden = int(embedding * ratio)
        yield "mlp_ratio", lambda _: _ratio(hidden, embedding, wider, own=ratio)


def _ratio(hidden: int, before: int, after: int, own: float) -> float:
    """The ratio at which hidden sizes are rounded as channels are; timm takes its whole part."""
    scaled = scale_channels(hidden, after / before, math.gcd(8, hidden))
    return own if after == before else (scaled + 0.5) / after


def _index(value: Any, before: Any, after: Any) -> Any:
    """Numbers of blocks that are as far on in their stage ``after`` scaling as ``before``."""
    if not isinstance(value, int):
        return type(value)(_index(v, before, after) for v in value)
    start = 0
    for old, new in zip(_each(before, 1), _each(after, 1), strict=True):
        if value < old:
            return start + max(0, round((value + 1) * new / old) - 1)
        value, start = value - old, start + new
    return start + value


def _stretched(value: Any, layers: Any) -> Any:
    """A list of a value a block, or of such lists a stage, for as many ``layers``."""
    if not isinstance(value, list | tuple):
        return value
    if isinstance(layers, int):
        return type(value)(value[i * len(value) // layers] for i in range(layers))
    return type(value)(_stretched(v, n) for v, n in zip(value, layers, strict=False))


def _frozen(value: Any) -> Hashable:
    if isinstance(value, dict):
        return tuple((key, _frozen(v)) for key, v in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return value if isinstance(value, Hashable) else repr(value)


def _is_list(value: Any) -> bool:
    """Whether ``value`` lists whole numbers, two or more."""
    is_list = isinstance(value, list | tuple) and len(value) > 1
    return is_list and all(isinstance(n, int) for n in value)


def _fits(value: Any, stages: int) -> bool:
    """Whether ``value`` is channels: of the first stage, or of each of the ``stages``."""
    return isinstance(value, int) or (_is_list(value) and len(value) == stages)
