import math
from pathlib import Path

import pytest

from benchmarks.selection_worlds import candidates_of
from scalegrid.analysis import estimates_as_planned
from scalegrid.analysis.measured import AGREEMENT, KINDS, Kind, nearest_kind
from scalegrid.analysis.model import Model
from scalegrid.analysis.over_rungs import OverRungs
from scalegrid.analysis.sensor import readings
from scalegrid.metric import measure
from scalegrid.results import load_sweep

PUBLISHED = Path(__file__).parents[2] / "results/published"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kinds_are_as_their_tables_say(kind: Kind) -> None:
    tables = load_sweep(kind.table, PUBLISHED)
    assert kind.flops == tables.variants["flops"].iloc[0]
    assert kind.drawn == (tables.spec["data"] in ("leaves", "glyphs"))
    for metric, (noise, spread) in kind.measured.items():
        spec = {**tables.spec, "metric": metric}
        read = readings(estimates_as_planned(tables.planned, tables.trials, spec))[metric]
        scale = measure(metric).scale
        assert noise == pytest.approx(scale * read.noise.middle, rel=0.03)
        assert spread == pytest.approx(scale * read.spread.middle, rel=0.03)


def test_the_agreement_is_that_of_its_table() -> None:
    tables = load_sweep(AGREEMENT.table, PUBLISHED)
    candidates = candidates_of(tables).set_index("variant")
    trials = tables.trials[tables.trials["variant"].isin(candidates.index)]
    rungs = sorted(trials["rung"].unique())
    shares = candidates[["share_depth", "share_width", "share_resolution"]].to_numpy(float)
    model = Model(len(candidates), shares)
    over = OverRungs.read(trials.assign(value=trials["top1"]), list(candidates.index), rungs, model)
    weight, unknown = over.posterior.weight, over.posterior.unknown
    part = math.log(3) / math.log(rungs[-1])
    agrees = float(weight @ unknown.rho ** (len(rungs) - 1)) ** part
    shrinks = float(weight @ (unknown.tau[:, -1] / unknown.tau[:, 0])) ** part
    assert pytest.approx(agrees, abs=0.03) == AGREEMENT.correlation
    assert pytest.approx(shrinks, abs=0.03) == AGREEMENT.spread


def test_the_nearest_kind_has_the_same_sort_of_images_and_the_nearest_flops() -> None:
    assert nearest_kind(1_000_000, drawn=True).name == "nano on leaves"
    assert nearest_kind(400_000_000, drawn=True).name == "b0 on leaves"
    assert nearest_kind(4_000_000, drawn=False).name == "nano on CIFAR-10"
    assert nearest_kind(6_000_000, drawn=False).name == "mobilenetv2 on clothing"


def test_deviations_are_in_the_unit_of_values() -> None:
    kind = KINDS[0]
    assert kind.of("top1").noise == pytest.approx(kind.measured["top1"].noise / 100)
    assert kind.of("val_loss") == kind.measured["val_loss"]
    assert kind.of("nas") == kind.of("top1")
