"""What the project says of itself: packages and versions, in each place that names them."""

import re
import sys
import tomllib
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import allcell
from allcell import settings
from allcell.environment import installation, launcher
from allcell.environment.versions import installed_versions
from allcell.errors import AllcellError, ModelError

ROOT = Path(__file__).resolve().parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RANGES = {
    canonicalize_name(requirement.name): requirement
    for text in (
        *PROJECT["dependencies"],
        *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
    )
    for requirement in [Requirement(text)]
}


def _lines(name):
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def pins(name):
    """Versions by package, of lines `package==version`."""
    return {
        canonicalize_name(package): version
        for package, _, version in (line.partition("==") for line in _lines(name))
        if version
    }


PINS = pins("constraints.txt")


def test_each_package_that_is_needed_has_its_pin_and_no_other_has():
    assert set(PINS) == set(RANGES)


@pytest.mark.parametrize("name", sorted(RANGES))
def test_a_pin_lies_in_its_range(name):
    assert RANGES[name].specifier.contains(PINS[name])


@pytest.mark.parametrize("name", sorted(RANGES))
def test_what_the_tests_run_on_is_what_is_pinned(name):
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        pytest.skip("not installed here")
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("not the environment that make sets up")
    assert installed.partition("+")[0] == PINS[name]


@pytest.mark.parametrize(
    ("file", "extras"),
    [("requirements-lite.txt", "app"), ("requirements.txt", "app,train")],
)
def test_the_lists_name_no_package_of_their_own(file, extras):
    assert list(_lines(file)) == ["-c constraints.txt", f"-e .[{extras}]"]


def test_tools_are_not_pinned_twice():
    assert not set(pins("requirements-dev.txt")) & set(PINS)


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == allcell.__version__
    assert citation["license"] == PROJECT["license"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first = re.search(r"^## \[?(\d+\.\d+\.\d+)", changes, re.MULTILINE)
    assert first is not None
    assert first[1] == allcell.__version__


@pytest.mark.parametrize(
    "file", ["README.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_a_wheel_is_named_after_the_version(file):
    path = ROOT / file if file == "README.md" else ROOT / "docs" / file
    named = re.findall(r"allcell-(\d[\w.]*)-py3", path.read_text(encoding="utf-8"))
    assert set(named) <= {allcell.__version__}


def test_results_name_the_version_that_runs_not_the_one_once_installed(monkeypatch):
    monkeypatch.setattr("allcell.environment.versions.version", lambda package: "0.0.1")
    assert installed_versions()["allcell"] == allcell.__version__


@pytest.mark.parametrize(
    ("missing", "remedy"),
    [
        pytest.param(
            installation.get_weights, ("git checkout", "ALLCELL_WEIGHTS_DIR"), id="weights"
        ),
        pytest.param(
            lambda: installation.get_packages("train"),
            ("make app", 'pip install "allcell[train]"'),
            id="torch",
        ),
        pytest.param(
            lambda: installation.get_packages("app"),
            ("make app LITE=1", 'pip install "allcell[app]"'),
            id="Streamlit",
        ),
    ],
)
def test_a_remedy_is_true_for_who_reads_it(monkeypatch, missing, remedy):
    of_checkout, of_wheel = remedy
    assert of_checkout in missing()
    monkeypatch.setattr(settings, "INSTALLED", True)
    assert of_wheel in missing()
    assert "make " not in missing()
    assert "git " not in missing()


def test_a_command_writes_weights_only_where_they_last(monkeypatch, tmp_path):
    assert installation.weights_to_write() == settings.PROJECT_ROOT / "weights"
    monkeypatch.setattr(settings, "INSTALLED", True)
    with pytest.raises(ModelError, match="ALLCELL_WEIGHTS_DIR"):
        installation.weights_to_write()
    own = settings.Settings(weights_dir=tmp_path)
    monkeypatch.setattr(settings, "settings", lambda: own)
    assert installation.weights_to_write() == tmp_path


@pytest.mark.parametrize(
    ("given", "flags"),
    [
        pytest.param({}, [], id="what is not said is Streamlit's choice"),
        pytest.param({"port": 8600}, ["--server.port=8600"], id="another port"),
        pytest.param({"host": "0.0.0.0"}, ["--server.address=0.0.0.0"], id="shared"),
        pytest.param(
            {"extra": ["--server.sslKeyFile=k"]}, ["--server.sslKeyFile=k"], id="the rest goes on"
        ),
    ],
)
def test_the_launcher_starts_streamlit_on_app_py(given, flags):
    pytest.importorskip("streamlit")
    command = launcher.app_command(**given)
    script = command.index(str(ROOT / "app.py"))
    assert command[script - 2 : script] == ["allcell.ui.server", "run"]
    assert command[script + 1 :] == flags


def test_without_streamlit_the_launcher_says_what_to_install(monkeypatch):
    monkeypatch.setattr(launcher, "find_spec", lambda name: None)
    with pytest.raises(AllcellError, match="streamlit and streamlit_webrtc") as error:
        launcher.app_command()
    assert "make app LITE=1" in error.value.remedy


def test_the_layers_in_contributing_are_those_that_are_checked():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawn = text.split("from the top:\n\n```\n")[1].split("```")[0].strip().splitlines()
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    [layers] = [c for c in tool["importlinter"]["contracts"] if c["id"] == "layers"]
    checked = [set(re.findall(r"\w+", layer)) for layer in layers["layers"]]
    assert [set(re.findall(r"\w+", line)) for line in drawn] == checked


def test_the_house_stays_tidy():
    files = sorted((ROOT / "allcell").rglob("*.py"))
    lengths = {str(f.relative_to(ROOT)): len(f.read_text("utf-8").splitlines()) for f in files}
    assert {name: n for name, n in lengths.items() if n > 300} == {}
    folders = Counter(str(f.parent.relative_to(ROOT / "allcell")) for f in files)
    large = {name for name, n in folders.items() if n > 15}
    assert large <= {"data", "evaluation", "stream"}
    classes = Counter(
        name
        for f in files
        for name in re.findall(r"^class (\w+)", f.read_text("utf-8"), re.MULTILINE)
    )
    assert [name for name, n in classes.items() if n > 1] == []
