"""Having this file lets tests of every folder import the helpers that lie beside it."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each process of tests has a core, so that further threads would only wait.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest.register_assert_rewrite("allocator_contract", "executor_contract")
settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


@pytest.fixture(autouse=True, scope="session")
def _no_cache_but_the_tests_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches of images and costs are shared between tests, and never the user's.

    No test cuts the power, and `os.fsync` is slow on a busy disk.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # one for all processes
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALEGRID_CACHE", str(folder / "cache"))
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: "test_every_example_runs" not in item.nodeid)
