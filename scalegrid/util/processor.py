"""The model of this machine's processor."""

from __future__ import annotations

import platform
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
_REGISTRY_KEY = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"


@cache
def processor() -> str:
    """The processor's model as the system calls it; its architecture where the system does not.

    Virtual machines often hide the model: a name without a number is followed by the family and
    the model in numbers, as far as they are known.
    """
    name = ""
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        elif sys.platform == "win32":
            import winreg

            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _REGISTRY_KEY) as key:
                name = str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
        else:
            name = _listed(CPUINFO.read_text(errors="replace"))
    return " ".join(name.split()) or platform.processor() or platform.machine()


def _listed(text: str) -> str:
    """From ``/proc/cpuinfo``: of x86 the name, of ARM the numbers of implementer and part."""
    lines = (line.partition(":") for line in reversed(text.splitlines()))
    first = {key.strip(): value.strip() for key, _, value in lines}
    if "CPU part" in first:
        part = f"implementer {first.get('CPU implementer')} part {first['CPU part']}"
        return f"{platform.machine()} {part}"
    name = first.get("model name", "")
    if name and not any(letter.isdigit() for letter in name) and "cpu family" in first:
        name += f" family {first['cpu family']} model {first.get('model')}"
    return name
