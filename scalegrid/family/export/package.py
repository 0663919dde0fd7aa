"""The folder of an exported family: written beside its place, and then renamed."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from scalegrid.family.document import document
from scalegrid.family.export.models import Models, models_of
from scalegrid.family.export.module import module
from scalegrid.family.export.naming import check_name
from scalegrid.family.export.pages import pages
from scalegrid.family.family import Family
from scalegrid.util import disk
from scalegrid.util.errors import UserError

_FILES = ("__init__.py", "train.py", "pyproject.toml", "README.md", "MODEL_CARD.md")
"""What is written from templates."""


def export(family: Family, folder: Path) -> str:
    """Write a package that registers the sizes of a family with timm.

    Of both tables the exact one is written. The package needs torch and timm, and of a user's own
    code its module.

    Args:
        family: its sizes are those of the package.
        folder: what is written; its name is that of the package.

    Returns:
        A sentence that says what was written.

    Raises:
        UserError: the folder has something in it or cannot be written, its name cannot be that of
            a package, or the networks cannot be written down.
    """
    folder = Path(os.path.abspath(folder))
    check_folder(folder)
    models = models_of(family, folder.name)
    code, copies = module(models)
    texts = {**pages(family, models, folder.name), "module": code}
    with _new(folder) as partial:
        for name in _FILES:
            _write(partial / name, _rendered(name, texts).encode())
        for path in copies:
            _write(partial / path.name, path.read_bytes())
        _write_tables(family, models, partial)
    kind = "exact sizes" if family.by("exact") else "sizes"
    first, last = models.models[0].name, models.models[-1].name
    named = first if first == last else f"{first} … {last}"
    return f"the {kind} are in {folder}, and timm has {named} after `import {folder.name}`"


def check_folder(folder: Path) -> None:
    """Raise UserError where `export` refuses a folder, whatever the sizes."""
    folder = Path(os.path.abspath(folder))
    if os.path.lexists(folder) and (
        folder.is_symlink() or not folder.is_dir() or any(folder.iterdir())
    ):
        raise UserError(f"--export {folder} exists already; remove it or choose another folder.")
    parent = next(path for path in folder.parents if path.exists())
    if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
        kind = "a folder that may be written to" if parent.is_dir() else "a folder"
        raise UserError(
            f"cannot write {folder}: {parent} is not {kind}; mend that or choose another folder "
            "for --export."
        )
    check_name(folder)


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` that takes its place if nothing fails, and vanishes if it does.

    What killed processes have left of it vanishes too.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        disk.make_folders(folder.parent)
        for left in folder.parent.glob(f".{folder.name}.*.partial"):
            disk.remove_tree(left)
        disk.make_folder(partial)
        try:
            yield partial
            disk.sync_folder(partial)
            disk.rename(partial, folder)
            disk.sync_folder(folder.parent)
        finally:
            disk.remove_tree(partial)
    except OSError as error:
        raise UserError(
            f"cannot write {folder}: {error.strerror or error}; mend that or choose another folder "
            "for --export."
        ) from None


def _rendered(name: str, texts: dict[str, Any]) -> str:
    from jinja2 import Environment, StrictUndefined

    template = files("scalegrid.family.export") / "templates" / f"{name}.jinja"
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    text: str = environment.from_string(template.read_text(encoding="utf-8")).render(texts)
    return text


def _write_tables(family: Family, models: Models, folder: Path) -> None:
    """The sizes that are exported, each with the name of its model."""
    rows = [{"model": model.name, **asdict(model.size)} for model in models.models]
    sizes = io.StringIO(newline="")
    writer = csv.DictWriter(sizes, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write(folder / "sizes.csv", sizes.getvalue().encode())
    text = json.dumps(
        {**document(family), "baseline": models.baseline, "sizes": rows},
        indent=2,
        ensure_ascii=False,
    )
    _write(folder / "sizes.json", f"{text}\n".encode())


def _write(path: Path, content: bytes) -> None:
    with disk.opened(path, "wb") as file:
        file.write(content)
        disk.sync(file)
