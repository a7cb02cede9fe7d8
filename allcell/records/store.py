"""Cases that are kept: begun, saved at each step, signed, opened, found.

A save is one transaction: afterwards all of it is on the disk, or nothing. It is refused if someone
else has saved the case since it was opened.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from sqlalchemy import insert

from allcell.environment.provenance import now
from allcell.errors import RecordError
from allcell.imaging.images import RGBImage
from allcell.records import access, rows, trail
from allcell.records.database import Database, address, place_of
from allcell.records.kept import Actor, KeptCase
from allcell.records.pictures import PictureFolder
from allcell.records.saving import (
    changed,
    check_names,
    claim,
    pictures_for,
    read_case,
    saved_before,
)
from allcell.records.tables import cases
from allcell.records.trail import TrailDraft, iso
from allcell.review.case_review import CaseReview
from allcell.review.signing import content_hash, content_json, signature
from allcell.settings import settings
from allcell.text.words import one_line


class CaseStore:
    """All kept cases, for all threads of a process.

    Args:
        folder: Where the pictures are, and SQLite's file.
        url: Of a PostgreSQL database; empty for SQLite in the folder.
        clock: Says the time in UTC.

    Raises:
        RecordError: If the database cannot be opened.
    """

    def __init__(self, folder: Path, url: str = "", *, clock: Callable[[], datetime] = now) -> None:
        self.database = Database(folder, url)
        self.pictures = PictureFolder(folder.expanduser() / "pictures" / self.database.id)
        self.clock = clock

    @property
    def place(self) -> str:
        """Where the cases and their pictures are, for people; without a password."""
        return f"{self.database.place}; pictures in {self.pictures.folder.parent}"

    def keep(
        self,
        label: str,
        review: CaseReview,
        pictures: Mapping[str, RGBImage],
        actor: Actor,
    ) -> KeptCase:
        """Begin to keep a case, with all that was done to it so far.

        Args:
            label: What the user calls it; shown as text wherever it stands.
            review: The case.
            pictures: Of each of its fields, by hash: RGB uint8 (H, W, 3).
            actor: Who; they become its owner.

        Raises:
            RecordError: If a picture is missing or nothing can be saved.
        """
        if actor.reader:
            raise RecordError("You may read cases, not keep new ones.", "Ask for another role.")
        check_names(review.log, actor)
        at, case_id = self.clock(), uuid.uuid4().hex
        values = rows.case_values(review)
        with (
            pictures_for(self.database, self.pictures, review.fields, pictures) as spare,
            self.database.write() as connection,
        ):
            spare(connection)
            connection.execute(
                insert(cases),
                {
                    **{"id": case_id, "label": _label(label), "revision": 1},
                    "owner": actor.name if actor.logged_in else "",
                    **{"created_at": iso(at), "changed_at": iso(at), "changed_by": actor.name},
                    **values,
                },
            )
            rows.write_fields(connection, case_id, review)
            every = [(one.sha256, cell.number) for one, cell in review.cells()]
            rows.write_cells(connection, case_id, review, every)
            rows.write_edits(connection, case_id, review.log, 0)
            content = values["content_sha256"]
            begun = [TrailDraft(case_id, at, actor.name, "keep", content)]
            done = trail.drafts_of(case_id, review, review.log, content)
            trail.append(connection, begun + done, at)
            return read_case(connection, case_id, actor)

    def save(
        self,
        kept: KeptCase,
        review: CaseReview,
        actor: Actor,
        pictures: Mapping[str, RGBImage] | None = None,
    ) -> KeptCase:
        """Save what was done since the case was opened or last saved.

        To save the same once more, as after a broken connection, is no error.

        Args:
            kept: The case as it was opened or last saved.
            review: The case now: the review of `kept` with more edits.
            actor: Who.
            pictures: Of fields that are new, by hash.

        Raises:
            CaseChangedError: If someone else has saved it since; nothing is overwritten.
            RecordError: If they may not change it, or nothing can be saved.
        """
        before = kept.review
        done = review.log[len(before.log) :]
        if review.log[: len(before.log)] != before.log:
            raise RecordError("This is not the case that was opened.", "Open it again.")
        if not done and review.labels == before.labels:
            return kept
        check_names(done, actor)
        new = [one for one in review.fields if one.sha256 not in before.by_sha256]
        at = self.clock()
        values = rows.case_values(review)
        content = values["content_sha256"]
        with (
            pictures_for(self.database, self.pictures, new, pictures or {}) as spare,
            self.database.write() as connection,
        ):
            access.require(connection, kept.id, actor, "change")
            if not claim(connection, kept, actor, at, values):
                return saved_before(connection, kept, review, actor)
            spare(connection)
            drafts = trail.drafts_of(kept.id, review, done, content)
            if review.labels != before.labels:
                drafts.append(
                    TrailDraft(
                        *(kept.id, at, actor.name, "classes", content, ""),
                        {"own": [label.name for label in before.labels.own]},
                        {"own": [label.name for label in review.labels.own]},
                    )
                )
            rows.write_edits(connection, kept.id, done, len(before.log))
            if any(edit.fields for edit in done):
                rows.write_fields(connection, kept.id, review)
            touched = [(cell.field, cell.number) for edit in done for cell in edit.cells]
            rows.write_cells(connection, kept.id, review, touched)
            trail.append(connection, drafts, at)
        return replace(kept, review=review, revision=kept.revision + 1, changed_at=at)

    def sign(self, kept: KeptCase, printed_name: str, meaning: str, actor: Actor) -> KeptCase:
        """Sign a case as it stands. A change after that makes a new version, unsigned.

        Args:
            kept: The case as it was opened or last saved, with nothing unsaved.
            printed_name: As it is to be printed.
            meaning: One of `allcell.review.signing.MEANINGS`.
            actor: Who.

        Raises:
            ReviewError: If cells are unreviewed (it says which), or name or meaning are missing.
            CaseChangedError: If someone else has saved it since.
            RecordError: If they may not change it, or nothing can be saved.
        """
        at = self.clock()
        given = signature(
            kept.review, printed_name, meaning, at, kept.version, actor.name or printed_name
        )
        values = rows.case_values(kept.review)
        with self.database.write() as connection:
            access.require(connection, kept.id, actor, "change")
            if not claim(connection, kept, actor, at, values):
                raise changed(connection, kept.id)
            place = len(kept.signatures)
            rows.write_signature(connection, kept.id, place, given, content_json(kept.review))
            said = {
                "printed name": given.printed_name,
                "meaning": given.meaning,
                "version": given.version,
            }
            draft = TrailDraft(
                kept.id, at, actor.name, "sign", given.content_sha256, changed_to=said
            )
            trail.append(connection, [draft], at)
        signed = (*kept.signatures, given)
        return replace(kept, signatures=signed, revision=kept.revision + 1, changed_at=at)

    def open(self, case_id: str, actor: Actor) -> KeptCase:
        """A case as it is in the records.

        Raises:
            RecordError: If there is none, or it is not theirs.
        """
        with self.database.read() as connection:
            return read_case(connection, case_id, actor)

    def rename(self, kept: KeptCase, label: str, actor: Actor) -> KeptCase:
        """Call a case something else.

        Raises:
            CaseChangedError: If someone else has saved it since.
            RecordError: If they may not change it, or nothing can be saved.
        """
        at, said = self.clock(), _label(label)
        values = {"label": said, "content_sha256": content_hash(kept.review)}
        with self.database.write() as connection:
            access.require(connection, kept.id, actor, "change")
            if not claim(connection, kept, actor, at, values):
                raise changed(connection, kept.id)
            draft = TrailDraft(kept.id, at, actor.name, "rename", values["content_sha256"])
            trail.append(connection, [draft], at)
        return replace(kept, label=said, revision=kept.revision + 1, changed_at=at)

    def picture(self, sha256: str) -> RGBImage:
        """The picture of a field.

        Raises:
            RecordError: If it is missing or damaged.
        """
        return self.pictures.get(sha256)


def _label(label: str) -> str:
    said = one_line(label)
    if not said:
        raise RecordError("A case needs a label.", "Type any text, such as a number.")
    return said


def records_place() -> str:
    """Where cases are, or would be, kept, for people; nothing is opened or made.

    Raises:
        RecordError: If the settings name no database that allcell can use.
    """
    folder = settings().data_dir.expanduser()
    there = place_of(address(folder, settings().database_url))
    return f"{there}; pictures in {folder / 'pictures'}"


def records_exist() -> bool:
    """Whether a case was ever kept here: until then there is no file.

    Raises:
        RecordError: If the settings name no database that allcell can use.
    """
    url = address(settings().data_dir, settings().database_url)
    return url.get_backend_name() != "sqlite" or Path(str(url.database)).exists()


@lru_cache(maxsize=1)
def case_store() -> CaseStore:
    """The store that the settings name, opened once in a process.

    Raises:
        RecordError: If the database cannot be opened; the next call tries again.
    """
    return CaseStore(settings().data_dir, settings().database_url)
