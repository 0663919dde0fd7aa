from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scalegrid.util import processor as module
from scalegrid.util.processor import processor

AMD = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC 7B13
stepping\t: 0

processor\t: 1
model name\t: AMD EPYC  7B13
"""
HIDDEN = """\
processor\t: 0
cpu family\t: 6
model\t\t: 207
model name\t: Intel(R) Xeon(R) Processor
"""
ARM = """\
processor\t: 0
BogoMIPS\t: 243.75
CPU implementer\t: 0x41
CPU architecture: 8
CPU part\t: 0xd0c
"""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    processor.cache_clear()
    yield
    processor.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/cpuinfo")
@pytest.mark.parametrize(
    ("listed", "name"),
    [
        (AMD, "AMD EPYC 7B13"),
        (HIDDEN, "Intel(R) Xeon(R) Processor family 6 model 207"),
        (ARM, f"{platform.machine()} implementer 0x41 part 0xd0c"),
        ("", platform.processor() or platform.machine()),
        (None, platform.processor() or platform.machine()),
    ],
)
def test_linux_lists_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str | None, name: str
) -> None:
    monkeypatch.setattr(module, "CPUINFO", tmp_path / "cpuinfo")
    if listed is not None:
        (tmp_path / "cpuinfo").write_text(listed)
    assert processor() == name


def test_every_machine_has_a_name_of_one_line() -> None:
    assert processor() == " ".join(processor().split()) != ""
