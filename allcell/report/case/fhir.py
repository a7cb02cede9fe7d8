"""A case as FHIR R4: a preliminary DiagnosticReport with an Observation for each class.

It names no patient, and no class has a LOINC code: a system that knows one would file a research
count with the results of a laboratory. `fhir.resources` checks what is built.
"""

from __future__ import annotations

import uuid
from typing import Any

from allcell.report.case.contents import CaseContents
from allcell.review.cells import FieldOrigin
from allcell.review.counting import ReviewCounts, counts
from allcell.review.labels import CellLabel
from allcell.settings import RESEARCH_USE

_NAMESPACE = uuid.UUID("6f0d7c0e-6c1b-5b0e-9a6e-a11ce11af41e")
_UCUM = "http://unitsofmeasure.org"


def to_fhir(contents: CaseContents) -> str:
    """A FHIR R4 Bundle (collection) as JSON: the report, its observations and the models.

    Raises:
        ValueError: If it is not valid FHIR, which is a fault of the program.
    """
    # Imported here: its models take a second to load.
    from fhir.resources.R4B.bundle import Bundle

    before, after = counts(contents.review, "suggested"), counts(contents.review, "confirmed")
    devices = [_device(contents, origin) for origin in _origins(contents)]
    observations = [
        _observation(contents, label, before, after, devices)
        for label, _ in after.listed()
        if label.role != "not a cell"
    ]
    report = {
        **_resource(contents, "DiagnosticReport", "report"),
        "status": "preliminary",
        "category": [{"text": "Research use only"}],
        "code": {"text": "Reviewed count of cells in photographs of a blood smear"},
        "issued": _instant(contents),
        "result": [_reference(one) for one in observations],
        "conclusion": f"{RESEARCH_USE} Counts of cells, no diagnosis. {contents.status}",
    }
    if contents.case_id:
        report["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": _urn(contents.case_id)}]
    if contents.signatures:
        report["resultsInterpreter"] = [
            {"display": f"{given.printed_name} ({given.meaning})"} for given in contents.signatures
        ]
    entries = [
        {"fullUrl": f"urn:uuid:{one['id']}", "resource": one}
        for one in (report, *observations, *devices)
    ]
    bundle = Bundle.model_validate(
        {
            **_resource(contents, "Bundle", "bundle"),
            "type": "collection",
            "timestamp": _instant(contents),
            "entry": entries,
        }
    )
    return str(bundle.model_dump_json(indent=1))


def _resource(contents: CaseContents, kind: str, what: str) -> dict[str, Any]:
    name = f"{contents.content_sha256}/{contents.version}/{what}"
    return {"resourceType": kind, "id": str(uuid.uuid5(_NAMESPACE, name))}


def _urn(case_id: str) -> str:
    return f"urn:uuid:{uuid.UUID(case_id)}"


def _reference(resource: dict[str, Any]) -> dict[str, str]:
    return {"reference": f"urn:uuid:{resource['id']}"}


def _instant(contents: CaseContents) -> str:
    return f"{contents.made_at:%Y-%m-%dT%H:%M:%S}Z"


def _origins(contents: CaseContents) -> list[FieldOrigin]:
    """The models that suggested cells, each once."""
    by_model = {
        (one.origin.model, one.origin.weights_sha256, one.origin.version): one.origin
        for one in contents.review.counted
    }
    return list(by_model.values())


def _device(contents: CaseContents, origin: FieldOrigin) -> dict[str, Any]:
    what = f"device {origin.model} {origin.weights_sha256} {origin.version}"
    return {
        **_resource(contents, "Device", what),
        "deviceName": [{"name": f"allcell, model {origin.model}", "type": "model-name"}],
        "version": [{"value": f"allcell {origin.version}"}],
        "note": [{"text": f"{RESEARCH_USE} Model {origin.model}: {origin.made.sentence}"}],
    }


def _observation(
    contents: CaseContents,
    label: CellLabel,
    before: ReviewCounts,
    after: ReviewCounts,
    devices: list[dict[str, Any]],
) -> dict[str, Any]:
    made: dict[str, Any] = {
        **_resource(contents, "Observation", f"observation {label.name}"),
        "status": "preliminary",
        "code": {"text": _title(label)},
        "note": [{"text": RESEARCH_USE}],
        "component": [
            _number("Cells confirmed by the reviewer", after.by_label.get(label.name, 0)),
            _number("Cells suggested by the model", before.by_label.get(label.name, 0)),
            _number("White cells confirmed by the reviewer", after.white_cells),
        ],
    }
    if len(devices) == 1:
        made["device"] = _reference(devices[0])
    share = after.share(label.name)
    if share is not None and share.fraction is not None:
        made["valueQuantity"] = _percent(share.fraction)
        made["component"] += [
            {
                "code": {"text": f"Exact 95 % interval of sampling, {end} end"},
                "valueQuantity": _percent(bound),
            }
            for end, bound in (("lower", share.low), ("upper", share.high))
        ]
        return made
    per_100 = after.per_100(label.name) if label.role in ("smudge", "other") else None
    if per_100 is not None:
        made["valueQuantity"] = {
            **{"value": round(per_100, 1), "unit": "per 100 white cells"},
            **{"system": _UCUM, "code": "/100{WBC}"},
        }
    else:
        made["valueInteger"] = after.by_label.get(label.name, 0)
    return made


def _title(label: CellLabel) -> str:
    if label.role in ("blast", "white cell"):
        return f"{label.title}, percent of the white cells counted"
    if label.role in ("smudge", "other"):
        return f"{label.title}, per 100 white cells"
    return f"{label.title}, number"


def _number(what: str, count: int) -> dict[str, Any]:
    return {"code": {"text": what}, "valueInteger": count}


def _percent(fraction: float) -> dict[str, Any]:
    return {"value": round(100 * fraction, 1), "unit": "%", "system": _UCUM, "code": "%"}
