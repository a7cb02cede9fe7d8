"""Workers as actors of Ray, on this machine or on many: the only file that imports Ray.

Ray Data reads the files of the parts in tasks, ahead of the actors, each of which holds a model;
it starts lost actors anew and gives their parts to others.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from allcell.batch.answers import WorkerSetup, use_threads
from allcell.batch.inputs import BatchInput
from allcell.batch.job import PART_BYTES, BatchPart
from allcell.batch.work import PartDone, PartWorker, read_part
from allcell.environment.installation import get_packages
from allcell.errors import AllcellError, DataError

#: The address of a cluster that is only started for a run, on this machine.
LOCAL = "local"
#: Blocks of parts at most: each is a task of its own to Ray.
_MOST_BLOCKS = 4096
#: Processors that a reader takes of those that Ray counts: it waits most of the time.
_READER_CPUS = 0.25
#: Ray's memory for files that were read ahead: so many parts a worker.
_AHEAD = 4
#: Its own messages are about itself; errors come as exceptions.
_QUIET = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_DATA_LOG_LEVEL": "ERROR"}
#: How often its start is tried: its processes have 30 s to come up.
_STARTS = 3
#: How long what Ray leaves in its folder is cleared away, in seconds.
_GONE_WITHIN_S = 5.0
#: The path of a socket may have 107 characters, of which Ray's own names take most.
_LONGEST_FOLDER = 14


def has_ray() -> bool:
    """Whether Ray is installed."""
    return find_spec("ray") is not None


def on_ray(
    setup: WorkerSetup,
    parts: Sequence[BatchPart],
    workers: int = 0,
    *,
    address: str | None = None,
    cards: float = 0,
) -> Generator[PartDone, None, None]:
    """Do parts in actors of Ray, in any order.

    Closing the iterator ends the work.

    Args:
        setup: What the workers need to know.
        parts: What is to be done.
        workers: How many actors; as many as the cluster has room for if 0.
        address: Of the cluster, as `ray.init` takes it; None or `LOCAL` for one of this machine
            alone.
        cards: GPUs of an actor.

    Raises:
        AllcellError: If a worker cannot begin, or Ray is missing or ends the work.
        OSError: If results cannot be written.
    """
    if not has_ray():
        raise DataError("Ray is not installed.", get_packages("ray"))
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    alone = address in (None, LOCAL)
    with _local(workers, setup.threads) if alone else _joined(str(address)):
        import ray

        actors = min(workers or _room(setup.threads, cards), len(parts))
        try:
            for row in _rows(setup, parts, actors, cards):
                # It comes from our own workers.
                answer = pickle.loads(row["answer"])
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        except ray.exceptions.RayError as error:
            last = str(error).strip().splitlines()[-1]
            raise DataError(
                f"Ray ended the run: {last:.300}",
                "What is done is kept: the same command goes on from there.",
            ) from error


def _rows(
    setup: WorkerSetup, parts: Sequence[BatchPart], actors: int, cards: float
) -> Iterator[dict[str, Any]]:
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    items = [
        {
            "number": part.number,
            "addresses": [one.address for one in part.inputs],
            "sizes": [one.size_bytes for one in part.inputs],
        }
        for part in parts
    ]
    rows = (
        ray.data.from_items(items, override_num_blocks=min(len(items), _MOST_BLOCKS))
        # A reader is a process that has to start; one has files enough for several workers.
        .map(
            _read,
            fn_args=(setup,),
            compute=ray.data.TaskPoolStrategy(size=actors),
            num_cpus=_READER_CPUS,
        )
        .map(
            _Actor,
            fn_constructor_args=(setup,),
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=setup.threads,
            num_gpus=cards or None,
        )
    )
    return iter(rows.iter_rows())


def _read(row: dict[str, Any], setup: WorkerSetup) -> dict[str, Any]:
    use_threads(1, setup.job.variables)
    return {**row, "contents": pickle.dumps(read_part(_part(row)), pickle.HIGHEST_PROTOCOL)}


class _Actor:
    """A worker of Ray's."""

    def __init__(self, setup: WorkerSetup) -> None:
        use_threads(setup.threads, setup.job.variables)
        self._worker: PartWorker | AllcellError
        try:
            self._worker = PartWorker(setup)
        except AllcellError as error:  # raised here it would be the death of an actor, without why
            self._worker = error

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"answer": pickle.dumps(self._answer(row))}

    def _answer(self, row: dict[str, Any]) -> PartDone | Exception:
        """What came of a part; of errors that it raises, Ray keeps the text alone."""
        if isinstance(self._worker, AllcellError):
            return self._worker
        try:
            # It comes from our own reader.
            return self._worker.do(_part(row), pickle.loads(row["contents"]))
        except (AllcellError, OSError) as error:
            return error


def _part(row: Mapping[str, Any]) -> BatchPart:
    pairs = zip(row["addresses"], row["sizes"], strict=True)
    return BatchPart(int(row["number"]), tuple(BatchInput(str(a), int(n)) for a, n in pairs))


@contextlib.contextmanager
def _local(workers: int, threads: int) -> Iterator[None]:
    """A cluster of this machine alone, for this process only; nothing of it is left behind."""
    base = tempfile.gettempdir()
    folder = tempfile.mkdtemp(
        prefix=f"allcell-ray-{os.getpid()}-",
        dir=base if len(base) <= _LONGEST_FOLDER else "/tmp",
    )
    # It reads these once, at its import; a program that has imported it has made its own choice.
    if "ray" not in sys.modules:
        os.environ.update(
            # Otherwise it would keep a password in the user's home folder.
            RAY_AUTH_MODE="token",
            RAY_AUTH_TOKEN=secrets.token_hex(32),
            # What others cannot reach needs no address: otherwise it would look for the way to
            # 8.8.8.8 to learn its own.
            RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0",
        )
    import ray

    try:
        _start(workers, threads, folder)
        yield
    finally:
        ray.shutdown()
        # Its processes end a moment later, and may write there once more.
        until_s = time.monotonic() + _GONE_WITHIN_S
        while os.path.isdir(folder) and time.monotonic() < until_s:
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.2)


def _start(workers: int, threads: int, folder: str) -> None:
    """Start Ray on this machine.

    Raises:
        DataError: If it does not start, which on a machine under load takes too long for it.
    """
    import ray

    for left in reversed(range(_STARTS)):
        try:
            # Without a dashboard its process still runs, for usage statistics alone; even with
            # these off it asks the cloud's metadata server where it is. It needs a port.
            with socket.create_server(("127.0.0.1", 0)) as taken, _nothing_said():
                ray.init(
                    LOCAL,
                    num_cpus=workers * threads + 1,  # one for the readers
                    include_dashboard=False,
                    dashboard_host="127.0.0.1",
                    dashboard_port=taken.getsockname()[1],
                    log_to_driver=False,
                    configure_logging=False,
                    object_store_memory=(workers * _AHEAD + 1) * PART_BYTES + 2**27,
                    _temp_dir=folder,
                )
            return
        except Exception as error:  # that class itself, among others
            ray.shutdown()
            if not left:
                raise DataError(
                    f"Ray does not start here: {str(error).strip().splitlines()[0]:.300}",
                    "Try again when the machine is less busy, or work without it: --processes.",
                ) from error


@contextlib.contextmanager
def _nothing_said() -> Iterator[None]:
    """Keep from stderr what Ray's start writes there, also beside Python; errors are raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _joined(address: str) -> Iterator[None]:
    """A cluster that runs already."""
    import ray

    try:
        ray.init(address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise DataError(
            f"There is no cluster of Ray at {address}: {str(error).splitlines()[0]:.200}",
            "Check --ray; auto is the cluster of which this machine is a part.",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _room(threads: int, cards: float) -> int:
    """How many actors a cluster has room for, beside a reader."""
    import ray

    there = ray.cluster_resources()
    by_cpu = (there.get("CPU", 1.0) - 1) // threads
    by_card = there.get("GPU", 0.0) // cards if cards else by_cpu
    return max(1, int(min(by_cpu, by_card)))
