"""What the page of a search says: its answer, figures and networks, from its tables."""

from __future__ import annotations

import shlex
from pathlib import Path

from scalegrid.figures import SEARCH_FIGURES
from scalegrid.report.contents import (
    Contents,
    failures,
    machines,
    pictures_of,
    settings,
)
from scalegrid.results.loading import SEARCH_FILE
from scalegrid.search.answer import FOUND_FILE, beside
from scalegrid.search.spec import GROUPS
from scalegrid.search.tables import SearchTables
from scalegrid.util.errors import UserError
from scalegrid.util.text import count, percent, plural, results_flag, sentence


def search_contents(tables: SearchTables) -> Contents:
    """Everything that the page of a search says, finished or running."""
    layers: list[dict[str, str]] = []
    try:
        answer = tables.answer
        rows = beside(tables.found)
        layers = [{key: str(cell) for key, cell in row.items()} for row in rows]
    except UserError as error:
        answer = [sentence(str(error))]
    networks = _networks(tables)
    points = {f"variant-{row['variant']}": _hover(row) for row in networks}
    pictures, missing = pictures_of(SEARCH_FIGURES, tables, points)
    return Contents(
        name=tables.folder.name,
        subject=str(tables.spec.space),
        answer=answer,
        step=_step(tables.folder / FOUND_FILE),
        layers=layers,
        ways=[],
        pictures=pictures,
        missing=missing,
        variants=networks,
        failures=failures(tables.trials),
        basis=[
            "Networks are chosen and raced on the same validation images, on which the best of "
            "many are lucky as well; the probability is among the finalists alone."
        ],
        metric="top-1",
        settings=settings(tables.spec.model_dump(mode="json"), GROUPS),
        facts=_facts(tables),
        command=_command(tables),
    )


def _step(found: Path) -> list[str]:
    """What the baseline is for, once it is there."""
    if not found.exists():
        return []
    return [
        "How to scale it is found by a sweep:",
        shlex.join(["scalegrid", "sweep", "--baseline", str(found)]),
    ]


def _networks(tables: SearchTables) -> list[dict[str, str]]:
    """A row for each sampled network, as text by column."""
    objective, target = tables.spec.objective, tables.spec.objective.target
    try:
        raced = {one.network.variant: one for one in tables.finalists if one.best is not None}
    except UserError:
        raced = {}
    ended = tables.first.set_index("variant")
    rows = []
    for row in tables.networks.to_dict("records"):
        texts = dict.fromkeys(("top-1", "objective"), "–")
        note = ""
        if row["variant"] in ended.index:
            trial = ended.loc[row["variant"]]
            if trial["status"] == "finished":
                value = objective.value(trial["top1"], row["cost"])
                texts = {"top-1": _share(trial["top1"]), "objective": _share(value)}
            else:
                note = "failed"
        one = raced.get(row["variant"])
        at = f" at {one.rung}×" if one and one.rung > 1 else ""
        rows.append(
            {
                "network": str(row["number"] + 1),
                "cost": target.shown(row["cost"]),
                "params": count(row["params"]),
                "layers": str(row["layers"]),
                "channels": str(row["channels"]),
                **texts,
                "race": f"{_share(one.accuracy)}, {plural(one.trials, 'seed')}{at}" if one else "–",
                "best": percent(one.best) if one and one.best is not None else "–",
                "note": note,
                "variant": str(row["variant"]),
            }
        )
    return rows


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"


def _hover(row: dict[str, str]) -> str:
    """What a point of a figure is."""
    size = f"{row['cost']}, {row['params']} parameters, layers {row['layers']}"
    return f"network {row['network']}\n{size}\ntop-1 {row['top-1']}, race {row['race']}"


def _facts(tables: SearchTables) -> dict[str, str]:
    """How many trials, where and with which versions."""
    trials = tables.trials
    failed = int((trials["status"] == "failed").sum())
    first = len(tables.first)
    counted = f"{plural(first, 'network')} once, {len(trials) - first} of the race, {failed} failed"
    return {"trials": counted, **machines(trials)}


def _command(tables: SearchTables) -> str:
    """What goes on with the search, to be pasted into a shell."""
    at = results_flag(tables.folder.parent, tables.spec.results)
    return shlex.join(["scalegrid", "search", str(tables.folder / SEARCH_FILE), *at])
