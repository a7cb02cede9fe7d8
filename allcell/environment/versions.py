"""What numbers were measured with: the packages that affect them, and the machine."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "allcell",
    "hotcoco",
    "numpy",
    "onnxruntime",
    "opencv-python",
    "torch",
    "ultralytics",
)


def installed_versions() -> dict[str, str]:
    """Versions by package, of those that are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine_name() -> str:
    """Processor and cores, as far as the operating system tells."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            names = [line.split(":", 1)[1].strip() for line in file if "model name" in line]
        name = names[0] if names else name
    except OSError:  # not Linux
        pass
    return f"{name}, {os.cpu_count()} cores"
