"""Artificial sweeps for the tests of figures, with the columns of the real tables."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scalegrid.coefficients import PAPER, Coefficients, classic_grid, corners

STAGES = (
    ("Conv", 3, 2, 32, 1),
    ("MBConv1", 3, 1, 16, 1),
    ("MBConv6", 3, 2, 24, 2),
    ("MBConv6", 5, 2, 40, 2),
    ("MBConv6", 3, 2, 80, 3),
    ("MBConv6", 5, 1, 112, 3),
    ("MBConv6", 5, 2, 192, 4),
    ("MBConv6", 3, 1, 320, 1),
    ("Conv & Pooling & FC", 1, 1, 1280, 1),
)
"""EfficientNet-B0 (paper, Table 1)."""

HISTORY = pd.DataFrame(columns=["trial", "epoch", "train_loss", "val_loss", "top1", "top5"])


@dataclass(frozen=True)
class FakeTables:
    """What `scalegrid.results.load_sweep` returns, as far as figures read it."""

    variants: pd.DataFrame
    trials: pd.DataFrame
    history: pd.DataFrame = field(default_factory=HISTORY.copy)
    spec: dict[str, Any] = field(default_factory=dict)
    answered: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def planned(self) -> pd.DataFrame:
        return self.variants

    def where_variants(self, keep: pd.Series) -> FakeTables:
        return replace(self, variants=self.variants[keep])


def layout(depth: float, width: float) -> list[dict[str, Any]]:
    """The layer table of B0 at these multipliers, rounded as in the authors' code."""
    rows = []
    for index, (operator, kernel, stride, channels, layers) in enumerate(STAGES):
        inner = 0 < index < len(STAGES) - 1
        rows.append(
            {
                "operator": operator,
                "kernel": kernel,
                "stride": stride,
                "channels": round(channels * width / 8) * 8,
                "layers": math.ceil(layers * depth - 1e-9) if inner else layers,
            }
        )
    return rows


def variant(
    role: str, triple: Coefficients, phi: float, *, flops: float = 38e6, pixels: int = 64
) -> dict[str, Any]:
    """A row of the variants table, for a baseline with these FLOPs and pixels."""
    depth, width, resolution = triple.scaling(phi)
    rows = layout(depth, width)
    side = max(pixels, 8 * round(pixels * resolution / 8))
    ratio = 1.0
    if phi:
        base = sum(r["layers"] for r in layout(1, 1))
        ratio = sum(r["layers"] for r in rows) / base * width**2 * (side / pixels) ** 2
    shares = triple.shares()
    return {
        "variant": f"{role}-{triple.alpha:.3f}-{triple.beta:.3f}-{triple.gamma:.3f}-{phi:.3f}",
        "role": role,
        "phi": phi,
        **triple._asdict(),
        "depth": depth,
        "width": width,
        "resolution": side,
        "flops": round(flops * ratio),
        "flops_ratio": ratio,
        "params": round(5.3e6 * depth * width**2),
        "activations": round(10**6 * depth * width * (side / pixels) ** 2),
        "memory": round(2e8 * depth * width * (side / pixels) ** 2),
        "share_depth": shares.depth,
        "share_width": shares.width,
        "share_resolution": shares.resolution,
        "layers": "-".join(str(r["layers"]) for r in rows),
        "channels": "-".join(str(r["channels"]) for r in rows),
        "layout": json.dumps(rows),
    }


def plan(
    *,
    grid: int = 7,
    factors: tuple[float, ...] = (2.0,),
    compound: tuple[float, ...] = (),
    **baseline: Any,
) -> pd.DataFrame:
    """A variants table: baseline, corners and paper at the FLOPs ``factors``, ``grid`` others."""
    rows = [variant("baseline", Coefficients(1, 1, 1), 0, **baseline)]
    for role, corner in corners().items():
        rows += [variant(role, corner, math.log2(f), **baseline) for f in factors]
    rows += [variant("paper", PAPER, math.log2(f), **baseline) for f in factors]
    recommended = Coefficients(1.15, 1.15, 1.15)
    rows += [variant("compound", recommended, phi, **baseline) for phi in compound]
    lattice = [t for t in classic_grid(0.05, 0.1) if min(t) > 1]
    chosen = np.linspace(0, len(lattice) - 1, grid).astype(int).tolist()
    rows += [variant("grid", lattice[i], 1, **baseline) for i in chosen]
    table: pd.DataFrame = pd.DataFrame([{**row, "order": i} for i, row in enumerate(rows)])
    return table


def with_placed(variants: pd.DataFrame) -> pd.DataFrame:
    """The same plan and, as `--scale stages` adds them, the first candidate of the grid placed."""
    even = variants[variants["role"] == "grid"].iloc[[0]]
    rows: list[dict[str, Any]] = json.loads(even["layout"].iloc[0])
    added: list[pd.DataFrame] = []
    for name, placement, stage in (("early", -1.0, 2), ("late", 1.0, 6)):
        moved = [{**row, "layers": row["layers"] + 2 * (i == stage)} for i, row in enumerate(rows)]
        layers = "-".join(str(row["layers"]) for row in moved)
        added.append(
            even.assign(
                variant=name,
                role="stages",
                placement=placement,
                layers=layers,
                layout=json.dumps(moved),
                order=len(variants) + len(added),
            )
        )
    table: pd.DataFrame = pd.concat([variants.assign(placement=0.0), *added], ignore_index=True)
    return table


def train(
    variants: pd.DataFrame,
    *,
    seeds: int = 1,
    failed: int = 0,
    base: float = 0.62,
    gain: float = 0.05,
    noise: float = 0.006,
) -> FakeTables:
    """Trials of each variant; balanced scaling gains most, and gains diminish with FLOPs."""
    random = np.random.default_rng(0)
    rows = []
    for _, row in variants.iterrows():
        spent = math.log2(row["flops_ratio"])
        shares = np.nan_to_num([row["share_depth"], row["share_width"], row["share_resolution"]])
        balance = 1 - 1.2 * float(np.sum((shares - 1 / 3) ** 2))
        mean = base + gain * balance * (1 - math.exp(-spent)) / (1 - math.exp(-1))
        rows += [
            {
                "trial": f"{row['variant']}-{seed}",
                "variant": row["variant"],
                "seed": seed,
                "status": "finished",
                "top1": float(np.clip(mean + noise * random.standard_normal(), 0, 1)),
                "seconds": 40.0 * row["flops_ratio"] + 2 * seed,
            }
            for seed in range(seeds)
        ]
    trials = pd.DataFrame(rows)
    trials["finished_at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(
        trials["seed"] * len(variants) + trials.groupby("seed").cumcount(), unit="min"
    )
    for index in range(failed):
        trials.loc[len(trials) - 1 - index, ["status", "top1"]] = ["failed", math.nan]
    return FakeTables(variants, trials)


def with_history(tables: FakeTables, epochs: int) -> FakeTables:
    """The same trials, with epochs that approach what they came to."""
    done = tables.trials[tables.trials["status"] == "finished"]
    part = np.arange(1, epochs + 1) / epochs
    rows = done.loc[done.index.repeat(epochs), ["trial", "top1"]].reset_index(drop=True)
    progress = np.tile(part, len(done)) ** 0.5
    rows["epoch"] = np.tile(np.arange(1, epochs + 1), len(done))
    rows["val_loss"], rows["train_loss"] = 3 - 2 * rows["top1"], 3 - 2 * progress * rows["top1"]
    rows["top1"] *= progress
    return replace(tables, history=rows)


def over_rungs(tables: FakeTables, rungs: tuple[int, ...] = (1, 3, 9)) -> FakeTables:
    """The same trials at 1×, and again at further rungs, where each gains and some change places.

    By the last rung half of the candidates are left. A brief trial has four epochs; a longer one
    shares those before the rate of the one before falls.
    """
    roles = tables.variants.set_index("variant")["role"]
    candidates = [str(v) for v in roles.index if roles[v] not in ("baseline", "paper")]
    trials, epochs = [], []
    for number, rung in enumerate(rungs):
        kept = candidates[: len(candidates) // 2] if number == 2 else candidates
        chosen = tables.trials if rung == 1 else tables.trials[tables.trials["variant"].isin(kept)]
        late = chosen["variant"].map({v: 0.008 * math.sin(3 * i) for i, v in enumerate(candidates)})
        own = chosen.assign(
            trial=chosen["trial"] + f"-{rung}",
            rung=rung,
            top1=chosen["top1"] + number * (0.08 + late.fillna(0.0)),
            finished_at=chosen["finished_at"] + pd.to_timedelta(number, unit="D"),
        )
        trials.append(own)
        epoch = np.arange(1, 4 * rung + 1)
        held = 0.62 - 0.25 / epoch**0.5
        fallen = np.clip(epoch / (4 * rung) - 0.7, 0, None) / 0.3
        for row in own.to_dict("records"):
            top1 = held + fallen * (row["top1"] - held[-1])
            one = pd.DataFrame({"trial": row["trial"], "epoch": epoch, "top1": top1})
            epochs.append(one.assign(val_loss=3 - 2 * top1, train_loss=3 - 2 * top1))
    return replace(
        tables,
        trials=pd.concat(trials, ignore_index=True),
        history=pd.concat(epochs, ignore_index=True),
        spec={**tables.spec, "rungs": list(rungs)},
    )


def with_widths(variants: pd.DataFrame, widths: tuple[float, ...] = (1, 1.5, 2)) -> pd.DataFrame:
    """The same plan and, as `--width-curves` adds them, widths at two depths and resolutions."""
    rows = [
        {
            **variant("curve", Coefficients(depth, width, px), 1.0),
            "order": len(variants),
            "phi": 0.5,
        }
        for depth, px, width in product((1, 2), (1, 1.25), widths)
    ]
    everything = pd.concat([variants, pd.DataFrame(rows)], ignore_index=True)
    table: pd.DataFrame = everything.drop_duplicates(["layers", "channels", "resolution"])
    return table
