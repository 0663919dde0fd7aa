"""Exported families: used without scalegrid they are the networks of the table."""

from __future__ import annotations

import copy
import csv
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from without_scalegrid import OTHERS

from scalegrid.baselines import get
from scalegrid.cli.main import main
from scalegrid.coefficients import PAPER
from scalegrid.cost.table import Costs
from scalegrid.family import Family, Terms, at_phis
from scalegrid.family.export import export
from scalegrid.family.export.naming import named, suffix
from scalegrid.family.export.source import UnwritableError, Writer
from scalegrid.family.start import Start, start
from scalegrid.util import disk
from scalegrid.util.errors import UserError

ROOT = Path(__file__).parent.parent.parent
FIXTURES = ROOT / "tests" / "fixtures"
PUBLISHED = ROOT / "results" / "published"
KINDS = {
    "mynano": ("nano", 32),
    "myblocks": ("tests/fixtures/blocks.yaml", 32),
    "mymobile": ("mobilenetv3_small", 64),
    "mystem": ("resnet18", 64),
    "mystages": ("regnety_002", 64),
    "mypatches": ("convnext_atto", 64),
    "mytimm": ("timm/efficientnet_lite0", 64),
    "myvit": ("timm/vit_tiny_patch16_224", 96),
    "mycode": ("tests/fixtures/tinynet:tinynet", 16),
}
"""A package of each kind of baseline, and its px at φ = 0."""

PHIS = {"mynano": (-1.0, 0.0, 0.5), "mystem": (-2.0,), "myvit": (-1.0,)}
"""Of those that do not have φ = 1 alone."""

NANO = ("--baseline", "nano", "--alpha", "1.2", "--beta", "1.1", "--gamma", "1.15")


@pytest.fixture(scope="module", autouse=True)
def _alone() -> Iterator[None]:
    """Examples that ran before leave folders on the path, and a module of theirs is mynet."""
    with pytest.MonkeyPatch.context() as patch:
        own = [folder for folder in sys.path if not (Path(folder) / "mynet.py").exists()]
        patch.setattr(sys, "path", own)
        patch.delitem(sys.modules, "mynet", raising=False)
        yield


TRAIN = """
import argparse, json, timm, torch
parser = argparse.ArgumentParser()  # some of what timm's train.py has, version 1.0
parser.add_argument("--data-dir")
parser.add_argument("--model")
parser.add_argument("--num-classes", type=int)
parser.add_argument("--in-chans", type=int)
parser.add_argument("--img-size", type=int)
parser.add_argument("--crop-pct", type=float)
parser.add_argument("--drop", type=float, default=0.0)
parser.add_argument("--drop-path", type=float)
parser.add_argument("--weight-decay", type=float, default=2e-5)
args = parser.parse_args()
with torch.device("meta"):
    timm.create_model(
        args.model, num_classes=args.num_classes, in_chans=3, drop_rate=args.drop,
        drop_path_rate=args.drop_path, drop_block_rate=None, global_pool=None,
    )
with open(__file__.replace("train.py", "calls.jsonl"), "a") as file:
    file.write(json.dumps(vars(args)) + "\\n")
"""


def family(baseline: str, px: int, phis: tuple[float, ...]) -> Family:
    return at_phis(Terms(start(baseline, resolution=px, num_classes=10), PAPER), phis)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["family", *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of each kind."""
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def families(folder: Path) -> dict[str, Family]:
    """Each is exported, and a network of each size is saved with what it returns."""
    made = {}
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.chdir(ROOT)
        for name, (baseline, px) in KINDS.items():
            made[name] = family(baseline, px, PHIS.get(name, (1.0,)))
            export(made[name], folder / name)
            for model, size in named(name, made[name].sizes).items():
                network = made[name].terms.start.baseline.build(
                    size.depth, size.width, 10, resolution=size.resolution
                )
                image = torch.rand(1, 3, size.resolution, size.resolution)
                weights = copy.deepcopy(network.state_dict())
                with torch.no_grad():
                    logits = network.eval().double()(image.double())
                saved = {"weights": weights, "image": image, "logits": logits}
                torch.save(saved, folder / f"{model}.pt")
    (folder / "train.py").write_text(TRAIN)
    write_example(folder)
    return made


def write_example(folder: Path) -> None:
    """What docs/scaling-up.md exports, and the code that uses it."""
    page = (ROOT / "docs" / "scaling-up.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^scalegrid (family .*--export) b0family$", page, re.MULTILINE)
    (example,) = re.findall(r"```python\n(import timm\nimport b0family\n.*?)```", page, re.DOTALL)
    assert run(*shlex.split(command)[1:], str(folder / "b0family")).exit_code == 0
    (folder / "example.py").write_text(example, encoding="utf-8")


@pytest.fixture(scope="module")
def found(families: dict[str, Family], folder: Path) -> dict[str, Any]:
    """What a process that has no scalegrid finds in the packages."""
    script = Path(__file__).parent / "without_scalegrid.py"
    ran = subprocess.run(
        [sys.executable, str(script), str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(FIXTURES)},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


@pytest.mark.parametrize("name", KINDS)
def test_models_are_the_networks_of_the_table(
    name: str, families: dict[str, Family], found: dict[str, Any]
) -> None:
    px_at_0 = families[name].terms.start.resolution
    border = px_at_0 / (9 if name == "myvit" else 7)  # timm crops 90 % for ViT, else 87.5 %
    for model, size in named(name, families[name].sizes).items():
        seen = found["models"][model]
        assert seen["same"]
        assert (seen["params"], seen["flops"]) == (size.params, size.flops)
        cfg, px = seen["cfg"], size.resolution
        assert (cfg["input_size"], cfg["num_classes"]) == ([3, px, px], 10)
        assert px / cfg["crop_pct"] - px == pytest.approx(border, abs=0.2)
        if name != "mycode":
            assert seen["dropout"] == pytest.approx(size.dropout, abs=1e-4)
            assert seen["drop_path"] == pytest.approx(size.drop_path, rel=0.2)


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "mycode"])
def test_timm_may_ask_for_other_classes_channels_and_features(
    name: str, found: dict[str, Any]
) -> None:
    other = found["others"][name]
    assert other["logits"] == [2, 7]
    assert [shape[0] for shape in other["maps"]] == other["channels"]
    sides = [shape[1] for shape in other["maps"]]
    assert len(sides) >= 3
    assert name == "myvit" or sides == sorted(set(sides), reverse=True)


def test_own_code_is_not_given_what_it_has_no_parameter_for(found: dict[str, Any]) -> None:
    assert found["others"]["mycode"] == {"error": "tinynet has no parameter in_chans"}


@pytest.mark.parametrize("name", OTHERS)
def test_training_commands_say_what_the_table_says(
    name: str, families: dict[str, Family], found: dict[str, Any]
) -> None:
    sizes = named(name, families[name].sizes)
    assert [call["model"] for call in found["trained"][name]] == list(sizes)
    for call, size in zip(found["trained"][name], sizes.values(), strict=True):
        assert (call["img_size"], call["num_classes"]) == (size.resolution, 10)
        assert call["weight_decay"] == size.weight_decay
        assert call["crop_pct"] == found["models"][call["model"]]["cfg"]["crop_pct"]
        dropped = (round(size.dropout, 4), size.drop_path) if name != "mycode" else (0, None)
        assert (call["drop"], call["drop_path"]) == dropped


def test_code_is_formatted_and_clean(families: dict[str, Family], folder: Path) -> None:
    packages = [str(folder / name) for name in KINDS]
    strict = ["check", "--select", "E,F,W,UP,B,C4,SIM,D1,RET,PERF", "--ignore", "D107"]
    for command in (["format", "--check"], strict):
        ran = subprocess.run(
            ["ruff", *command, "--isolated", "--no-cache", *packages],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout


def test_tables_have_the_names_of_models(families: dict[str, Family], folder: Path) -> None:
    rows = list(csv.DictReader((folder / "mynano" / "sizes.csv").read_text().splitlines()))
    names = ["mynano_m1", "mynano_p0", "mynano_p0_5"]
    assert [row["model"] for row in rows] == names
    assert [int(row["flops"]) for row in rows] == [size.flops for size in families["mynano"].sizes]
    table = json.loads((folder / "mynano" / "sizes.json").read_text())
    assert [row["model"] for row in table["sizes"]] == names
    assert (table["baseline"], table["alpha"]) == ("nano", 1.2)
    for page in ("README.md", "MODEL_CARD.md"):
        assert all(name in (folder / "mynano" / page).read_text() for name in names)
        assert "The baseline is blocks.yaml at 32 px" in (folder / "myblocks" / page).read_text()


@pytest.mark.parametrize(
    ("phi", "name"),
    [
        *((3, "p3"), (10, "p10"), (0, "p0"), (-0.0, "p0"), (0.5, "p0_5"), (1.23456, "p1_235")),
        *((-1, "m1"), (-1.25, "m1_25"), (-0.0001, "p0")),
    ],
)
def test_a_name_says_phi(phi: float, name: str) -> None:
    assert suffix(phi) == name


def test_sizes_of_nearly_equal_phi_have_more_digits() -> None:
    sizes = family("nano", 32, (1, 1.00004, 1.5)).sizes
    assert list(named("my", sizes)) == ["my_p1", "my_p1_5"]  # the first two are one network
    apart = family("nano", 32, (0.99999, 1.5)).sizes + family("nano", 32, (2.2,)).sizes
    close = [*apart[:2], replace(apart[2], phi=1.50001)]
    assert list(named("my", close)) == ["my_p0_99999", "my_p1_5", "my_p1_50001"]


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_what_is_written_is_said_beside_the_table(form: str, tmp_path: Path) -> None:
    arguments = (*NANO, "--phi", "0,1", "--budget", "both", "--format", form)
    ran = run(*arguments, "--export", str(tmp_path / "mynet"))
    assert ran.exit_code == 0
    assert ran.stdout == run(*arguments).stdout
    said = f"the exact sizes are in {tmp_path / 'mynet'}, and timm has mynet_p0 … mynet_p1 after"
    assert said in ran.stderr
    table = json.loads((tmp_path / "mynet" / "sizes.json").read_text())
    assert [size["budget"] for size in table["sizes"]] == ["exact"] * 2


def test_the_sweep_is_named_where_the_coefficients_are_of_one(tmp_path: Path) -> None:
    sweep = ("--from", "nano-cifar10-32", "--results", str(PUBLISHED))
    assert run(*sweep, "--phi", "0:2", "--export", str(tmp_path / "mynet")).exit_code == 0
    for page in ("README.md", "MODEL_CARD.md"):
        text = (tmp_path / "mynet" / page).read_text(encoding="utf-8")
        assert "as the sweep nano-cifar10-32 on data/cifar10-25k recommends" in text
        assert "10 classes" in text
    code = (tmp_path / "mynet" / "__init__.py").read_text(encoding="utf-8")
    assert "nano-cifar10-32" in code
    assert '"num_classes": 10,' in code


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my-net", "'my-net' is no name of one"),
        ("class", "'class' is no name of one"),
        ("3net", "'3net' is no name of one"),
        ("net_", "'net_' is no name of one"),  # not for pip
        ("ｍｙｎｅｔ", "'ｍｙｎｅｔ' is no name of one"),  # Python imports mynet
        ("timm", "there is a Python module timm already"),
        ("torch", "there is a Python module torch already"),
        ("random", "there is a Python module random already"),
        ("antigravity", "there is a Python module antigravity already"),
        ("beside", "there is a Python module beside already"),
        ("resnet", "timm has models of its own called resnet"),
        ("resnet18", "timm has models of its own called resnet18"),
        ("used", "used exists already; remove it or choose another folder"),
        ("file", "file exists already"),
        ("link", "link exists already"),
        ("file/mynet", "file is not a folder; mend that"),
    ],
)
def test_a_folder_that_cannot_be_the_package_is_refused(
    name: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "kept.txt").write_text("mine")
    for file in ("file", "beside.py"):
        (tmp_path / file).write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    ran = run(*NANO, "--phi", "0,1", "--export", str(tmp_path / name))
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert message in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = family("nano", 32, (0, 1))
    (tmp_path / "empty").mkdir()
    failing: Callable[..., Any] = disk.opened

    def opened(path: Path, mode: str) -> Any:
        if path.name == "MODEL_CARD.md":
            raise OSError(28, "No space left on device")
        return failing(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "opened", opened)
        with pytest.raises(UserError, match="No space left on device"):
            export(whole, tmp_path / "empty")
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    export(whole, tmp_path / "empty")
    assert (tmp_path / "empty" / "MODEL_CARD.md").exists()


@pytest.mark.slow
def test_what_a_killed_export_has_left_vanishes_with_the_next(tmp_path: Path) -> None:
    script = (
        "import os; from scalegrid.cli.main import main; from scalegrid.util import disk\n"
        "disk.opened = lambda path, mode: os.kill(os.getpid(), 9)\n"
        f"main({['family', *NANO, '--phi', '1', '--export', 'mynet']!r})"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False, capture_output=True)
    (left,) = tmp_path.iterdir()
    assert left.name != "mynet"
    export(family("nano", 32, (1,)), tmp_path / "mynet")
    assert [path.name for path in tmp_path.iterdir()] == ["mynet"]


def test_a_refused_folder_is_refused_before_sizes_are_costed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def costed(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("scalegrid.family.at_phis", costed)
    ran = run(*NANO, "--export", str(tmp_path / "a-b"))
    assert (ran.exit_code, ran.stdout) == (2, "")


class Offered:
    """A baseline of an installed package: what `Baseline` has, and no more."""

    def __getattr__(self, name: str) -> Any:
        if name == "construction":
            raise AttributeError(name)
        return getattr(get("nano"), name)


def test_what_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    given = family("nano", 32, (1,))
    offered: Any = Offered()
    first = Start(Costs(offered, 10), 32, 4)
    theirs = replace(given, terms=replace(given.terms, start=first))
    with pytest.raises(UserError, match="nano is an object of an installed package"):
        export(theirs, tmp_path / "mynet")
    with pytest.raises(UnwritableError, match="an object of type Linear"):
        Writer().source({"patches": torch.nn.Linear(1, 1)})


def test_two_networks_of_one_phi_are_refused(tmp_path: Path) -> None:
    sizes = family("nano", 32, (0, 1)).sizes
    same = [sizes[0], replace(sizes[1], phi=0.0)]
    with pytest.raises(UserError, match="cannot be named by it"):
        named("my", same)


def test_a_fit_is_not_exported(tmp_path: Path) -> None:
    ran = run("--fit", "ResNet", "--export", str(tmp_path / "mynet"))
    assert ran.exit_code == 2
    assert "takes no --export" in ran.stderr


def test_the_example_of_the_docs_works(found: dict[str, Any]) -> None:
    assert found["example"] == {"input_size": [3, 340, 340], "classes": 10}
