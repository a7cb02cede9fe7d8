"""An own-laboratory model as one file, for another machine; read as a stranger's file is.

The file is a ZIP without compression that holds the card and the ONNX file, and nothing else. No
name in it is ever used as a path. The network is inspected and tried in a child process
(`allcell.untrusted`) before it is kept, and is run as an untrusted one from then on.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

from allcell.environment.files import write_whole
from allcell.errors import ModelError
from allcell.own.access import Who, owner_of_new, refuse_reader
from allcell.own.card import Card
from allcell.own.card_file import MAX_CARD_BYTES, card_json, read_card
from allcell.own.naming import check_name
from allcell.own.own_model import CARD_FILE, ONNX_FILE, OwnModel
from allcell.own.shelf import Shelf
from allcell.settings import settings

#: Largest ONNX file, as of any stranger's (`allcell.untrusted.network.MAX_BYTES`).
MAX_ONNX_BYTES = 300 * 2**20
#: Largest file: both, and what a ZIP says of them.
MAX_BYTES = MAX_ONNX_BYTES + MAX_CARD_BYTES + 2**16
_LIMITS = {CARD_FILE: MAX_CARD_BYTES, ONNX_FILE: MAX_ONNX_BYTES}
#: Of all members, so that the same model makes the same file.
_DATE = (1980, 1, 1, 0, 0, 0)
_NOT_ONE = "Choose a file that `allcell models export` or the Models page wrote."


def file_name(card: Card) -> str:
    """What an exported model is called."""
    return f"{card.id}.zip"


def export_bytes(model: OwnModel) -> bytes:
    """A model as the bytes of one file; without its owner, who is somebody else there.

    Raises:
        ModelError: If its network is missing or damaged.
    """
    path = model.onnx()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as file:
        card = card_json(replace(model.card, owner=""))
        file.writestr(zipfile.ZipInfo(CARD_FILE, _DATE), card)
        file.writestr(zipfile.ZipInfo(ONNX_FILE, _DATE), path.read_bytes())
    return buffer.getvalue()


def export_model(model: OwnModel, target: Path) -> int:
    """Write a model to one file, whole or not at all.

    Args:
        model: The model.
        target: The file, which may exist.

    Returns:
        Its size in bytes.

    Raises:
        ModelError: If its network is missing or damaged.
        OSError: If the file cannot be written.
    """
    content = export_bytes(model)
    write_whole(target, content)
    return len(content)


def read_exported(source: Path | bytes) -> tuple[Card, bytes]:
    """The card and the ONNX file in an exported file; the network is neither opened nor tried.

    Args:
        source: The file, or its bytes.

    Raises:
        ModelError: If it is too large, holds anything else, or is not whole.
    """
    content = source if isinstance(source, bytes) else _content(source)
    _check_size(len(content))
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            found = {info.filename: info for info in _members(file)}
            card_text, onnx = (_member(file, found[name]) for name in (CARD_FILE, ONNX_FILE))
    # What zipfile raises for files that are cut or were made to confuse it.
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        raise ModelError("The file is no ZIP, or is cut or damaged.", _NOT_ONE) from error
    except RuntimeError as error:  # a password is asked for
        raise ModelError("The file is encrypted.", _NOT_ONE) from error
    card = read_card(card_text, "the file")
    if (got := hashlib.sha256(onnx).hexdigest()) != card.sha256:
        raise ModelError(
            f"The network in the file is not the one of its card: its SHA-256 begins with "
            f"{got[:12]}, expected {card.sha256[:12]}.",
            "Export it again where it was made.",
        )
    return card, onnx


def import_model(
    shelf: Shelf, source: Path | bytes, who: Who | None = None, *, name: str = ""
) -> OwnModel:
    """Put an exported model on the shelf, if its network passes what a stranger's has to pass.

    Args:
        shelf: Where it goes.
        source: The exported file, or its bytes.
        who: Who imports it, and owns it then.
        name: What to call it; as its card says if empty.

    Raises:
        ModelError: If the file, the card or the network cannot be used, the name is taken, or
            nothing can be written.
    """
    # Imported here: it pulls in ONNX Runtime.
    from allcell.untrusted.network import UntrustedNetwork

    refuse_reader(who)
    card, onnx = read_exported(source)
    card = replace(card, name=check_name(name or card.name), owner="", imported=True)
    spec = card.spec()
    # Before the trial, which takes seconds.
    shelf.refuse_taken(card.name, owner_of_new(card, who))
    network = UntrustedNetwork.open(onnx, threads=settings().threads)
    try:
        network.detector_as(spec)
    finally:
        network.close()
    return shelf.add(onnx, card, who)


def _content(path: Path) -> bytes:
    try:
        _check_size(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"The file {path.name} cannot be read ({error.strerror}).", "Check the path."
        ) from error


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise ModelError(
            f"The file has {size / 2**20:.0f} MB, more than {MAX_BYTES // 2**20} MB.", _NOT_ONE
        )


def _members(file: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    members = file.infolist()
    names = sorted(info.filename for info in members)
    if names != sorted(_LIMITS):
        listed = ", ".join(repr(name[:60]) for name in names[:4]) or "nothing"
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        raise ModelError(
            f"The file holds {listed}{more}; expected {CARD_FILE} and {ONNX_FILE}.", _NOT_ONE
        )
    for info in members:
        # Stored as they are: what a member unpacks to is never more than the file itself.
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ModelError(f"{info.filename} in the file is compressed.", _NOT_ONE)
        if info.file_size > _LIMITS[info.filename]:
            raise ModelError(
                f"{info.filename} in the file has {info.file_size:,} bytes, more than "
                f"{_LIMITS[info.filename]:,}.",
                _NOT_ONE,
            )
    return members


def _member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with file.open(info) as member:
        return member.read(_LIMITS[info.filename] + 1)
