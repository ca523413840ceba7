"""The table of published checkpoints holds together."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import pytest

from googlenet.architecture.variants import VARIANTS
from googlenet.errors import UsageError
from googlenet.weights.published import PUBLISHED, find
from googlenet.weights.published_entry import PublishedWeights


@pytest.mark.parametrize("entry", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_an_entry_holds_together(entry: PublishedWeights) -> None:
    assert find(entry.name) is entry
    assert entry.variant in VARIANTS
    assert len(entry.class_names()) == len(set(entry.class_names())) == entry.classes
    assert entry.title and entry.sources and entry.licence
    assert "/" not in entry.file_name
    for address in entry.addresses:
        assert urlsplit(address).scheme in ("http", "https")
    for checksum in (*entry.checksums, *entry.member_checksums):
        algorithm, _, digest = checksum.partition(":")
        whole = 2 * hashlib.new(algorithm).digest_size
        assert int(digest, 16) >= 0 and digest == digest.lower()
        assert len(digest) == whole or (entry.name == "torchvision" and len(digest) == 8)
    # What is unpacked is verified before.
    assert entry.checksums or not entry.member
    if entry.top1 and entry.top5:
        assert 50 < entry.top1 < entry.top5 < 100


def test_torchvision_says_the_same() -> None:
    weights = pytest.importorskip("torchvision.models").GoogLeNet_Weights.IMAGENET1K_V1
    entry = find("torchvision")
    assert entry.addresses == (weights.url,)
    metrics = weights.meta["_metrics"]["ImageNet-1K"]
    assert (entry.top1, entry.top5) == (metrics["acc@1"], metrics["acc@5"])
    assert entry.size is not None and round(entry.size / 2**20, 3) == weights.meta["_file_size"]


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="there are no published weights 'resnet'"):
        find("resnet")
