"""Downloading published weights, from a server that breaks off, lies, is slow, or is not there."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from googlenet.errors import ModelError
from googlenet.weights.download import cache_folder, get, path, verify
from googlenet.weights.published_entry import PublishedWeights
from tests.loopback import Answer, Loopback

DATA = np.random.default_rng(0).bytes(2**18)
OTHER = np.random.default_rng(1).bytes(2**18)
# A multiple of what is read at once, so that nothing of it is lost.
HALF = len(DATA) // 2


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sha1(data: bytes) -> str:
    return f"sha1:{hashlib.sha1(data).hexdigest()}"


def entry(*addresses: str, **changes: Any) -> PublishedWeights:
    """Weights that are published at these addresses."""
    known: dict[str, Any] = {
        "name": "example",
        "title": "an example",
        "variant": "caffe",
        "format": "caffemodel",
        "file_name": "weights.bin",
        "addresses": addresses or ("http://127.0.0.1:9/weights.bin",),
        "checksums": (sha256(DATA), sha1(DATA)),
        "size": len(DATA),
        "sources": ("this test",),
    }
    return PublishedWeights(**(known | changes))


def fetch(weights: PublishedWeights, timeout: float = 10.0) -> Path:
    return get(weights, timeout=(timeout, timeout), pause=0.01)


def left_in_cache() -> set[str]:
    folder = cache_folder() / "example"
    return {each.name for each in folder.iterdir()} if folder.exists() else set()


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLENET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("GOOGLENET_OFFLINE", raising=False)


def test_a_download_is_placed_and_not_repeated() -> None:
    with Loopback([Answer(data=DATA)]) as site:
        weights = entry(site.address())
        file = fetch(weights)
        assert file == path(weights) == cache_folder() / "example" / "weights.bin"
        assert file.read_bytes() == DATA
        assert left_in_cache() == {".lock", "weights.bin"}
        assert fetch(weights) == file
        assert site.requests == [None]
    assert verify(weights).state == "whole"


def test_a_broken_download_is_continued() -> None:
    with Loopback([Answer(data=DATA, stop_after=HALF), Answer(data=DATA)]) as site:
        assert fetch(entry(site.address())).read_bytes() == DATA
        assert site.requests == [None, f"bytes={HALF}-"]
        assert site.sent == len(DATA)


def test_a_download_that_breaks_often_is_continued_as_long_as_something_comes() -> None:
    step = len(DATA) // 8
    with Loopback([Answer(data=DATA, stop_after=step)]) as site:
        assert fetch(entry(site.address())).read_bytes() == DATA
        assert len(site.requests) == 8


def test_a_later_run_continues_what_an_earlier_one_left() -> None:
    broken = [Answer(data=DATA, stop_after=HALF), Answer(status=503)]
    with Loopback(broken) as site:
        weights = entry(site.address())
        with pytest.raises(ModelError, match="the server says 503"):
            fetch(weights)
        assert left_in_cache() == {".lock", "weights.bin.part", "weights.bin.part.json"}
        site.answers = [Answer(data=DATA)]
        site.requests.clear()
        assert fetch(weights).read_bytes() == DATA
        assert site.requests == [f"bytes={HALF}-"]
    assert left_in_cache() == {".lock", "weights.bin"}


@pytest.mark.parametrize(
    "second",
    [
        Answer(data=DATA, etag='"second"'),
        Answer(data=DATA, ranges=False),
        Answer(data=DATA, etag=""),
    ],
    ids=["another version", "no ranges", "no versions"],
)
def test_what_cannot_be_continued_starts_again(second: Answer) -> None:
    first = Answer(data=DATA, stop_after=HALF, etag=second.etag and '"first"')
    with Loopback([first, second]) as site:
        assert fetch(entry(site.address())).read_bytes() == DATA
        assert site.sent == HALF + len(DATA)


def test_another_part_than_was_asked_for_is_not_taken() -> None:
    answers = [Answer(data=DATA, stop_after=HALF), Answer(data=DATA, astray=True)]
    with Loopback([*answers, Answer(data=DATA)]) as site:
        assert fetch(entry(site.address())).read_bytes() == DATA
        assert site.requests == [None, f"bytes={HALF}-", None]


def test_a_part_of_a_file_that_became_shorter_is_thrown_away() -> None:
    answers = [Answer(data=DATA, stop_after=HALF), Answer(status=416), Answer(data=DATA)]
    with Loopback(answers) as site:
        assert fetch(entry(site.address())).read_bytes() == DATA
        assert site.requests == [None, f"bytes={HALF}-", None]


def test_a_spoiled_part_is_thrown_away() -> None:
    with Loopback([Answer(data=DATA, stop_after=HALF), Answer(status=404)]) as site:
        weights = entry(site.address())
        with pytest.raises(ModelError):
            fetch(weights)
        (cache_folder() / "example" / "weights.bin.part").write_bytes(OTHER[:HALF])
        site.answers = [Answer(data=DATA)]
        site.requests.clear()
        assert fetch(weights).read_bytes() == DATA
        assert site.requests == [f"bytes={HALF}-", None]


def test_wrong_bytes_are_refused() -> None:
    with Loopback([Answer(data=OTHER)]) as site:
        weights = entry(site.address())
        with pytest.raises(ModelError, match=r"its sha256 is .* and should be") as caught:
            fetch(weights)
        assert site.requests == [None]
    assert caught.value.fix is not None and "--from weights.bin" in caught.value.fix
    assert left_in_cache() == {".lock"}


def test_more_bytes_than_published_are_not_taken() -> None:
    endless = Loopback([Answer(data=DATA + OTHER, sized=False)])
    with endless as site, pytest.raises(ModelError, match="more than 262,144 bytes"):
        fetch(entry(site.address()))
    assert left_in_cache() == {".lock"}


def test_every_checksum_has_to_fit() -> None:
    with Loopback([Answer(data=DATA)]) as site, pytest.raises(ModelError, match="its sha1 is"):
        fetch(entry(site.address(), checksums=(sha256(DATA), sha1(OTHER))))


def test_the_beginning_of_a_checksum_is_enough_and_is_looked_at() -> None:
    whole = sha256(DATA)
    beginning = whole[: len("sha256:") + 8]
    with Loopback([Answer(data=OTHER), Answer(data=DATA)]) as site:
        weights = entry(site.address(), checksums=(beginning,), size=None)
        with pytest.raises(ModelError, match=f"should be {beginning.partition(':')[2]}"):
            fetch(weights)
        assert fetch(weights).read_bytes() == DATA


def test_a_mirror_is_asked_where_the_publisher_fails() -> None:
    with Loopback([Answer(status=404)]) as gone, Loopback([Answer(data=DATA)]) as mirror:
        assert fetch(entry(gone.address(), mirror.address())).read_bytes() == DATA
        assert gone.requests == [None]  # it was not asked again


def test_every_failure_is_told() -> None:
    sites = Loopback([Answer(status=404)]), Loopback([Answer(data=OTHER)])
    with sites[0] as gone, sites[1] as wrong, pytest.raises(ModelError) as caught:
        fetch(entry(gone.address(), wrong.address(), "file:///etc/passwd"))
    assert f"{gone.address()}: the server says 404" in caught.value.what
    assert f"{wrong.address()}: its sha256 is" in caught.value.what
    assert "No connection adapters were found" in caught.value.what
    assert caught.value.where == str(cache_folder() / "example")


def test_a_server_in_trouble_is_asked_again() -> None:
    with Loopback([Answer(status=500), Answer(status=503), Answer(data=DATA)]) as site:
        assert fetch(entry(site.address())).read_bytes() == DATA


def test_no_server_is_one_clear_error() -> None:
    with Loopback([Answer()]) as site:
        address = site.address()
    with pytest.raises(ModelError, match="there is no connection, or it breaks off"):
        fetch(entry(address))


def test_a_silent_server_is_given_up() -> None:
    with Loopback([Answer(data=DATA, wait_after=1000, wait=1.0)]) as site:
        began = time.monotonic()
        with pytest.raises(ModelError):
            fetch(entry(site.address()), timeout=0.1)
        assert time.monotonic() - began < 5


def test_a_damaged_file_is_fetched_again() -> None:
    with Loopback([Answer(data=DATA)]) as site:
        for checksum in (sha256(DATA), sha256(DATA)[:15]):
            weights = entry(site.address(), checksums=(checksum,))
            fetch(weights).write_bytes(OTHER)
            assert verify(weights).state == "damaged"
            assert fetch(weights).read_bytes() == DATA


SCRIPT = """
import sys
from tests.unit.test_download import entry, fetch
print(fetch(entry(sys.argv[1])))
"""


def start(address: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        **options,
    )


def test_two_processes_at_once_fetch_it_once() -> None:
    with Loopback([Answer(data=DATA, wait_after=HALF, wait=0.5)]) as site:
        processes = [start(site.address()) for _ in range(2)]
        for process in processes:
            output, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            assert errors == ""  # no bar where there is no terminal
            assert Path(output.strip()).read_bytes() == DATA
        assert site.sent == len(DATA)


def test_what_a_killed_process_left_is_continued_and_tidied() -> None:
    with Loopback([Answer(data=DATA, wait_after=HALF, wait=30.0), Answer(data=DATA)]) as site:
        process = start(site.address())
        part = cache_folder() / "example" / "weights.bin.part"
        deadline = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        there = part.stat().st_size
        assert there
        assert fetch(entry(site.address())).read_bytes() == DATA
        assert site.requests == [None, f"bytes={there}-"]
    assert left_in_cache() == {".lock", "weights.bin"}


def test_a_disk_that_refuses_is_one_clear_error() -> None:
    resource = pytest.importorskip("resource")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (HALF, HALF))

    with Loopback([Answer(data=DATA)]) as site:
        process = start(site.address(), preexec_fn=limit)
        _, errors = process.communicate(timeout=60)
    assert "ModelError: example cannot be put into the cache: File too large" in errors
    assert "or set GOOGLENET_CACHE to another folder." in errors
    assert not path(entry()).exists()


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size={HALF} none {small}"
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    try:
        subprocess.run([*own_mounts, mount], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system of one's own can be mounted here")
    with Loopback([Answer(data=DATA)]) as site:
        command = f'{mount} && exec "$0" -c "$1" "$2"'
        done = subprocess.run(
            [*own_mounts, command, sys.executable, SCRIPT, site.address()],
            env={**os.environ, "GOOGLENET_CACHE": str(small)},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
    assert "ModelError: example cannot be put into the cache: the disk is full" in done.stderr
    assert "Free some space" in done.stderr
