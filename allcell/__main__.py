"""The command line: `python -m allcell COMMAND`."""

from allcell.cli import (  # noqa: F401  (they register commands)
    detect,
    evaluate,
    make_data,
    measure,
    models,
    sample,
    train,
)
from allcell.cli.base import app

if __name__ == "__main__":
    app(prog_name="allcell")
