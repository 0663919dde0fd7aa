"""The tables of a search: its networks, and the trials as a sweep has them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow.compute as pc

from scalegrid.baselines.definition import Definition
from scalegrid.results.checks import TRIALS_FILE, check_once, check_trials, of_trials
from scalegrid.results.gathered import together
from scalegrid.results.loading import (
    DATA_KEY,
    NETWORKS_FILE,
    SEARCH_FILE,
    SPEC_FILE,
    check_held,
    flags_of,
    other_settings,
    read_parts,
)
from scalegrid.results.schema import (
    NETWORKS,
    Row,
    Table,
    make_table,
    read_table,
    write_table,
)
from scalegrid.results.store import Store, write_text
from scalegrid.search.networks import Network
from scalegrid.search.space import Space
from scalegrid.search.spec import EXTENDABLE, KEYS, SearchSpec, read_spec
from scalegrid.spec import IMAGE_KEYS, RUNTIME_KEYS, SEARCH_SECTION
from scalegrid.util import yaml
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest
from scalegrid.util.text import few

if TYPE_CHECKING:
    from scalegrid.training.answers import Flags

SPACE_KEY = b"scalegrid.space"
"""Of the metadata of ``networks.parquet``: the digest of the space."""


@dataclass(frozen=True)
class StoredSearch:
    """A search as it is on disk; trials are in the order of networks, then of seeds."""

    folder: Path
    spec: SearchSpec
    networks: Table
    trials: Table
    history: Table
    answers: Table

    @property
    def data(self) -> str:
        """The fingerprint of the data."""
        return str((self.networks.schema.metadata or {}).get(DATA_KEY, b"").decode())

    @property
    def answered(self) -> dict[str, Flags]:
        """Which images the trials of ``answers`` got right, by their ids."""
        return flags_of(self.answers)

    def check(self, spec: SearchSpec, space: Space, data: str, changed: Sequence[str] = ()) -> None:
        """Refuse to mix two searches in one folder; ``changed`` are images, as far as known.

        Raises:
            UserError: settings, the space or the images are others than those it began with.
        """
        check_held(self.folder, spec, self.spec)
        metadata = self.networks.schema.metadata
        same_space = metadata.get(SPACE_KEY, b"").decode() == key_of(space)
        free = EXTENDABLE | RUNTIME_KEYS | ({"space"} if same_space else set())
        for key in (key for key in KEYS if key not in free | IMAGE_KEYS):
            old, new = getattr(self.spec, key), getattr(spec, key)
            if old != new:
                raise other_settings(self.folder, "search", key, old, new)
        which = f" ({few(list(changed), 10)})" if changed else ""
        if metadata.get(DATA_KEY, b"").decode() != data:
            raise self._changed(f"the images of {spec.data} have", which)
        if not same_space:
            raise self._changed(f"{space.name} has")
        for row in self.networks.select(["variant", "point"]).to_pylist():
            point = json.loads(row["point"])
            own = [point.get(name) in values for name, values in space.choices.items()]
            if len(own) != len(point) or not all(own):
                raise UserError(
                    f"{self.folder / NETWORKS_FILE} has a point of {row['variant']} that is none "
                    f"of {space.name}; restore it."
                )

    def _changed(self, what: str, which: str = "") -> UserError:
        return UserError(
            f"{what} changed since the search in {self.folder} was started{which}; choose another "
            "--name, or undo the change."
        )


class SearchStore(Store):
    """The tables of one search, open for writing by this process alone; see `Store`."""

    spec_file: ClassVar[str] = SEARCH_FILE
    hint: ClassVar[str] = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.found: StoredSearch | None = None
        self.networks: list[Row] = []
        self._metadata: dict[bytes, str] = {}

    def _read(self) -> None:
        if (self.folder / SPEC_FILE).exists():
            raise UserError(f"{self.folder} holds a sweep; choose another --name for the search.")
        self.found = read_search(self.folder)
        if self.found is None and (self.folder / TRIALS_FILE).exists():
            raise UserError(
                f"{self.folder} holds trials but no {SEARCH_FILE}; restore that or choose another "
                "--name."
            )

    def begin(self, spec: SearchSpec, space: Space, data: str) -> None:
        """Start a search, or go on with the one in ``found``, which its `check` has allowed.

        Raises:
            UserError: a file cannot be written.
        """
        self._metadata = {DATA_KEY: data, SPACE_KEY: key_of(space)}
        found = self.found
        if found is not None:
            self.networks = found.networks.to_pylist()
            self._positions = {row["variant"]: row["number"] for row in self.networks}
        else:
            self._write_networks()
        if found is None or found.spec != spec:
            # After the networks: a folder with this file in it is a search.
            write_text(self.folder / SEARCH_FILE, written(spec))
        self._open_tables()

    def add_network(self, network: Network) -> None:
        """Store a sampled network, durably.

        Raises:
            UserError: the file cannot be written.
        """
        self.networks.append(network.row())
        self._positions[network.variant] = network.number
        self._write_networks()

    def _write_networks(self) -> None:
        table = make_table(NETWORKS, self.networks)
        metadata = {**NETWORKS.metadata, **self._metadata}
        write_table(self.folder / NETWORKS_FILE, table.replace_schema_metadata(metadata))


def read_search(folder: Path) -> StoredSearch | None:
    """The search in ``folder``; None if none was started there.

    Raises:
        UserError: a file is corrupt, foreign, or from a newer scalegrid.
    """
    if not (folder / SEARCH_FILE).is_file():
        return None
    if not yaml.section(folder / SEARCH_FILE, "specification", SEARCH_SECTION):
        raise UserError(f"{folder / SEARCH_FILE} has no part {SEARCH_SECTION!r}; restore it.")
    spec = read_spec(folder / SEARCH_FILE, {})
    parts = read_parts(folder)
    networks = read_table(folder / NETWORKS_FILE, NETWORKS)
    known = networks["variant"].to_pylist()
    trials, history, answers = together(parts, known)
    answers = of_trials(answers, trials.filter(pc.equal(trials["status"], "finished")))
    _check_networks(folder / NETWORKS_FILE, networks)
    check_trials(folder / NETWORKS_FILE, networks, trials, history, answers)
    return StoredSearch(folder, spec, networks, trials, of_trials(history, trials), answers)


def _check_networks(path: Path, networks: Table) -> None:
    """Raise UserError unless these are networks that a search has sampled, one after the other."""
    if not {DATA_KEY, SPACE_KEY} <= (networks.schema.metadata or {}).keys():
        raise UserError(f"{path} is missing or damaged; restore it, or choose another --name.")
    check_once(path, "variant", networks)
    for number, row in enumerate(networks.to_pylist()):
        try:
            json.loads(row["point"]).items()
            Definition.model_validate_json(row["definition"])
            good = row["number"] == number and 0 < row["cost"] < math.inf
        except (ValueError, AttributeError):
            good = False
        if not good:
            raise UserError(f"{path} has a broken row of {row['variant']}; restore it.")


def written(spec: SearchSpec) -> str:
    """The specification as a file that `read_spec` reads."""
    import yaml as plain

    values: dict[str, Any] = spec.model_dump(mode="json", exclude_none=True)
    return plain.safe_dump({SEARCH_SECTION: values}, sort_keys=False, allow_unicode=True)


def key_of(space: Space) -> str:
    """What tells a space from others, whatever its name."""
    stages = [stage.model_dump(mode="json") for stage in space.stages]
    return digest([json.loads(json.dumps(dict(space.settings))), stages])
