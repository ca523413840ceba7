"""Published weights in archives, given by hand, from torch's cache, and offline."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from googlenet.errors import ModelError
from googlenet.weights.download import cache_folder, get, path, verify
from googlenet.weights.model_config import ModelConfig
from googlenet.weights.writing import write_weights
from tests.loopback import Answer, Loopback
from tests.narrow import narrow_network, narrow_spec
from tests.unit.test_download import (
    DATA,
    OTHER,
    entry,
    fetch,
    left_in_cache,
    sha256,
)
from tests.unit.test_download import _cache as _cache


def in_tar(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("example/weights.bin")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def in_zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("LICENSE", "free")
        archive.writestr("example/weights.bin", data)
    return buffer.getvalue()


@pytest.mark.parametrize("packed", [in_tar(DATA), in_zip(DATA)], ids=["tar", "zip"])
def test_an_archive_is_unpacked(packed: bytes) -> None:
    with Loopback([Answer(data=packed)]) as site:
        weights = entry(
            site.address("packed"),
            file_name="packed",
            checksums=(sha256(packed),),
            size=len(packed),
            member="example/weights.bin",
        )
        file = fetch(weights)
        assert file.name == "weights.bin"
        assert file.read_bytes() == DATA
        assert left_in_cache() == {".lock", "weights.bin", "weights.bin.sha256"}
        assert verify(weights).state == "whole"
        file.write_bytes(OTHER)
        assert verify(weights).state == "damaged"
        file.write_bytes(DATA)
        file.with_name("weights.bin.sha256").unlink()
        assert verify(weights).state == "damaged"
        assert fetch(weights).read_bytes() == DATA
        assert len(site.requests) == 2


def test_a_given_file_is_copied_where_it_is_the_right_one(tmp_path: Path) -> None:
    given = tmp_path / "given.bin"
    given.write_bytes(DATA)
    assert get(entry(), given).read_bytes() == DATA
    assert given.exists()
    assert get(entry()) == path(entry())


def test_a_given_file_with_another_checksum_is_refused(tmp_path: Path) -> None:
    given = tmp_path / "given.bin"
    given.write_bytes(OTHER)
    with pytest.raises(ModelError, match="this is not ") as caught:
        get(entry(), given)
    assert caught.value.where == str(given)
    assert left_in_cache() == set()
    with pytest.raises(ModelError, match="does not exist"):
        get(entry(), tmp_path / "nothing")


def test_a_given_archive_or_what_was_in_it_is_taken(tmp_path: Path) -> None:
    packed = in_zip(DATA)
    weights = entry(
        checksums=(sha256(packed),), member="example/weights.bin", member_checksums=(sha256(DATA),)
    )
    given = tmp_path / "given"
    for data in (packed, DATA):
        given.write_bytes(data)
        file = get(weights, given)
        assert file.read_bytes() == DATA
        assert left_in_cache() == {".lock", "weights.bin"}
        file.unlink()


def test_without_a_checksum_only_a_given_file_is_taken(tmp_path: Path) -> None:
    weights = entry(checksums=(), size=None, classes=3)
    with pytest.raises(ModelError, match="has no known checksum") as caught:
        fetch(weights)
    assert caught.value.fix is not None and "--from weights.bin" in caught.value.fix
    network = narrow_network(narrow_spec(name="caffe", aux=False))
    config = ModelConfig(
        spec=network.spec, classes=("a", "b", "c"), preprocessing=network.spec.preprocessing
    )
    given = write_weights(network, config, "caffemodel", tmp_path / "given.caffemodel")[0]
    file = get(weights, given)
    assert verify(weights).state == "whole"
    file.write_bytes(OTHER)
    assert verify(weights).state == "damaged"
    # A user may also put it there without us.
    file.with_name("weights.bin.sha256").unlink()
    assert verify(weights).state == "unknown"
    assert get(weights) == file


def test_offline_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback([Answer(data=DATA)]) as site:
        weights = entry(site.address())
        monkeypatch.setenv("GOOGLENET_OFFLINE", "1")
        with pytest.raises(ModelError, match="GOOGLENET_OFFLINE forbids to fetch it") as caught:
            fetch(weights)
        assert caught.value.where == str(path(weights))
        assert site.requests == []
        monkeypatch.setenv("GOOGLENET_OFFLINE", "0")
        file = fetch(weights)
        monkeypatch.setenv("GOOGLENET_OFFLINE", "1")
        assert fetch(weights) == file


def test_torchs_cache_is_used_where_it_has_the_right_file(tmp_path: Path) -> None:
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / "weights.bin"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(DATA)
    with Loopback([Answer(data=DATA)]) as site:
        weights = entry(site.address(), format="torch")
        assert fetch(weights) == path(weights) == theirs
        assert site.requests == []
        theirs.write_bytes(OTHER)
        file = fetch(weights)
        assert file != theirs and file.read_bytes() == DATA
        assert theirs.read_bytes() == OTHER  # it is not ours to mend


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    with Loopback([Answer(data=DATA)]) as site, pytest.raises(ModelError, match="into the cache"):
        fetch(entry(site.address()))


def test_the_users_cache_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLENET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    if sys.platform == "linux":
        assert cache_folder() == Path("/caches/googlenet/weights")
    assert os.path.basename(cache_folder()) == "weights"
