"""The child process of `allcell.untrusted.trial`: opens and runs a network from standard input.

Prints a JSON object: the input size it ran with, or what went wrong as message and remedy.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from allcell.environment.memory import limit_memory
from allcell.errors import ModelError
from allcell.untrusted.session import check_file, open_here

#: What ONNX Runtime and C++ say when they are out of memory.
_NO_MEMORY = ("allocate memory", "bad_alloc", "bad allocation")


def main() -> None:
    """Arguments: bytes of memory and seconds it may take, CPU threads; optionally width, height."""
    most_bytes, longest_s, threads, *size = (int(argument) for argument in sys.argv[1:])
    if hasattr(signal, "alarm"):
        # Nothing else would end it if the server that waits for it is gone.
        signal.alarm(longest_s)
    content = sys.stdin.buffer.read()
    limit_memory(most_bytes)
    said: dict[str, Any]
    try:
        wanted = (size[0], size[1]) if size else None
        opened = open_here(content, check_file(content), wanted, threads)
        said = {"input_px": opened.input_px}
    except ModelError as error:
        no_memory = any(words in str(error.__cause__) for words in _NO_MEMORY)
        said = _too_large(most_bytes) if no_memory else _said(error)
    except MemoryError:
        said = _too_large(most_bytes)
    print(json.dumps(said))


def _said(error: ModelError) -> dict[str, str]:
    return {"message": error.message, "remedy": error.remedy}


def _too_large(most_bytes: int) -> dict[str, str]:
    return {
        "message": f"The network asks for more than {most_bytes / 2**30:.0f} GB of memory.",
        "remedy": "Use a smaller network, or a smaller input size.",
    }


if __name__ == "__main__":
    main()
