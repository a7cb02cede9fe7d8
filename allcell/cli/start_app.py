"""`app`: start the pages in a browser."""

from __future__ import annotations

import typer

from allcell.cli.base import app, explained
from allcell.environment.launcher import start_app


@app.command("app", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
@explained
def app_command(
    context: typer.Context,
    port: int | None = typer.Option(None, min=1, max=65535, help="TCP port; 8501 by default."),
    host: str | None = typer.Option(
        None, help="Address to listen on; this machine only by default, 0.0.0.0 shares the app."
    ),
) -> None:
    """Start the app. Other options are passed to Streamlit, e.g. --server.sslCertFile=FILE."""
    start_app(port=port, host=host, extra=context.args)
