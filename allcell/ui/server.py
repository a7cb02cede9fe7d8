"""The app's server: Streamlit that looks nothing up, logs what may be read, and ends in time.

`python -m allcell app` and `make app` start it: `python -m allcell.ui.server run app.py`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import Any

from streamlit import logger as streamlit_logger
from streamlit import net_util
from streamlit.web import bootstrap

from allcell.environment.leftovers import remove_leftovers
from allcell.environment.logs import handler, set_up_logs
from allcell.environment.memory import share_heaps
from allcell.errors import AllcellError
from allcell.settings import settings

log = logging.getLogger(__name__)

#: After a request to end, streams and recordings have this long; then the process ends anyway.
END_WITHIN_S = 8.0


def ask_nobody() -> None:
    """Keep Streamlit from asking a host on the internet who this machine is.

    It does so when it starts without an address, and when it refuses a connection of another
    origin. Here such a connection is simply refused: `server.corsAllowedOrigins` lists exceptions.
    """
    # What they say is printed, or compared with an origin; None matches none.
    net_util.get_external_ip = lambda: None
    net_util.get_internal_ip = lambda: None


def add_routes() -> None:
    """Answer the routes of slides beside Streamlit's own.

    `streamlit.starlette.App(routes=...)` takes such routes, too, but `streamlit run` starts an App
    by a way of its own, without the signal handlers that `end_in_time` builds on. So the list that
    both ways begin with is extended, at its front: Streamlit's last route answers any path.
    """
    from streamlit import config
    from streamlit.web.server.starlette import starlette_app

    from allcell.ui.tiles.routes import slide_routes

    streamlit_routes = starlette_app.create_streamlit_routes

    def with_ours(runtime: Any) -> list[Any]:
        base_path = config.get_option("server.baseUrlPath") or ""
        return [*slide_routes(base_path), *streamlit_routes(runtime)]

    starlette_app.create_streamlit_routes = with_ours


def write_logs() -> None:
    """Write the log as the settings say, Streamlit's part too."""
    chosen = settings()
    set_up_logs(chosen.log_level, chosen.log_format)

    def set_handler(logger: Any) -> None:
        logger.handlers[:] = [handler(chosen.log_format)]

    streamlit_logger.setup_formatter = set_handler
    streamlit_logger.update_formatter()
    # Below info it names files.
    level = "info" if chosen.log_level == "debug" else chosen.log_level
    os.environ.setdefault("STREAMLIT_LOGGER_LEVEL", level)


def end_in_time() -> None:
    """On SIGTERM and Ctrl-C finish recordings, end streams, and end within ten seconds."""
    set_up = bootstrap._set_up_signal_handler

    def with_limit(server: Any) -> None:
        set_up(server)
        for number in (signal.SIGTERM, signal.SIGINT):
            stop = signal.getsignal(number)

            def ended(number: int, frame: Any, stop: Any = stop) -> None:
                threading.Thread(target=_end, name="end", daemon=True).start()
                stop(number, frame)

            signal.signal(number, ended)

    bootstrap._set_up_signal_handler = with_limit


def _end() -> None:
    from allcell.ui.sessions.budget import ledger

    log.info("Ending.")
    limit_s = time.monotonic() + END_WITHIN_S
    # First, since the process may end at any moment from now on.
    threading.Thread(target=ledger().leave_all, name="end of sessions", daemon=True).start()
    time.sleep(max(0.0, limit_s - time.monotonic()))
    log.warning("Something does not end: the process ends without it.")
    sys.stderr.flush()
    os._exit(0)


def main() -> None:
    """Run Streamlit's command line with all of this."""
    share_heaps()
    ask_nobody()
    try:
        write_logs()
    except AllcellError as error:  # a setting that cannot be
        raise SystemExit(str(error)) from None
    end_in_time()
    add_routes()
    if removed := remove_leftovers():
        log.warning("Videos of %d sessions of a process that was killed were removed.", removed)
    from streamlit.web import cli

    sys.argv[0] = "streamlit"
    cli.main()


if __name__ == "__main__":
    main()
