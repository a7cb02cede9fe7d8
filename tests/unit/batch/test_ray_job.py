"""The manifest for a cluster: what KubeRay takes, and what the project says elsewhere."""

from __future__ import annotations

import copy
import gzip
import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import allcell
from allcell.__main__ import app

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = Path(__file__).with_name("kuberay") / "rayjob-v1.json.gz"
MANIFEST = ROOT / "deploy" / "ray-job.yaml"


def strict(schema):
    """A structural schema of Kubernetes as JSON Schema; what it does not name is a mistake."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    found = {k: strict(v) for k, v in schema.items() if not k.startswith("x-") and k != "format"}
    if "properties" in found and not schema.get("x-kubernetes-preserve-unknown-fields"):
        found["properties"] = {k: strict(v) for k, v in schema["properties"].items()}
        found["additionalProperties"] = False
    return found


@pytest.fixture(scope="module")
def validator():
    schema = strict(json.loads(gzip.decompress(SCHEMA.read_bytes())))
    # The API server's own part of every object.
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return Draft202012Validator(schema)


@pytest.fixture
def manifest():
    return yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))


def test_kuberay_takes_the_manifest(validator, manifest):
    assert [str(error) for error in validator.iter_errors(manifest)] == []
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")


def _without_containers(spec):
    del spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]


def _misspelt(spec):
    spec["shutdownAfterJobFinish"] = True


def _number_as_text(spec):
    spec["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] = "4"


def _number_in_start(spec):
    spec["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0


def _misspelt_deep(spec):
    spec["rayClusterSpec"]["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["envs"] = []


@pytest.mark.parametrize(
    "spoil", [_without_containers, _misspelt, _number_as_text, _number_in_start, _misspelt_deep]
)
def test_the_check_can_fail(validator, manifest, spoil):
    spoilt = copy.deepcopy(manifest)
    spoil(spoilt["spec"])
    assert not validator.is_valid(spoilt)


def test_its_versions_are_those_of_the_project(manifest):
    pin = re.search(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    cluster = manifest["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == pin[1]
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    containers = [c for pod in pods for c in pod["template"]["spec"]["containers"]]
    assert {c["image"].rpartition(":")[2] for c in containers} == {allcell.__version__}
    for container in containers:
        variables = {one["name"]: one["value"] for one in container["env"]}
        assert variables["RAY_USAGE_STATS_ENABLED"] == "0"
        assert "127.0.0.1" in variables["RAY_USAGE_STATS_REPORT_URL"]


def test_its_command_is_one_that_allcell_has(manifest):
    program, command, *arguments = manifest["spec"]["entrypoint"].split()
    assert program == "allcell"
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
    for option in (a for a in arguments if a.startswith("--")):
        assert option in shown


def test_the_image_is_built_as_that_of_the_app():
    of_app, of_ray = (
        (ROOT / "deploy" / name).read_text() for name in ("Dockerfile", "Dockerfile.ray")
    )
    copied = [line for line in of_app.splitlines() if line.startswith("COPY") and "--" not in line]
    assert [line for line in copied if line not in of_ray.splitlines()] == []
    ignored = [
        (ROOT / "deploy" / f"{name}.dockerignore").read_text()
        for name in ("Dockerfile", "Dockerfile.ray")
    ]
    assert ignored[0] == ignored[1]
