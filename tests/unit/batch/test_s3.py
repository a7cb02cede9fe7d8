"""An S3-compatible store, by a server of the test's own: from smears there to tables there."""

from __future__ import annotations

from importlib.util import find_spec

import pyarrow.dataset as ds
import pytest
from pyarrow.fs import S3FileSystem

from allcell.batch.inputs import inputs_at
from allcell.batch.run import run_batch
from allcell.batch.storage import Storage
from allcell.errors import DataError
from tests.batch_runs import rows, setup_for, smear, smears

pytestmark = pytest.mark.child
if find_spec("moto") is None:
    pytest.skip("no S3 server here: pip install 'moto[server]'", allow_module_level=True)


@pytest.fixture
def store(monkeypatch):
    """A server's client and its bucket; address and keys are in the environment."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    files = S3FileSystem(endpoint_override=address, region="us-east-1", allow_bucket_creation=True)
    files.create_dir(f"smears-{port}")
    yield files, f"smears-{port}"
    server.stop()


def put(files, path, content):
    with files.open_output_stream(path) as stream:
        stream.write(content)


def test_smears_in_a_bucket_become_tables_in_it(store, tmp_path):
    files, bucket = store
    here = smears(tmp_path / "smears", 4)
    for path in here.iterdir():
        put(files, f"{bucket}/ward 1/{path.name}", path.read_bytes())
    put(files, f"{bucket}/ward 1/notes.doc", b"")
    there = f"s3://{bucket}/ward 1"
    done = run_batch(
        setup_for(f"s3://{bucket}/out"),
        inputs_at(there).inputs,
        workers=1,
        engine="processes",
        part_size=3,
    )
    assert (done.images, done.failed, done.parts) == (4, 1, 2)
    again = run_batch(
        setup_for(f"s3://{bucket}/out"), inputs_at(there).inputs, workers=1, engine="processes"
    )
    assert (again.parts_before, again.parts_done, again.failed_before) == (2, 0, 1)
    assert not Storage(f"s3://{bucket}/out").files("begun")

    local = tmp_path / "out"
    run_batch(setup_for(local), inputs_at(str(here)).inputs, workers=1, engine="processes")
    for table in ("images", "cells"):
        read = ds.dataset(f"{bucket}/out/{table}", filesystem=files).to_table().to_pylist()
        found = sorted(
            (row["image"].rpartition("/")[2], row.get("cell"), row.get("confidence"))
            for row in read
        )
        assert all(row["image"].startswith(there) for row in read)
        assert found == [
            (row["image"].rpartition("/")[2], row.get("cell"), row.get("confidence"))
            for row in rows(local, table)
        ]


def test_a_bucket_that_is_not_there_is_told(store):
    with pytest.raises(DataError, match=r"cannot be reached|There is no picture"):
        inputs_at("s3://no-such-bucket-here/smears")


def test_one_picture_and_a_list_in_a_bucket(store):
    files, bucket = store
    put(files, f"{bucket}/a b.png", smear())
    put(files, f"{bucket}/list.txt", b"a b.png\ngone.png\n")
    assert [i.address for i in inputs_at(f"s3://{bucket}/a b.png").inputs] == [
        f"s3://{bucket}/a b.png"
    ]
    assert [i.address for i in inputs_at(f"s3://{bucket}/list.txt").inputs] == [
        f"s3://{bucket}/a b.png",
        f"s3://{bucket}/gone.png",
    ]
