"""What numbers were measured with: the packages that affect them, and the machine."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from allcell import __version__

_PACKAGES = (
    "hotcoco",
    "numpy",
    "onnxruntime",
    "opencv-python",
    "openvino",
    "torch",
    "ultralytics",
)


def installed_versions() -> dict[str, str]:
    """Versions by package, allcell's own first, of those that are installed."""
    # In a checkout the metadata are those of the day it was installed.
    found = {"allcell": __version__}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine_name() -> str:
    """Processor and cores, as far as the operating system tells."""
    name = _cpuinfo().get("model name") or platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores"


#: What makes networks fast on a processor: Linux's name, and ours.
_FEATURES = {
    "avx2": "AVX2",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_int8": "AMX 8-bit",
    "amx_bf16": "AMX BF16",
    "asimddp": "NEON dot product",
    "i8mm": "NEON 8-bit matrices",
    "bf16": "NEON BF16",
}


def processor_features() -> tuple[str, ...]:
    """Instructions of this processor that make networks fast; empty where nothing tells (Linux)."""
    said = _cpuinfo()
    flags = set((said.get("flags") or said.get("Features") or "").split())
    return tuple(title for flag, title in _FEATURES.items() if flag in flags)


@lru_cache(maxsize=1)
def _cpuinfo() -> dict[str, str]:
    """What Linux says of the first core; empty elsewhere."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            first = file.read().split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
