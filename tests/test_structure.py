"""The map of the package: which rooms there are, and who may import whom."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "scalegrid"
ROOMS = (  # top first: a room imports those further down alone
    *(
        "__main__",
        "cli",
        "sweep",
        "rounds",
        "tuning",
        "importing",
        "report",
        "figures",
        "track",
        "family",
    ),
    "search",
    *(
        "progress",
        "speed",
        "results",
        "plan",
        "executors",
        "allocation",
        "analysis",
        "cost",
        "training",
        "baselines",
        "data",
        "spec",
    ),
    *("coefficients", "metric", "util"),
)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def room(module: str) -> str:
    """``data`` of ``scalegrid.data.cache``."""
    return module.split(".")[1]


def imports(path: Path) -> Iterator[str]:
    """Dotted names of this package that a module imports, lazily or for types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "scalegrid")


def test_every_module_is_in_a_room() -> None:
    assert {room(module) for module in MODULES if module != "scalegrid"} == set(ROOMS)


@pytest.mark.parametrize("name", ROOMS)
def test_imports_go_downwards_only(name: str) -> None:
    lower = ROOMS[ROOMS.index(name) :]
    inside = {m: path for m, path in MODULES.items() if m != "scalegrid" and room(m) == name}
    upward = [
        f"{module} imports {target}"
        for module, path in inside.items()
        for target in imports(path)
        if room(target) not in lower
    ]
    assert not upward


def test_no_import_takes_a_private_name() -> None:
    private = [
        f"{module} imports {target}"
        for module, path in MODULES.items()
        for target in imports(path)
        if any(part.startswith("_") and not part.startswith("__") for part in target.split("."))
    ]
    assert not private


def test_the_map_names_every_room() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = guide.split("```text\n")[1].split("```")[0]
    for name in ROOMS:
        shown = f"{name}/" if (PACKAGE / name).is_dir() else f"{name}.py"
        assert shown in picture, shown


def test_the_disk_is_changed_in_one_module_only() -> None:
    """Locks, and folders that trackers and torchvision fill, are not results."""
    change = re.compile(
        r"os\.(replace|rename|fsync|ftruncate|unlink|remove|mkdir|makedirs|rmdir)\(|shutil\.rmtree"
        r"|\.(unlink|mkdir|rmdir|touch|write_bytes)\(|[\w)]\.write_text\(|open\([^)\n]*\"[wax]b?\""
    )
    free = {"util.disk", "util.locks", "track.trackers", "data.torchvision", "__main__"}
    others = {
        module
        for module, path in MODULES.items()
        if change.search(re.sub(r"disk\.opened\(", "(", path.read_text(encoding="utf-8")))
    }
    assert others <= {f"scalegrid.{module}" for module in free}
