"""What this machine has, in words: processor, packages, cards, cameras, disk, write access."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from allcell.environment.installation import get_packages
from allcell.environment.versions import installed_versions, machine_name, processor_features
from allcell.settings import settings

#: Less than this is not enough for weights, graphs and a video.
_LOW_BYTES = 2 * 2**30
_SMI_TIMEOUT_S = 10.0
#: What parts of allcell need, by extra: modules, and what is missing without them.
_PARTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "app": (("streamlit", "streamlit_webrtc", "av"), "the app"),
    "openvino": (("openvino",), "the fastest runtime on most CPUs, and Intel's GPUs and NPUs"),
    "train": (("torch", "ultralytics"), "CUDA cards, training, models without a shipped graph"),
}


@dataclass(frozen=True)
class MachineFact:
    """One thing that was looked at.

    Attributes:
        what: What was looked at.
        said: What was found, in words.
        remedy: What to do; empty where all is well, or nothing can be done.
    """

    what: str
    said: str
    remedy: str = ""


def survey() -> list[MachineFact]:
    """All that can be found out without opening a model."""
    checks: Sequence[Callable[[], list[MachineFact]]] = (
        processor,
        packages,
        cards,
        cameras,
        ice,
        write_access,
        disk,
    )
    return [finding for check in checks for finding in check()]


def processor() -> list[MachineFact]:
    """The processor, and whether it has what makes networks fast."""
    features = processor_features()
    said = f"{machine_name()}; {', '.join(features)}" if features else machine_name()
    if Path("/proc/cpuinfo").is_file() and not features:
        return [
            MachineFact(
                "processor",
                f"{said}, without AVX2: models run several times slower than elsewhere",
                "Use a newer computer, or give the virtual machine its host's processor type.",
            )
        ]
    return [MachineFact("processor", said)]


def packages() -> list[MachineFact]:
    """What is installed, and what is missing without the rest."""
    versions = installed_versions()
    listed = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    found = [MachineFact("packages", listed)]
    for extra, (modules, what) in _PARTS.items():
        missing = [name for name in modules if find_spec(name) is None]
        if missing:
            said = f"no {' and no '.join(missing)}: {what} cannot be used"
            found.append(MachineFact(f"packages, {extra}", said, get_packages(extra)))
    return found


def cards() -> list[MachineFact]:
    """NVIDIA's cards as their driver lists them; whether torch can use them is asked elsewhere."""
    if shutil.which("nvidia-smi") is None:
        return [MachineFact("NVIDIA card", "none (there is no nvidia-smi)")]
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SMI_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        done = subprocess.CompletedProcess(command, 1, "", str(error))
    if done.returncode or not done.stdout.strip():
        said = (done.stderr or done.stdout).strip().splitlines() or ["it lists no card"]
        return [
            MachineFact(
                "NVIDIA card",
                f"its driver does not answer ({said[0][:100]})",
                "Install or update NVIDIA's driver, and restart the computer.",
            )
        ]
    return [
        MachineFact("NVIDIA card", line.replace(", ", ", driver ", 1))
        for line in done.stdout.strip().splitlines()
    ]


def unused_card(driver: str) -> MachineFact:
    """Why torch may not use a card that the driver lists.

    Args:
        driver: What `cards` said of it.
    """
    torch = installed_versions().get("torch", "")
    if "+cpu" in torch:
        return MachineFact(
            "NVIDIA card",
            f"{driver}; the installed torch {torch} is one without CUDA",
            get_packages("train"),
        )
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        return MachineFact(
            "NVIDIA card",
            f"{driver}; CUDA_VISIBLE_DEVICES={hidden!r} hides it",
            "Unset CUDA_VISIBLE_DEVICES.",
        )
    return MachineFact(
        "NVIDIA card",
        f"{driver}; torch {torch} cannot use it: most likely the driver is too old for its CUDA",
        "Update NVIDIA's driver, and restart the computer. Until then allcell uses the CPU.",
    )


def cameras(folder: Path = Path("/dev")) -> list[MachineFact]:
    """Cameras of this computer, and whether this user may open them (Linux)."""
    if not Path("/proc").is_dir():
        return []
    found = sorted(folder.glob("video[0-9]*"))
    if not found:
        said = "none at this computer; a browser's own camera needs none here"
        return [MachineFact("cameras", said)]
    closed = [path.name for path in found if not os.access(path, os.R_OK | os.W_OK)]
    listed = ", ".join(path.name for path in found)
    if closed:
        return [
            MachineFact(
                "cameras",
                f"{listed}; you may not open {', '.join(closed)}",
                "Run `sudo usermod -aG video $USER`, then log in again. (In a container, pass the "
                "device.)",
            )
        ]
    return [MachineFact("cameras", listed)]


def ice() -> list[MachineFact]:
    """What helps live video through other networks."""
    servers = settings().ice_servers
    if not servers:
        return [
            MachineFact(
                "live video",
                "works on this computer and in a local network; through other networks it needs a "
                "TURN server, named in ALLCELL_ICE_SERVERS",
            )
        ]
    urls = ", ".join(str(server.get("urls", "without urls")) for server in servers)
    return [MachineFact("live video", f"ICE servers: {urls}")]


def write_access() -> list[MachineFact]:
    """Whether the cache and the temporary folder can be written to."""
    found = []
    for what, folder, without in (
        ("cache", settings().cache_dir, "nothing is kept: no runtime is chosen by measuring"),
        ("temporary files", Path(tempfile.gettempdir()), "uploads and recordings fail"),
    ):
        reason = _refused(folder)
        if reason:
            variable = "ALLCELL_CACHE_DIR" if what == "cache" else "TMPDIR"
            said = f"{folder} cannot be written to ({reason}): {without}"
            remedy = f"Set {variable} to a folder that you may write to."
            found.append(MachineFact(what, said, remedy))
        else:
            found.append(MachineFact(what, f"{folder}, can be written to"))
    return found


def _refused(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def disk() -> list[MachineFact]:
    """Free space where the cache is."""
    folder = settings().cache_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return []
    said = f"{free / 2**30:.1f} GB free"
    if free < _LOW_BYTES:
        return [MachineFact("disk", said, f"Make room: {_LOW_BYTES // 2**30} GB are needed.")]
    return [MachineFact("disk", said)]
