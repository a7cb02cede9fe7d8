"""A PostgreSQL server of the test's own, where Debian's package (or another) is installed."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from importlib.util import find_spec
from pathlib import Path

_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


def binaries() -> Path | None:
    """The folder with `initdb` and `postgres`, the newest version; None if there is none."""
    folders = [file for place in _PLACES for file in Path("/").glob(place[1:])]
    if found := shutil.which("initdb"):
        folders.append(Path(found).resolve().parent)
    with_server = [f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()]
    return max(with_server, key=lambda f: f.parent.name, default=None)


def why_none() -> str:
    """Why no server can be started here; empty if one can."""
    if find_spec("psycopg") is None:
        return "no psycopg here: pip install psycopg[binary]"
    if binaries() is None:
        return "no PostgreSQL here: apt-get install postgresql"
    if os.name == "posix" and os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


@contextlib.contextmanager
def server():
    """Start one on a socket of its own, without a port; what is given makes an empty database."""
    home = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path may have 107 characters
    as_user = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(home, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def run(program, *arguments):
        subprocess.run(
            [binaries() / program, *arguments],
            check=True,
            capture_output=True,
            cwd=home,
            env={**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"},
            timeout=120,
            **as_user,
        )

    run("initdb", "-D", home / "data", "-U", "allcell", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-k {home} -c listen_addresses='' -c shared_buffers=16MB"
    started = ("-D", home / "data", "-w", "-l", home / "log")
    try:
        run("pg_ctl", *started, "-o", options, "start")

        def fresh():
            name = f"t{uuid.uuid4().hex[:12]}"
            run("createdb", "-h", home, "-U", "allcell", name)
            return f"postgresql://allcell@/{name}?host={home}"

        yield fresh
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            run("pg_ctl", *started, "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)
