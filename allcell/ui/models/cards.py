"""One model as the Models page shows it."""

from __future__ import annotations

import streamlit as st

from allcell.engines.opening import has_torch
from allcell.environment.installation import get_packages
from allcell.models.registry import FIELD_CLASSES, ClassifierSpec
from allcell.models.weights import WeightFile
from allcell.report.metrics_files import read_training
from allcell.report.unlike_paper import unlike_paper
from allcell.settings import settings
from allcell.ui.models.measured import measured
from allcell.ui.models.overview import curves_of
from allcell.ui.models.own import show_own
from allcell.ui.shell.catalog import Listing
from allcell.ui.shell.controls import title_of
from allcell.ui.shell.kept_metrics import test_metrics
from allcell.ui.shell.user_facts import as_list, facts_of

_SHORT_SHA = 12


def show_model(entry: Listing) -> None:
    """Name, state, figures and model card."""
    spec = entry.spec
    with st.container(border=True):
        st.subheader(spec.title, anchor=False)
        if entry.user_model is not None:
            st.markdown(f":blue-badge[Yours, in this session] {spec.summary}")
            st.html(as_list(facts_of(entry.user_model)))
            return
        if entry.own is not None:
            show_own(entry.own)
            return
        st.markdown(spec.summary)
        if entry.usable:
            st.markdown(f":green-badge[Can be used here] {_where(entry)}")
        else:
            st.markdown(f":orange-badge[Cannot be used here] {entry.missing}")
            st.markdown(entry.remedy)
        left, right = st.columns(2, gap="medium")
        left.html(as_list(_figures(entry)))
        with right:
            measured(entry)
        curves_of(entry)
        card = settings().weights_dir / "cards" / f"{spec.name}.md"
        if card.is_file():
            with st.expander("Model card"):
                st.markdown(card.read_text(encoding="utf-8"))
        else:
            st.caption("There is no model card for it yet.")


def _figures(entry: Listing) -> dict[str, str]:
    spec, files = entry.spec, entry.files
    figures = {"Name in commands": spec.name}
    if isinstance(spec, ClassifierSpec):
        figures |= {
            "Classes": ", ".join(FIELD_CLASSES) + " (of a whole field)",
            "Operating threshold": f"probability {spec.threshold:.2f}",
            "Input": f"the middle of the field, {spec.width_px} x {spec.height_px} px",
        }
    else:
        figures |= {
            "Classes": ", ".join(title_of(name) for name in spec.classes),
            "Operating threshold": f"confidence {spec.confidence:.2f}, overlap {spec.iou:.2f}",
            "Input scale": f"red cells {spec.red_cell_px:g} px wide; an image whose red cells "
            f"cannot be measured is brought to {spec.default_long_side_px} px; tiles of at most "
            f"{spec.max_input_px} px",
        }
        facts = read_training(settings().weights_dir, spec.name)
        if unlike := unlike_paper(spec, files, facts, test_metrics(entry)):
            figures["Unlike the paper"] = unlike
    if files is None:
        return figures
    figures["Parameters"] = f"{files.parameters:,}"
    figures["Checkpoint"] = _file(files.checkpoint)
    figures["ONNX"] = _file(files.onnx) if files.onnx else "not shipped; compiled on first use"
    if files.onnx_int8:
        figures["ONNX, 8 bits"] = f"{_file(files.onnx_int8)}; for live video on a CPU"
    return figures


def _where(entry: Listing) -> str:
    onnx = entry.files is not None and entry.files.onnx is not None
    if has_torch():
        return "On the CPU with ONNX Runtime; on a CUDA device with torch."
    return (
        "On the CPU with ONNX Runtime. CUDA devices need torch, which this light installation "
        f"leaves out. {get_packages('train')}"
        if onnx
        else "On the CPU with ONNX Runtime, compiled earlier."
    )


def _file(file: WeightFile) -> str:
    path = settings().weights_dir / file.file
    if not path.is_file():
        return f"{file.file} is missing"
    size = path.stat().st_size / 1e6
    return f"{file.file}, {size:.1f} MB, SHA-256 {file.sha256[:_SHORT_SHA]}"
