"""The desk on the Review page: one picture at a time, or the cells of all."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from allcell.review.cells import FieldReview
from allcell.review.concordance import model_against_reviewer
from allcell.ui.field.crops import display_jpeg
from allcell.ui.field.viewer import send_picture
from allcell.ui.reviewing import sheets
from allcell.ui.reviewing.desk import show_desk
from allcell.ui.reviewing.session import ReviewSession
from allcell.ui.reviewing.wire import field_row
from allcell.ui.shell.wording import interval_text, percent

#: Pictures that are read at a time to cut their cells out; each may have 120 million pixels.
_READERS = 2


def reviewed(session: ReviewSession) -> None:
    """Draw the desk.

    Args:
        session: The review, with at least one picture.
    """
    fields = session.review.fields
    shown = session.review.by_sha256.get(session.shown) or next(
        (one for one in fields if one.counted), fields[0]
    )
    send_picture(shown.sha256[:24], _jpeg(session, shown))
    made = _sheets(session, fields) if session.crops else [None] * len(fields)
    for place, sheet in enumerate(made):
        if sheet is not None:
            send_picture(sheet.name, sheet.jpeg, place=f"crops-{place}")

    def show(sha256: str) -> None:
        session.shown = sha256

    def open_gallery() -> None:
        session.crops = True

    show_desk(
        session,
        {
            "fields": [
                field_row(
                    one,
                    one.sha256[:24],
                    badge="Not to be trusted" if one.withheld and one.insisted else "",
                    crops=sheet.described if sheet else None,
                    places=sheet.places if sheet else None,
                )
                for one, sheet in zip(fields, made, strict=True)
            ],
            "all": True,
            "gallery": True,
            "crops": session.crops,
            "shown": shown.sha256,
            "selected": None,
            "focus": 0,
            "agreement": agreement(session),
        },
        page="review",
        on_shown=show,
        on_gallery=open_gallery,
    )


def agreement(session: ReviewSession) -> list[str]:
    """The model against the reviewer, in sentences."""
    found = model_against_reviewer(session.review)
    if not found.agreed.n:
        return []
    names = session.review.labels.by_name

    def title(name: str) -> str:
        return names[name].title if name in names else name

    share = percent(found.agreed.fraction or 0.0)
    kappa = "not defined" if found.kappa is None else f"{found.kappa:.2f}"
    lines = [
        f"Model against reviewer: {found.agreed.k} of {found.agreed.n} reviewed suggestions kept "
        f"their class ({share}, {interval_text(found.agreed)}). Cohen's kappa {kappa}."
    ]
    for row in found.by_class:
        changed = ", ".join(f"{n} became {title(name)}" for name, n in row.became)
        lines.append(
            f"{title(row.suggested)}: {row.edited.k} of {row.edited.n} changed"
            + (f": {changed}." if changed else ".")
        )
    if found.missed:
        added = ", ".join(f"{n} {title(name)}" for name, n in found.missed)
        lines.append(f"Added by the reviewer: {added}.")
    return lines


def _jpeg(session: ReviewSession, one: FieldReview) -> bytes:
    return session.jpegs.get_or(one.sha256, lambda: display_jpeg(session.pictures(one.sha256)))


def _sheets(session: ReviewSession, fields: Sequence[FieldReview]) -> list[sheets.Sheet]:
    """Of each picture its own; reading a picture takes longer than cutting its cells out."""
    with ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(lambda one: _sheet(session, one), fields))


def _sheet(session: ReviewSession, one: FieldReview) -> sheets.Sheet:
    return session.sheets.get_or(
        sheets.sheet_name(one), lambda: sheets.make_sheet(one, session.pictures(one.sha256))
    )
