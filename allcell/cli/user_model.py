"""The user's own network on the command line: an ONNX file instead of a model's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from allcell.cli.base import say
from allcell.data.class_names import guess_classes
from allcell.detector import Detector
from allcell.errors import DataError, ModelError
from allcell.models.registry import CLASSES
from allcell.settings import settings

#: Help of the two options for such a file.
ONNX_HELP = (
    "A detector of your own, as an ONNX file, instead of --model. It is checked first, and given "
    "RGB from 0 to 1, as YOLOs are. Boxes after its own suppression are rows of x1 y1 x2 y2 score "
    "class."
)
CLASS_HELP = (
    f"With --onnx, what each class of the network is, in its order: {', '.join(CLASSES)}, or "
    "empty to leave it out. By default the names in the file, if allcell knows them."
)
#: Options whose name differs from their parameter's.
_OPTIONS = {"every": "all", "bundle": "from"}


def refuse_with_onnx(context: typer.Context, **why: str) -> None:
    """Refuse options that conflict with `--onnx`, rather than ignore them.

    Args:
        context: The command's context.
        why: The reason for each conflicting parameter, by its name. A device is refused only if
            it is not the CPU, on which the file runs.

    Raises:
        DataError: If one of them was given.
    """
    for name, reason in why.items():
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        if name == "device" and context.params[name] in ("auto", "cpu"):
            continue
        option = f"--{_OPTIONS.get(name, name)}"
        raise DataError(f"{option} cannot be used with --onnx: {reason}.", "Leave one of them out.")


def open_user_model(path: Path, classes: Sequence[str]) -> tuple[Detector, str]:
    """Check an ONNX file and open it as a detector.

    Args:
        path: The file.
        classes: See `CLASS_HELP`.

    Returns:
        The detector, and the SHA-256 of its file.

    Raises:
        ModelError: If there is no such file, or it is not a detector that allcell can run.
    """
    # Imported here: it imports ONNX Runtime, which other commands need not wait for.
    from allcell.untrusted.network import Claims, UntrustedNetwork

    if not path.is_file():
        raise ModelError(f"There is no file {path}.", "Check --onnx.")
    network = UntrustedNetwork.open(path.read_bytes(), threads=settings().threads)
    if network.remark:
        say(network.remark)
    mapped = tuple(name or None for name in classes)
    if not mapped:
        if not network.names:
            rooms = ", ".join(
                "any number" if f.classes is None else str(f.classes) for f in network.fits
            )
            raise ModelError(
                f"{path.name} does not name its classes (it has room for {rooms}).",
                "Say what each is, in its order: --class healthy --class blast.",
            )
        mapped = guess_classes(network.names)
        pairs = zip(network.names, mapped, strict=True)
        say("classes: " + ", ".join(f"{name} = {mine or 'left out'}" for name, mine in pairs))
    return network.detector(Claims(path.stem, mapped)), network.sha256
