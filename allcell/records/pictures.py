"""Pictures of kept cases: PNG files by the hash of their pixels, beside the database.

A picture is written once, whole, before the case that needs it; without its file's name and
metadata. It goes when the last case with it goes.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from allcell.environment.files import sync_folder
from allcell.errors import ImageError, RecordError
from allcell.imaging import images
from allcell.imaging.images import RGBImage
from allcell.review.suggestions import picture_hash

_NAME = re.compile(r"[0-9a-f]{64}")


class PictureFolder:
    """The pictures of all cases.

    Args:
        folder: Created when the first picture is kept, with the one above it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the picture with that hash is, or would be.

        Raises:
            RecordError: If it is no hash, as a request for another file would be.
        """
        if not _NAME.fullmatch(sha256):
            raise RecordError(f"{sha256[:70]!r} is no hash of a picture.")
        return self.folder / sha256[:2] / f"{sha256}.png"

    def put(self, sha256: str, image: RGBImage) -> None:
        """Keep a picture; one that is there already stays.

        Args:
            sha256: Its `picture_hash`.
            image: RGB uint8 (H, W, 3).

        Raises:
            RecordError: If the hash is another's.
            OSError: If it cannot be written; then nothing of it is left.
        """
        file = self.path(sha256)
        if file.exists():
            return
        if picture_hash(image) != sha256:
            raise RecordError(
                "The picture to be kept is not the one that was reviewed.",
                "Analyse the picture again.",
            )
        self.folder.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.folder.parent, self.folder, file.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        part = file.with_name(f".{uuid.uuid4().hex}.part")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as sink:
                sink.write(images.encode_png(image))
                sink.flush()
                # A case is confirmed as kept only when its pictures are on the disk, too.
                os.fsync(sink.fileno())
            os.replace(part, file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(file.parent)

    def get(self, sha256: str) -> RGBImage:
        """The picture with that hash.

        Raises:
            RecordError: If it is missing or damaged.
        """
        try:
            image = images.decode(self.path(sha256))
        except (ImageError, OSError):
            raise RecordError(
                f"The picture {sha256[:12]} of this case is missing or cannot be read.",
                f"Put back the folder {self.folder} from the last backup.",
            ) from None
        if picture_hash(image) != sha256:
            raise RecordError(
                f"The picture {sha256[:12]} of this case is not the one that was kept.",
                f"Put back the folder {self.folder} from the last backup.",
            )
        return image

    def drop(self, sha256: str) -> None:
        """Delete a picture; one that is not there is none."""
        self.path(sha256).unlink(missing_ok=True)

    def all(self) -> Iterator[str]:
        """The hashes of all pictures in the folder."""
        for file in sorted(self.folder.glob("??/*.png")):
            if _NAME.fullmatch(file.stem):
                yield file.stem

    def drop_parts(self, older_than: float) -> None:
        """Delete what a process that was killed left of a picture.

        Args:
            older_than: Seconds since the epoch; younger ones may still be written.
        """
        for part in self.folder.glob("??/.*.part"):
            if part.stat().st_mtime < older_than:
                part.unlink(missing_ok=True)
