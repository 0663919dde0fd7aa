"""The tables of a search: its networks, and the trials as a sweep has them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from scalegrid.results.checks import TRIALS_FILE, of_trials
from scalegrid.results.gathered import together
from scalegrid.results.loading import DATA_KEY, NETWORKS_FILE, SEARCH_FILE, SPEC_FILE, read_parts
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
from scalegrid.util.errors import UserError
from scalegrid.util.files import digest

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

    def check(self, spec: SearchSpec, space: Space, data: str) -> None:
        """Refuse to mix two searches in one folder.

        Raises:
            UserError: settings, the space or the images are others than those it began with.
        """
        for key in KEYS:
            old, new = getattr(self.spec, key), getattr(spec, key)
            if old != new and key not in EXTENDABLE | RUNTIME_KEYS | IMAGE_KEYS | {"ahead"}:
                flag = f"--{key.replace('_', '-')}"
                raise UserError(
                    f"{self.folder} holds a search with other settings: {flag} is {old} there and "
                    f"{new} here; choose another --name, or run it with {flag} as it was."
                )
        metadata = self.networks.schema.metadata
        now = {
            DATA_KEY: (f"the images of {spec.data} have", data),
            SPACE_KEY: (f"{space.name} has", key_of(space)),
        }
        for kind, (what, found) in now.items():
            if metadata.get(kind, b"").decode() != found:
                raise UserError(
                    f"{what} changed since the search in {self.folder} was started; choose another "
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
        self._open_tables()
        if found is None or found.spec != spec:
            write_text(self.folder / SEARCH_FILE, written(spec))  # last: now it is a search

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
    spec = read_spec(folder / SEARCH_FILE, {})
    parts = read_parts(folder)
    networks = read_table(folder / NETWORKS_FILE, NETWORKS)
    known = networks["variant"].to_pylist()
    trials, history, answers = together(parts, known)
    history, answers = of_trials(history, trials), of_trials(answers, trials)
    if unknown := set(trials["variant"].to_pylist()) - set(known):
        raise UserError(
            f"{folder / TRIALS_FILE} has trials of network {min(unknown)}, which "
            f"{folder / NETWORKS_FILE} does not list; restore both from the same search."
        )
    return StoredSearch(folder, spec, networks, trials, history, answers)


def written(spec: SearchSpec) -> str:
    """The specification as a file that `read_spec` reads."""
    import yaml as plain

    values: dict[str, Any] = spec.model_dump(mode="json", exclude_none=True)
    return plain.safe_dump({SEARCH_SECTION: values}, sort_keys=False, allow_unicode=True)


def key_of(space: Space) -> str:
    """What tells a space from others, whatever its name."""
    stages = [stage.model_dump(mode="json") for stage in space.stages]
    return digest([json.loads(json.dumps(dict(space.settings))), stages])
