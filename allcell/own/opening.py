"""Every model ready to run, by its name: what pages, commands and evaluations open models with."""

from __future__ import annotations

from allcell.detector import Detector
from allcell.engines.opening import Precision, Runtime, open_engine
from allcell.errors import DeviceError
from allcell.own.access import Who
from allcell.own.finding import find_model
from allcell.own.own_model import OwnModel
from allcell.settings import settings


def open_model(
    name: str,
    *,
    device: str = "auto",
    runtime: Runtime = "auto",
    precision: Precision = "auto",
    threads: int | None = None,
    who: Who | None = None,
) -> Detector:
    """Load a model, with the limits of the settings.

    One that was taught here runs in the engines that allcell's own run in, on the CPU unless
    another device is named. An imported one runs as a stranger's network does: tried in a child
    process first, on the CPU, in ONNX Runtime, with a limit on the time of each run.

    Args:
        name: See `find_model`.
        device: See `Detector.open`, like the rest.
        runtime: Likewise.
        precision: Likewise.
        threads: Likewise.
        who: For whom; see `find_model`.

    Raises:
        ModelError: If there is no such model, or its weights cannot be used.
        DeviceError: If the device is not available.
    """
    known = find_model(name, who)
    if known.own is None:
        return Detector.open(
            name, device=device, runtime=runtime, precision=precision, threads=threads
        )
    threads = settings().threads if threads is None else threads
    # What the settings say for all models is no wish for this one, where it cannot be met.
    if device == "auto" or device == settings().device == "cuda":
        device = "cpu"
    if settings().runtime == "torch" and runtime in ("auto", "torch"):
        runtime = "onnx"
    if device == "cuda" and runtime == "auto":
        runtime = "onnx"  # of those that a card has, the one that is not torch
    if known.own.card.imported:
        return _open_imported(known.own, device, runtime, precision, threads)
    engine = open_engine(
        known.spec,
        files=known.files(),
        device=device,
        runtime=runtime,
        precision=precision,
        threads=threads,
    )
    return Detector(
        known.spec,
        engine,
        floor_confidence=settings().floor_confidence,
        weights_sha256=known.own.card.sha256,
    )


def _open_imported(
    own: OwnModel, device: str, runtime: str, precision: str, threads: int
) -> Detector:
    # Imported here: it pulls in ONNX Runtime, which not every runtime needs.
    from allcell.untrusted.network import UntrustedNetwork

    chosen = settings()
    asked = (device, ("auto", "cpu", chosen.device)), (runtime, ("auto", "onnx", chosen.runtime))
    wrong = [got for got, possible in asked if got not in possible]
    wrong += [precision] * (precision not in ("auto", "live", "full"))
    if wrong:
        raise DeviceError(
            f"{own.card.name} was imported and runs as a stranger's network does, on the CPU in "
            f"ONNX Runtime in full precision; got {', '.join(wrong)}.",
            "Leave these out, or choose cpu, onnx and full.",
        )
    content = own.onnx().read_bytes()
    return UntrustedNetwork.open(content, threads=threads).detector_as(own.spec)
