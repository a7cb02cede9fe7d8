"""Cases that are deleted while an unfinished teaching holds copies of their pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allcell.errors import TeachingError
from allcell.records.deleting import CaseDeletion, delete_case
from allcell.records.kept import Actor
from allcell.records.store import CaseStore
from allcell.teaching.material import LESSON_FILE
from allcell.teaching.work import Teaching, teachings


def copies_by_case(root: Path | None = None) -> dict[str, list[Teaching]]:
    """Teachings that hold copies of fields, by the number of the case that they are of.

    Args:
        root: Folder of all teachings; that of the settings if None.
    """
    found: dict[str, list[Teaching]] = {}
    for teaching in teachings(root):
        try:
            text = (teaching.folder / LESSON_FILE).read_text(encoding="utf-8")
            content: dict[str, Any] = json.loads(text)
            cases = {str(one["case"]) for one in content["fields"]}
        except (OSError, ValueError, LookupError, TypeError):
            continue  # it is done, or damaged
        for case in cases - {""}:
            found.setdefault(case, []).append(teaching)
    return found


def delete_case_and_copies(
    store: CaseStore, case_id: str, actor: Actor
) -> tuple[CaseDeletion, tuple[str, ...]]:
    """Delete a case, and discard the teachings that hold copies of its pictures.

    A model that was made from it stays: it holds no picture.

    Args:
        store: The records.
        case_id: Number of the case.
        actor: Who deletes it.

    Returns:
        What became of the deletion, and the names of what was discarded.

    Raises:
        RecordError: As of `delete_case`; nothing is discarded then.
    """
    deletion = delete_case(store, case_id, actor)
    discarded = []
    for teaching in copies_by_case().get(case_id, []):
        try:
            discarded.append(teaching.request.name)
        except TeachingError:
            discarded.append(teaching.folder.name)
        teaching.discard()
    return deletion, tuple(discarded)
