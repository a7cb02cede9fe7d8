"""The command line: `allcell COMMAND`, or `python -m allcell COMMAND`."""

from allcell.cli import (  # noqa: F401  (they register commands)
    detect,
    doctor,
    evaluate,
    make_data,
    measure,
    models,
    sample,
    start_app,
    train,
)
from allcell.cli.base import app, write_utf8
from allcell.cli.batches import cost, many  # noqa: F401
from allcell.cli.kept import cases, sweep, teach  # noqa: F401


def main() -> None:
    """Entry point of the console script."""
    write_utf8()
    app(prog_name="allcell")


if __name__ == "__main__":
    main()
