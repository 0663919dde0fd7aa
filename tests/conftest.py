"""Having this file lets tests of every folder import the helpers that lie beside it."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _no_cache_but_the_tests_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Caches of images and costs are shared between tests, and never the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCALEGRID_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
