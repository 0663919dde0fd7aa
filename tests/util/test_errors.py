from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalegrid.util.errors import one_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("no such layer."), "ValueError: no such layer"),
        (RuntimeError("\n out of memory\nTried to allocate"), "RuntimeError: out of memory"),
        (
            RuntimeError("out of memory:\n\n at most 2 GB.\nOr so"),
            "RuntimeError: out of memory: at most 2 GB",
        ),
        (ValueError("too wide:"), "ValueError: too wide"),
        (KeyError("width"), "KeyError: 'width'"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (OSError("  "), "OSError"),
    ],
)
def test_the_class_and_the_first_line_of_the_message(error: BaseException, line: str) -> None:
    assert one_line(error) == line


@given(st.text())
def test_it_is_one_line_whatever_the_message(message: str) -> None:
    assert len(one_line(ValueError(message)).splitlines()) == 1
