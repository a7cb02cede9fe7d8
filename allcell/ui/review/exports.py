"""The reviewed case as files, each made when it is asked for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import streamlit as st

from allcell.environment.provenance import now
from allcell.records.sharing import note_export, trail_head
from allcell.records.store import case_store
from allcell.report.bundle import ZIP_TIME
from allcell.report.case import labels, tables
from allcell.report.case.case_zip import case_zip
from allcell.report.case.contents import CaseContents
from allcell.report.case.fhir import to_fhir
from allcell.report.case.pdf import to_pdf
from allcell.report.slide import slide_of_case
from allcell.ui.reviewing.session import ReviewSession
from allcell.ui.sessions.who import actor

_LABELLED = "review.labelled_files"


def contents_of(session: ReviewSession) -> CaseContents:
    """The case as its files are made from it now."""
    kept = session.kept
    labelled = kept is not None and st.session_state.get(_LABELLED, False)
    signed = kept.signed if kept and kept.review.log == session.review.log else ()
    return CaseContents(
        session.review,
        session.pictures,
        now(),
        label=kept.label if kept is not None and labelled else "",
        case_id=kept.id if kept else "",
        version=kept.version if kept else 1,
        signatures=signed,
        trail=trail_head(case_store()) if signed else None,
    )


def exports(session: ReviewSession) -> None:
    """The downloads.

    Args:
        session: The review.
    """
    st.header("Export", anchor=False)
    one = len([f for f in session.review.fields if f.counted]) == 1
    outlines = "field-001.geojson" if one else "geojson.zip"
    if slide_of_case(session.review):
        outlines = "slide.geojson"
    files: tuple[tuple[str, Callable[[CaseContents], str | bytes], str, str], ...] = (
        ("Report (PDF)", to_pdf, "report.pdf", "application/pdf"),
        ("Cells (CSV)", tables.cells_csv, "cells.csv", "text/csv"),
        ("Counts (CSV)", tables.counts_csv, "counts.csv", "text/csv"),
        ("COCO (JSON)", labels.to_case_coco, "coco.json", "application/json"),
        ("GeoJSON for QuPath", _geojson, outlines, "application/octet-stream"),
        ("FHIR (JSON)", to_fhir, "fhir.json", "application/fhir+json"),
        ("Everything (ZIP)", case_zip, "case.zip", "application/zip"),
    )
    with st.container(horizontal=True, gap="small"):
        for label, make, name, mime in files:
            st.download_button(
                label,
                _made(session, make, name),
                f"allcell-{name}",
                mime,
                key=f"review.download.{name}",
                on_click="ignore",
                icon=":material/download:",
            )
    if session.kept is not None:
        st.toggle(
            "The case's label in files",
            key=_LABELLED,
            help="It may hold a patient's name. Without it, files have the case's number only.",
        )
    st.caption(
        "YOLO labels, annotated pictures and all of these are in the ZIP, which allcell reads "
        "back. A file made before every cell is reviewed says that it is a draft."
    )


def _made(
    session: ReviewSession, make: Callable[[CaseContents], str | bytes], name: str
) -> Callable[[], bytes]:
    def file() -> bytes:
        made = make(contents_of(session))
        if session.kept is not None:
            note_export(case_store(), session.kept, name, actor())
        return made.encode() if isinstance(made, str) else bytes(made)

    return file


def _geojson(contents: CaseContents) -> str | bytes:
    if slide_of_case(contents.review):
        return labels.to_slide_geojson(contents)
    counted = [one for one in contents.review.fields if one.counted]
    if len(counted) == 1:
        return labels.to_geojson(contents, counted[0])
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as target:
        for one in counted:
            entry = zipfile.ZipInfo(f"{contents.stems[one.sha256]}.geojson", ZIP_TIME)
            target.writestr(entry, labels.to_geojson(contents, one))
    return sink.getvalue()
