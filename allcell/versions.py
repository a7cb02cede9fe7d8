"""Which versions of the packages that have a say in the numbers are installed."""

from __future__ import annotations

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
    """Versions by package, as far as they are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
