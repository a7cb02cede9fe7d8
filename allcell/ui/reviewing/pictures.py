"""The pictures on the bench as fields of the review."""

from __future__ import annotations

from collections.abc import Callable

from allcell.errors import ReviewError
from allcell.formats.pixels import RGBImage
from allcell.result import Result
from allcell.review.cells import FieldReview
from allcell.review.suggestions import field_of, picture_hash
from allcell.ui.field.bench import Bench
from allcell.ui.field.pictures import Picture, PictureMemory
from allcell.ui.reviewing.session import ReviewSession


def hash_of(session: ReviewSession, memory: PictureMemory, picture: Picture) -> str:
    """SHA-256 of a picture's pixels, by which the review knows it.

    Args:
        session: Remembers it.
        memory: Has the pixels.
        picture: The picture.

    Raises:
        ImageError: If it cannot be read.
    """
    if picture.digest not in session.hashes:
        session.hashes[picture.digest] = picture_hash(memory.image(picture))
    return session.hashes[picture.digest]


def hold(
    session: ReviewSession, desk: Bench, picture: Picture, result: Result, runtime: str
) -> FieldReview:
    """Take a picture on the bench into the review, or its new suggestions.

    Args:
        session: The review.
        desk: The bench; the picture's number on it is its title.
        picture: The picture.
        result: What the model found, all classes, at the thresholds that are chosen.
        runtime: What ran the model, as shown to people.

    Returns:
        The field as the review holds it.
    """
    sha256 = hash_of(session, desk.memory, picture)
    number = list(desk.pictures).index(picture.id) + 1
    session.hold(field_of(result, sha256, f"Field {number}", runtime=runtime))
    return session.review.field(sha256)


def picture_of(session: ReviewSession, desk: Bench) -> Callable[[str], RGBImage]:
    """What loads the picture of a field from the bench, or from its kept case.

    Args:
        session: The review.
        desk: The bench.
    """

    def load(sha256: str) -> RGBImage:
        for picture in desk.pictures.values():
            if session.hashes.get(picture.digest) == sha256:
                return desk.memory.image(picture)
        if session.kept:
            # Imported here: databases take a moment.
            from allcell.records.store import case_store

            return case_store().picture(sha256)
        raise ReviewError("The picture is no longer there.", "Add it again on Detect.")

    return load
