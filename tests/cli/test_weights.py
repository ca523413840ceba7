"""``googlenet weights``: published checkpoints by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from googlenet.weights.model_config import ModelConfig
from googlenet.weights.published import PUBLISHED
from googlenet.weights.writing import write_weights
from tests.cli.command import assert_fails, googlenet
from tests.narrow import narrow_network, narrow_spec


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def weights(cache: Path, *words: str | Path, **env: str) -> CompletedProcess[str]:
    places = {"GOOGLENET_CACHE": str(cache), "TORCH_HOME": str(cache / "torch")}
    return googlenet("weights", *words, env={**places, **env})


def test_list_is_a_table_of_at_most_100_columns(cache: Path) -> None:
    done = weights(cache, "list")
    assert done.returncode == 0, done.stderr
    heading, *rows = done.stdout.splitlines()
    assert heading.split() == [
        *("name", "variant", "classes", "size", "top-1", "top-5", "licence", "status")
    ]
    assert [row.split()[0] for row in rows] == list(PUBLISHED)
    assert max(map(len, [heading, *rows])) <= 100
    caffe = next(row for row in rows if row.startswith("caffe "))
    assert caffe.split() == [
        *("caffe", "caffe", "1000", "53.5", "MB", "68.7", "88.9", "unrestricted", "download")
    ]
    assert next(row for row in rows if row.startswith("keras ")).split()[-1] == "--from"


def test_list_of_one_says_all_that_is_known(cache: Path) -> None:
    lines = weights(cache, "list", "slim").stdout.splitlines()
    assert "in it     inception_v1.ckpt" in lines
    assert f"checksum  {PUBLISHED['slim'].checksums[0]}" in lines
    assert "cached    no" in lines
    assert "  - It has no auxiliary heads." in lines


def test_json_is_one_document_with_a_schema(cache: Path) -> None:
    document = json.loads(weights(cache, "list", "--json").stdout)
    assert document["schema"] == "googlenet.weights/1"
    assert [each["name"] for each in document["weights"]] == list(PUBLISHED)
    caffe = json.loads(weights(cache, "list", "caffe", "--json").stdout)["weights"][0]
    assert caffe["addresses"] == list(PUBLISHED["caffe"].addresses)
    assert caffe["sources"] == list(PUBLISHED["caffe"].sources)
    assert caffe["path"] == str(cache / "weights" / "caffe" / "bvlc_googlenet.caffemodel")
    assert caffe["cached"] is False


def places(path: Path, classes: int) -> Path:
    """A narrow network as a ``.caffemodel``, as Places publishes its own."""
    network = narrow_network(replace(narrow_spec(classes, name="caffe"), aux=None))
    config = ModelConfig(
        spec=network.spec,
        classes=tuple(f"c{n}" for n in range(classes)),
        preprocessing=network.spec.preprocessing,
    )
    return write_weights(network, config, "caffemodel", path)[0]


def test_a_given_file_is_placed_found_and_verified(cache: Path, tmp_path: Path) -> None:
    given = places(tmp_path / "mine.caffemodel", 365)
    place = cache / "weights" / "places365" / "googlenet_places365.caffemodel"
    done = weights(cache, "get", "places365", "--from", given)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{place}\n", "")
    assert place.read_bytes() == given.read_bytes()
    for words in (("path", "places365"), ("get", "places365")):
        assert weights(cache, *words).stdout == f"{place}\n"
    done = weights(cache, "verify")
    told = "places365: whole, as it was given; nobody published a checksum\n"
    assert (done.returncode, done.stdout) == (0, told)

    place.write_bytes(b"damage")
    for words in (("verify",), ("verify", "places365")):
        done = weights(cache, *words)
        assert done.returncode == 1
        assert done.stdout.startswith("places365: damaged, its sha256 is ")


def test_without_a_checksum_a_file_is_looked_into(cache: Path, tmp_path: Path) -> None:
    given = places(tmp_path / "mine.caffemodel", 20)
    done = weights(cache, "get", "places365", "--from", given)
    assert_fails(
        done,
        3,
        "file is a caffemodel with 20 classes, and places365 is a caffemodel with 365 classes",
        str(given),
        "Give the published file, googlenet_places365.caffemodel.",
    )
    given.write_bytes(b"none")
    assert weights(cache, "get", "places365", "--from", given).returncode == 3
    assert not cache.exists()


def test_a_file_with_another_checksum_is_refused(cache: Path, tmp_path: Path) -> None:
    given = tmp_path / "bvlc_googlenet.caffemodel"
    given.write_bytes(b"weights")
    done = weights(cache, "get", "caffe", "--from", given)
    assert done.returncode == 3
    assert done.stdout == ""
    what, where, fix = done.stderr.splitlines()
    assert what.startswith(
        "error: this is not bvlc_googlenet.caffemodel, which was published as caffe: its sha256 is "
    )
    assert where == f"  {given}"
    assert fix == f"  Fetch it again from {PUBLISHED['caffe'].addresses[0]}."
    assert not cache.exists()


def test_offline_says_what_to_do(cache: Path) -> None:
    assert_fails(
        weights(cache, "get", "places205", GOOGLENET_OFFLINE="1"),
        3,
        "places205 is not in the cache, and GOOGLENET_OFFLINE forbids to fetch it",
        str(cache / "weights" / "places205" / "googlelet_places205_train_iter_2400000.caffemodel"),
        "Fetch http://places.csail.mit.edu/model/googlenet_places205.tar.gz elsewhere, and run: "
        "googlenet weights get places205 --from googlenet_places205.tar.gz",
    )


def test_what_is_not_there_is_an_error_for_path_and_verify(cache: Path) -> None:
    for verb in ("path", "verify"):
        assert_fails(
            weights(cache, verb, "caffe"),
            3,
            "caffe is not in the cache",
            str(cache / "weights" / "caffe" / "bvlc_googlenet.caffemodel"),
            "Fetch it: googlenet weights get caffe",
        )
    done = weights(cache, "verify")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "there are no published weights in the cache\n"


def test_an_unknown_name_and_a_missing_one_are_usage_errors(cache: Path) -> None:
    for words in (("list", "resnet"), ("get", "resnet"), ("path", "resnet"), ("verify", "resnet")):
        assert_fails(
            weights(cache, *words),
            2,
            "there are no published weights 'resnet'",
            "googlenet weights",
            "See: googlenet weights list",
        )
    done = weights(cache, "get")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 3


def test_settings_reach_the_verbs_below(cache: Path, tmp_path: Path) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("[weights.list]\njson = true\n")
    plain = weights(cache, "list", "--json").stdout
    assert weights(cache, "list", "--config", config).stdout == plain
    assert weights(cache, "list", GOOGLENET_WEIGHTS_LIST_JSON="true").stdout == plain
