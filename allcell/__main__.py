"""The command line: `python -m allcell COMMAND`."""

from allcell.cli import detect, make_data, measure, train  # noqa: F401  (they register commands)
from allcell.cli.base import app

if __name__ == "__main__":
    app(prog_name="allcell")
