"""Whether the records are as they were written: trail, cases, signatures, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from allcell.errors import AllcellError
from allcell.records import rows
from allcell.records.store import CaseStore
from allcell.records.tables import cases, fields
from allcell.records.trail import START, entries, head
from allcell.review.signing import content_hash, content_of


@dataclass(frozen=True)
class RecordsCheck:
    """What a check of all records found.

    Attributes:
        entries: Entries of the trail.
        head: Hash of its last entry: note it elsewhere, and a later check can tell whether the end
            was cut off.
        cases: Cases that were checked.
        pictures: Pictures that were checked.
        faults: What does not fit, in sentences; empty if all is as it was written.
        remarks: What the trail remarks by itself, such as that the clock was set back.
    """

    entries: int
    head: str
    cases: int
    pictures: int
    faults: tuple[str, ...]
    remarks: tuple[str, ...]


def verify(store: CaseStore, *, expected: str = "", pictures: bool = True) -> RecordsCheck:
    """Check everything that is kept.

    Args:
        store: The records.
        expected: Hash of an entry that was noted earlier, as on a signed report; it has to be in
            the trail still.
        pictures: Whether to read every picture, too, which takes a moment each.

    Raises:
        RecordError: If the database cannot be used.
    """
    with store.database.read() as connection:
        count, last = head(connection)
        faults, remarks, contents = _check_trail(connection, expected.lower())
        ids = list(connection.execute(select(cases.c.id).order_by(cases.c.id)).scalars())
        for case_id in ids:
            faults += _check_case(connection, case_id, contents.get(case_id, ""))
        faults += [
            f"Case {case_id}: the trail says that it was deleted, and it is still there."
            for case_id in ids
            if contents.get(case_id) == "deleted"
        ]
        faults += [
            f"Case {case_id}: missing, and the trail does not say that it was deleted."
            for case_id, content in contents.items()
            if content != "deleted" and case_id not in set(ids)
        ]
        hashes = sorted(set(connection.execute(select(fields.c.sha256)).scalars()))
    if pictures:
        faults += list(_check_pictures(store, hashes))
    return RecordsCheck(
        *(count, last, len(ids), len(hashes) if pictures else 0), tuple(faults), tuple(remarks)
    )


def _check_trail(
    connection: Connection, expected: str
) -> tuple[list[str], list[str], dict[str, str]]:
    """Faults, remarks, and what the trail last says of each case's content."""
    faults: list[str] = []
    remarks: list[str] = []
    contents: dict[str, str] = {}
    previous, number, seen = START, 0, not expected
    for entry in entries(connection):
        number += 1
        if entry.number != number:
            faults.append(f"Entry {number} of the trail is missing.")
            number = entry.number
        if entry.previous != previous:
            faults.append(f"Entry {entry.number} does not follow the one before it.")
        if entry.own_hash != entry.hash:
            faults.append(f"Entry {entry.number} was changed after it was written.")
        if entry.remark:
            remarks.append(f"Entry {entry.number}: {entry.remark}")
        contents[entry.case_id] = "deleted" if entry.what == "delete" else entry.content_sha256
        seen = seen or entry.hash.startswith(expected)
        previous = entry.hash
    if not seen:
        faults.append(f"No entry has the hash {expected[:64]}: the end of the trail was cut off.")
    return faults, remarks, contents


def _check_case(connection: Connection, case_id: str, content: str) -> Iterator[str]:
    try:
        found = content_hash(rows.read_review(connection, case_id))
        if content != "deleted" and found != content:
            yield f"Case {case_id}: its cells are not those that the trail tells of."
        for given, text in rows.read_signatures(connection, case_id):
            if content_hash(content_of(text)) != given.content_sha256:
                yield f"Case {case_id}: version {given.version} is not what was signed."
    except (AllcellError, ValueError):
        yield f"Case {case_id}: its rows cannot be read."


def _check_pictures(store: CaseStore, hashes: list[str]) -> Iterator[str]:
    for sha256 in hashes:
        try:
            store.pictures.get(sha256)
        except AllcellError as error:
            yield error.message
    for extra in sorted(set(store.pictures.all()) - set(hashes)):
        yield f"The picture {extra[:12]} belongs to no case."
