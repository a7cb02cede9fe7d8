"""What the commands of `cases` do. Imported when one runs: a database is no part of `detect`."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import typer

from allcell.cli.base import say
from allcell.environment.files import write_whole
from allcell.errors import RecordError
from allcell.records.deleting import drop_doomed
from allcell.records.kept import Actor, CaseLine, CaseRole
from allcell.records.listing import list_cases
from allcell.records.sharing import note_export, share_case, trail_of
from allcell.records.store import CaseStore, case_store, records_exist, records_place
from allcell.records.verifying import verify
from allcell.report.case import case_zip, labels, tables
from allcell.report.case.contents import CaseContents, contents_of
from allcell.report.case.fhir import to_fhir
from allcell.report.case.pdf import to_pdf
from allcell.report.case.pdf_tables import percent
from allcell.review.counting import counts
from allcell.settings import RESEARCH_USE
from allcell.teaching.copies import delete_case_and_copies

#: The files of a case, by the names of `cases.FILES`.
_FILES: dict[str, Callable[[CaseContents], bytes]] = {
    "zip": case_zip.case_zip,
    "pdf": to_pdf,
    "cells-csv": tables.cells_csv,
    "counts-csv": tables.counts_csv,
    "coco": lambda contents: labels.to_case_coco(contents).encode(),
    "fhir": lambda contents: to_fhir(contents).encode(),
    "json": case_zip.case_json,
}


def _actor() -> Actor:
    """Who runs the command: whoever may read the files may do everything."""
    try:
        return Actor(getpass.getuser())
    except (KeyError, OSError):  # a container's user that nobody has registered
        return Actor("command line")


def _store() -> CaseStore:
    """The records, if there are any.

    Raises:
        RecordError: If no case was ever kept: to look at them makes no file.
    """
    if not records_exist():
        raise RecordError(
            f"No case is kept in {records_place()}.",
            "Keep one in the app, or set ALLCELL_DATA_DIR.",
        )
    return case_store()


def _found(store: CaseStore, digits: str) -> CaseLine:
    """The case whose number begins so.

    Raises:
        RecordError: If there is none, or several.
    """
    lines = [one for one in list_cases(store, _actor()) if one.id.startswith(digits.lower())]
    if len(lines) != 1 or not digits:
        raise RecordError(
            f"{len(lines) or 'No'} cases have a number that begins with {digits[:32]!r}.",
            "`allcell cases list` says their numbers.",
        )
    return lines[0]


def list_all(search: str, *, as_json: bool) -> None:
    """List the cases, the one that was saved last first."""
    if not records_exist():
        say(f"No case is kept in {records_place()}.")
        return
    store = case_store()
    lines = list_cases(store, _actor(), search)
    for one in lines:
        if as_json:
            typer.echo(json.dumps(_record(one), ensure_ascii=False))
            continue
        state = "signed" if one.signed else f"{one.unreviewed} cells not reviewed"
        owner = f", of {one.owner}" if one.owner else ""
        typer.echo(
            f"{one.id[:12]}  {one.changed_at:%Y-%m-%d %H:%M}  {one.label}{owner}: {one.fields} "
            f"fields, {one.cells} cells, {state}"
        )
    if not lines:
        say(f"No case is found in {store.place}.")


def _record(one: CaseLine) -> dict[str, object]:
    return {
        **{"id": one.id, "label": one.label, "owner": one.owner},
        **{"created_at": one.created_at.isoformat(), "changed_at": one.changed_at.isoformat()},
        **{"changed_by": one.changed_by, "fields": one.fields, "cells": one.cells},
        **{"unreviewed": one.unreviewed, "signed": one.signed},
    }


def show(case: str, *, trail: bool) -> None:
    """Show a case: its counts before and after review, its fields and signatures."""
    store = _store()
    kept = store.open(_found(store, case).id, _actor())
    contents = contents_of(store, kept)
    typer.echo(f"{kept.id}  {kept.label}")
    typer.echo(contents.status)
    before, after = counts(kept.review, "suggested"), counts(kept.review, "confirmed")
    for label, count in after.listed():
        share = after.share(label.name)
        said = f", {percent(share)} of the white cells" if share and share.n else ""
        typer.echo(f"  {label.title}: {count} (suggested {before.by_label[label.name]}){said}")
    for one in kept.review.fields:
        left = f"; not counted: {one.why_not_counted}" if not one.counted else ""
        typer.echo(
            f"  {contents.stems[one.sha256]} ({one.title}): {one.origin.model}, "
            f"{one.origin.made.sentence} {len(one.unreviewed)} cells not reviewed{left}"
        )
    if trail:
        for entry in trail_of(store, kept.id, _actor()):
            typer.echo(
                f"  {entry.number} {entry.at} {entry.by}: {entry.what} {entry.field[:12]} "
                f"{entry.changed_from} -> {entry.changed_to} {entry.remark}".rstrip()
            )
    say(RESEARCH_USE)


def export(case: str, target: Path, what: str, *, label: bool) -> None:
    """Write a case to a file: all of it as a ZIP, or one kind of file."""
    store = _store()
    kept = store.open(_found(store, case).id, _actor())
    content = _FILES[what](contents_of(store, kept, named=label))
    write_whole(target, content)
    note_export(store, kept, what, _actor())
    say(f"{target}: {len(content):,} bytes. {RESEARCH_USE}")


def keep_again(file: Path) -> None:
    """Keep a case that was exported, as a new one. Signatures stay with the exported file."""
    store = case_store()
    contents = case_zip.read_case_zip(file)
    pictures = {one.sha256: contents.pictures(one.sha256) for one in contents.review.fields}
    label = contents.label or file.stem
    kept = store.keep(label, contents.review, pictures, _actor())
    typer.echo(kept.id)


def verify_all(expected: str, *, pictures: bool) -> None:
    """Check that nothing was changed behind the audit trail. Exit code 1 if something was."""
    store = _store()
    drop_doomed(store)
    found = verify(store, expected=expected, pictures=pictures)
    for said in found.remarks:
        typer.echo(said)
    for said in found.faults:
        typer.echo(f"fault: {said}")
    typer.echo(
        f"{found.entries} entries of the trail, {found.cases} cases, {found.pictures} pictures: "
        f"{'nothing was changed' if not found.faults else f'{len(found.faults)} faults'}."
    )
    typer.echo(f"The last entry has the hash {found.head}")
    if found.faults:
        raise typer.Exit(1)


def delete(case: str, *, yes: bool) -> None:
    """Delete a case for good: rows, pictures, and what they leave in the files."""
    store = _store()
    one = _found(store, case)
    if not yes:
        typer.confirm(f"Delete {one.label} with {one.fields} fields for good?", abort=True)
    done, discarded = delete_case_and_copies(store, one.id, _actor())
    stay = f"; {done.kept_pictures} stay, other cases have them" if done.kept_pictures else ""
    say(f"{one.id} is deleted, with {done.pictures} pictures{stay}. Backups are not reached.")
    for name in discarded:
        say(f"The unfinished teaching of {name}, which had copies of them, is discarded.")
    if not done.overwritten:
        say("Others were using the database: its files are rewritten at the next deletion.")


def give(case: str, person: str, role: str) -> None:
    """Let someone who logs in own, review or read a case."""
    store = _store()
    given = None if role == "none" else cast(CaseRole, role)
    share_case(store, _found(store, case).id, person, given, _actor())


def place() -> None:
    """Say where the cases and their pictures are."""
    typer.echo(records_place())
