"""A case as a PDF: counts, fields with their boxes, a gallery by class, provenance, signatures."""

from __future__ import annotations

import io

from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace
from PIL import Image

from allcell import __version__
from allcell.formats.pixels import RGBImage
from allcell.imaging.crop import crop
from allcell.report.case import drawings, pdf_tables
from allcell.report.case.contents import CaseContents, provenance
from allcell.review.cells import FieldReview
from allcell.settings import RESEARCH_USE

#: Long side of a field in the report: single cells can be seen, and ten fields make 5 MB.
_FIELD_PX = 1800
_CROP_PX, _CROP_MM, _GAP_MM = 120, 17.0, 2.0
_FAMILY = "DejaVu"
_GREY = (90, 90, 90)
_HEAD = FontFace(emphasis="BOLD", fill_color=(235, 235, 235))
#: Stands for a character that the font lacks.
_MISSING = "\N{REPLACEMENT CHARACTER}"


class CasePdf(FPDF):
    """A page with the notice at its foot.

    Args:
        contents: The case.
    """

    def __init__(self, contents: CaseContents) -> None:
        super().__init__(format="A4")
        self.contents = contents
        #: Whether a text has characters that cannot be printed.
        self.lacks = False
        self.set_margin(15)
        self.set_auto_page_break(True, margin=20)
        self.add_font(_FAMILY, "", drawings.FONTS / "DejaVuSans.ttf")
        self.add_font(_FAMILY, "B", drawings.FONTS / "DejaVuSans-Bold.ttf")
        self.set_creation_date(contents.made_at)
        self.set_title("Reviewed cells of a blood smear")
        self.set_creator(f"allcell {__version__}")
        self.set_subject(RESEARCH_USE)

    def footer(self) -> None:
        """The notice, what is signed, and the page's number."""
        self.set_y(-17)
        self.set_font(_FAMILY, "", 7)
        self.set_text_color(*_GREY)
        hashed = self.contents.content_sha256[:16]
        self.cell(0, 4, RESEARCH_USE, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        told = f"allcell {__version__}, version {self.contents.version}, content {hashed}"
        self.cell(0, 4, f"{told}, page {self.page_no()} of {{nb}}")
        self.set_text_color(0)

    def printable(self, text: str) -> str:
        """The text with a sign in place of each character that the font lacks."""
        known = self.fonts[_FAMILY.lower()].cmap  # type: ignore[union-attr]
        shown = "".join(c if ord(c) in known or c == "\n" else _MISSING for c in text)
        self.lacks = self.lacks or shown != text
        return shown

    def heading(self, text: str, size: float = 12) -> None:
        """A heading, never alone at the foot of a page."""
        if self.will_page_break(25):
            self.add_page()
        self.ln(2)
        self.set_font(_FAMILY, "B", size)
        self.multi_cell(0, 0.5 * size, self.printable(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)
        self.set_font(_FAMILY, "", 9)

    def say(self, text: str, size: float = 9) -> None:
        """A paragraph."""
        self.set_font(_FAMILY, "", size)
        self.multi_cell(
            0, 0.5 * size, self.printable(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )

    def rows(self, rows: list[tuple[str, ...]], widths: tuple[int, ...]) -> None:
        """A table; the first row is its head."""
        self.ln(1)
        self.set_font(_FAMILY, "", 8)
        with self.table(
            col_widths=widths, headings_style=_HEAD, text_align="LEFT", line_height=5
        ) as table:
            for values in rows:
                row = table.row()
                for value in values:
                    row.cell(self.printable(value))
        self.ln(2)


def to_pdf(contents: CaseContents) -> bytes:
    """The report of a case.

    Raises:
        RecordError: If a picture is missing or damaged.
    """
    pdf = CasePdf(contents)
    pdf.add_page()
    pdf.heading("Reviewed cells of a blood smear", 16)
    pdf.say(RESEARCH_USE)
    if contents.label:
        pdf.say(f"Case: {contents.label}")
    pdf.say(contents.status)
    pdf.heading("Counts")
    pdf.rows(pdf_tables.counts_rows(contents), (30, 14, 30, 14, 30))
    pdf.say(pdf_tables.counts_note(contents), 8)
    pdf.heading("Model against reviewer")
    pdf.say(pdf_tables.agreement_text(contents))
    if rows := pdf_tables.agreement_rows(contents):
        pdf.rows(rows, (30, 15, 30, 60))
    _cautions(pdf)
    pdf.heading("How the cells were suggested")
    for one in contents.review.fields:
        pdf.say(f"{contents.stems[one.sha256]} ({one.title}): {_origin(one)}", 8)
    _signatures(pdf)
    for one in contents.review.fields:
        _field(pdf, one)
    _gallery(pdf)
    if pdf.lacks:
        pdf.say(f"Characters that this report cannot print stand as {_MISSING}.", 8)
    return bytes(pdf.output())


def _cautions(pdf: CasePdf) -> None:
    told = [
        f"{pdf.contents.stems[one.sha256]}: {said}"
        for one in pdf.contents.review.fields
        for said in filter(None, [_standing(one), *one.cautions])
    ]
    if told:
        pdf.heading("Warnings")
        for text in told:
            pdf.say(text)


def _standing(one: FieldReview) -> str:
    if not one.counted:
        return f"Not counted. {one.why_not_counted}"
    if one.withheld:
        return f"Counted only because the user insisted. {one.withheld}"
    return ""


def _origin(one: FieldReview) -> str:
    facts = provenance(one)
    parts = [f"model {one.origin.model}, {one.origin.made.sentence}"]
    if one.origin.runtime:
        parts.append(f"Runtime: {one.origin.runtime}.")
    if one.origin.red_cell_px:
        parts.append(f"Red cells: {facts['red_cell_px']} px.")
    if one.origin.um_per_px:
        parts.append(f"Scale: {one.origin.um_per_px:g} µm/px.")
    parts.append(f"Weights {one.origin.weights_sha256 or 'unknown'}.")
    parts.append(f"Picture {one.sha256}, {one.width_px}x{one.height_px} px.")
    return " ".join(parts)


def _signatures(pdf: CasePdf) -> None:
    contents = pdf.contents
    pdf.heading("Signatures")
    if not contents.signatures:
        pdf.say(contents.status)
    for given in contents.signatures:
        pdf.say(
            f"{given.printed_name}: {given.meaning.lower()} version {given.version} on "
            f"{given.at:%d %B %Y at %H:%M:%S} UTC. Content {given.content_sha256}."
        )
    if contents.trail:
        count, head = contents.trail
        pdf.say(
            f"The audit trail had {count} entries; the last has the hash {head}. "
            f"allcell cases verify --expect {head[:16]} finds it again.",
            8,
        )
    pdf.say(f"This report was made on {contents.made_at:%d %B %Y at %H:%M:%S} UTC.", 8)


def _field(pdf: CasePdf, one: FieldReview) -> None:
    pdf.add_page()
    pdf.heading(f"{pdf.contents.stems[one.sha256]}: {one.title}")
    said = _standing(one)
    cells = sum(cell.counts for cell in one.cells)
    pdf.say(f"{cells} cells. Solid: confirmed. Dashed: suggested. {said}".strip(), 8)
    picture = drawings.annotated(pdf.contents, one, pdf.contents.pictures(one.sha256))
    height, width = picture.shape[:2]
    room_mm = pdf.eph - (pdf.get_y() - pdf.t_margin) - 2
    width_mm = min(pdf.epw, room_mm * width / height)
    pdf.image(_jpeg(picture), w=width_mm)


def _jpeg(picture: RGBImage) -> io.BytesIO:
    shown = Image.fromarray(picture)
    shown.thumbnail((_FIELD_PX, _FIELD_PX), Image.Resampling.LANCZOS)
    sink = io.BytesIO()
    shown.save(sink, "JPEG", quality=88)
    sink.seek(0)
    return sink


def _gallery(pdf: CasePdf) -> None:
    contents = pdf.contents
    table = contents.review.labels.by_name
    loaded: tuple[str, RGBImage] | None = None
    pdf.add_page()
    for name, cells in drawings.gallery(contents):
        pdf.heading(f"{table[name].title}: {len(cells)}")
        x, y = pdf.l_margin, pdf.get_y()
        for one, cell in cells:
            if x + _CROP_MM > pdf.w - pdf.r_margin:
                x, y = pdf.l_margin, y + _CROP_MM + 4 + _GAP_MM
            if y + _CROP_MM + 4 > pdf.h - pdf.b_margin:
                pdf.add_page()
                x, y = pdf.l_margin, pdf.get_y()
            # The cells of a class come field by field: one picture is in memory at a time.
            if loaded is None or loaded[0] != one.sha256:
                loaded = (one.sha256, contents.pictures(one.sha256))
            pdf.image(_jpeg(crop(loaded[1], *cell.xyxy, _CROP_PX)), x=x, y=y, w=_CROP_MM)
            pdf.set_font(_FAMILY, "", 6)
            pdf.set_xy(x, y + _CROP_MM)
            field = int(contents.stems[one.sha256][-3:])
            mark = "" if cell.state == "confirmed" else "?"
            pdf.cell(_CROP_MM, 3.5, f"{field} / {cell.number}{mark}")
            x += _CROP_MM + _GAP_MM
        pdf.set_xy(pdf.l_margin, y + _CROP_MM + 5)
    pdf.say("Below each cell: field / number; ? stands for a suggestion not confirmed.", 7)
