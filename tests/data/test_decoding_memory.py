"""How much memory decoding takes, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from data_helpers import make_classes
from PIL import Image

GIGABYTE = 10**9
_PREPARE = """
import pathlib, sys
from scalegrid.data import open_source, prepare
prepare(open_source(sys.argv[1]), [32, 48], cache_dir=pathlib.Path(sys.argv[2]))
status = pathlib.Path("/proc/self/status").read_text()
print(1024 * int(status.split("VmHWM:")[1].split()[0]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "mode"),
    [("turned.jpg", "RGB"), pytest.param("clear.png", "LA", marks=pytest.mark.slow)],
)
def test_a_gigabyte_is_enough_for_photographs_of_a_hundred_megapixels(
    tmp_path: Path, name: str, mode: str
) -> None:
    """Also to turn one upright, or to show it on white."""
    make_classes(tmp_path / "set", {"a": 2, "b": 2})
    turned = Image.Exif()
    turned[0x0112] = 6
    photograph = Image.new(mode, (12_000, 8_334))
    photograph.save(tmp_path / "set" / "a" / name, exif=turned, compress_level=1)
    command = [sys.executable, "-c", _PREPARE, str(tmp_path / "set"), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < GIGABYTE
