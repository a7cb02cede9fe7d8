"""Start the app: Streamlit on app.py, wherever allcell is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from allcell.environment.installation import get_packages
from allcell.errors import AllcellError
from allcell.settings import PROJECT_ROOT


def app_command(
    *, port: int | None = None, host: str | None = None, extra: Sequence[str] = ()
) -> list[str]:
    """The command that starts the app.

    Streamlit reads the settings in `.streamlit/config.toml` next to app.py, whatever the working
    directory is.

    Args:
        port: TCP port; Streamlit's choice, 8501 or the next free one, if None.
        host: Address that the app listens on; that of the settings, this machine only, if None.
        extra: Further options of Streamlit, for example `--server.sslCertFile=...`.

    Raises:
        AllcellError: If Streamlit is not installed.
    """
    missing = [name for name in ("streamlit", "streamlit_webrtc") if find_spec(name) is None]
    if missing:
        raise AllcellError(f"The app needs {' and '.join(missing)}.", get_packages("app"))
    # -P: a folder named allcell in the working directory must not be taken for the package.
    command = [sys.executable, "-P", "-m", "allcell.ui.server", "run", str(PROJECT_ROOT / "app.py")]
    if port is not None:
        command.append(f"--server.port={port}")
    if host is not None:
        command.append(f"--server.address={host}")
    return [*command, *extra]


def start_app(
    *, port: int | None = None, host: str | None = None, extra: Sequence[str] = ()
) -> None:
    """Replace this process by the app; returns on Windows only, when the app has ended.

    Args:
        port: See `app_command`.
        host: See `app_command`.
        extra: See `app_command`.

    Raises:
        AllcellError: If Streamlit is not installed.
        SystemExit: On Windows, if the app ended with an error.
    """
    command = app_command(port=port, host=host, extra=extra)
    # glibc gives threads pools of memory of their own and returns little of them: with the many
    # short-lived threads of video the process would creep up by half a megabyte with each start.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    if os.name != "nt":
        # Signals then reach the app, and the memory of the command line is freed.
        os.execv(command[0], command)
    code = subprocess.call(command)
    if code:
        raise SystemExit(code)
