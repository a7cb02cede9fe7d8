"""`doctor`: what this machine has, which runtimes were chosen and why, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace

import typer

from allcell.cli.base import app, explained, say
from allcell.engines.choosing import choices
from allcell.engines.choosing.choices import RuntimeChoice
from allcell.engines.opening import has_openvino, has_torch
from allcell.environment.machine import MachineFact, survey, unused_card
from allcell.errors import AllcellError
from allcell.own.opening import open_model
from allcell.settings import settings


@app.command()
@explained
def doctor(
    measure: bool = typer.Option(
        False, help="Measure again which runtime is fastest for the default model."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Say what this machine has, which runtimes were chosen and why, and what is missing."""
    found = [_of_torch(finding) for finding in survey()] + _intel()
    if measure:
        _measure()
    kept = choices.all_kept()
    if as_json:
        report = {
            "found": [asdict(finding) for finding in found],
            "runtime": settings().runtime,
            "chosen": [choice.model_dump() for choice in kept],
        }
        typer.echo(json.dumps(report, indent=1))
        return
    typer.echo("\n".join(_page(found, kept)))


def _page(found: Iterable[MachineFact], kept: list[RuntimeChoice]) -> Iterable[str]:
    """The report, line by line."""
    yield "What was found"
    faults = []
    for finding in found:
        yield f"  {finding.what}: {finding.said}"
        if finding.remedy:
            faults.append(finding)
    yield ""
    yield "What runs the models on the CPU"
    if settings().runtime != "auto":
        yield f"  {settings().runtime}, as ALLCELL_RUNTIME says."
    elif not kept:
        yield (
            "  Not measured yet. That happens when a model is first used, and takes under two "
            "seconds; `python -m allcell doctor --measure` does it now."
        )
    else:
        for choice in kept:
            yield from _chosen(choice)
    yield ""
    if not faults:
        yield "Nothing is missing."
        return
    yield "What is missing, and what to do"
    for finding in faults:
        yield f"  {finding.what}: {finding.said}."
        yield f"    {finding.remedy}"


def _chosen(choice: RuntimeChoice) -> Iterable[str]:
    """A choice and its reasons."""
    winner = choice.chosen.title
    yield f"  {choice.model}, {choice.purpose}: {winner}, {choice.milliseconds[winner]:.1f} ms"
    others = [
        f"{title} {ms:.1f} ms" for title, ms in choice.milliseconds.items() if title != winner
    ]
    if others:
        yield f"    measured beside it: {', '.join(others)}"
    for title, reason in choice.left_out.items():
        yield f"    left out: {title}: {reason}"
    packages = (f"{n} {v}" for n, v in choice.versions.items() if n in ("onnxruntime", "openvino"))
    yield f"    on {choice.machine}, with {', '.join(packages)}"


def _measure() -> None:
    """Measure the default model again, for stills and for live video."""
    if settings().runtime != "auto":
        say(f"ALLCELL_RUNTIME={settings().runtime} fixes the runtime: nothing is measured.")
        return
    choices.forget_all()
    open_model(settings().default_model, device="cpu", precision="auto")
    open_model(settings().default_model, device="cpu", precision="live")


def _of_torch(finding: MachineFact) -> MachineFact:
    """What the driver lists, with what torch makes of it."""
    if finding.what != "NVIDIA card" or "driver" not in finding.said or finding.remedy:
        return finding
    if not has_torch():
        return finding
    from allcell.engines.torch_engine import cuda_available

    if cuda_available():
        return replace(finding, said=f"{finding.said}; torch uses it")
    return unused_card(finding.said)


def _intel() -> list[MachineFact]:
    """Intel's devices, as far as OpenVINO is here to ask."""
    if not has_openvino():
        return []
    try:
        from allcell.engines.openvino_engine import computes_bf16, devices

        listed = [f"{name} ({title})" for name, title in devices().items()]
        half = "computes with bfloat16" if computes_bf16() else "does not compute with bfloat16"
    except (AllcellError, ImportError, OSError, RuntimeError) as error:
        return [
            MachineFact(
                "OpenVINO",
                f"is installed but does not start ({str(error).strip().splitlines()[-1][:120]})",
                "Install it again, or set ALLCELL_RUNTIME=onnx.",
            )
        ]
    return [MachineFact("OpenVINO", f"can use {', '.join(listed)}; the CPU {half}")]
