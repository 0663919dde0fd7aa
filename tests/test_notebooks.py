"""Notebooks run from top to bottom on the committed results, and show what is committed."""

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def test_the_notebook_for_pandas_alone_runs_and_is_committed_without_outputs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(NOTEBOOKS)
    names: dict[str, object] = {}
    cells = json.loads(Path("reading_results.ipynb").read_text(encoding="utf-8"))["cells"]
    for cell in (cell for cell in cells if cell["cell_type"] == "code"):
        assert not cell["outputs"]
        exec(compile("".join(cell["source"]), "reading_results.ipynb", "exec"), names)
    assert len(names["ranking"]) >= 9  # type: ignore[arg-type]


@pytest.mark.slow
def test_the_notebook_for_exploring_is_committed_with_what_it_shows() -> None:
    """If this fails, look at it and run `jupyter execute notebooks/explore.ipynb --inplace`."""
    import nbformat
    from nbclient import NotebookClient

    path = NOTEBOOKS / "explore.ipynb"
    committed, run = (nbformat.read(path, as_version=4) for _ in range(2))
    NotebookClient(run, timeout=120, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    for before, after in zip(committed.cells, run.cells, strict=True):
        assert shown(before) == shown(after)
    assert str(NOTEBOOKS.parent) not in path.read_text(encoding="utf-8")


def shown(cell: Any) -> list[tuple[str, dict[str, str]]]:
    """The outputs of a cell: texts as they are, of pictures only that there is one."""
    return [
        (output.output_type, {"text": output.text} if "text" in output else texts(output.data))
        for output in cell.get("outputs", [])
    ]


def texts(data: Any) -> dict[str, str]:
    """What one output shows, by the type of its content."""
    return {kind: "" if kind.startswith("image/") else text for kind, text in data.items()}
