"""Sorted tables: every checksum is compared, and no size in a file is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from googlenet.errors import ModelError
from googlenet.weights.formats import sstable
from tests import sorted_tables
from tests.sorted_tables import block, compressed, stored, table, varint

INDEX = Path("tests/golden/small/training/model.ckpt-7.index")
SLICES = Path("tests/golden/small/slices.ckpt")
WHERE = Path("a.table")

ENTRIES = [(b"a", b"first"), (b"b", b"0" * 4000), (b"c", b"")]


def read(data: bytes) -> list[tuple[bytes, bytes]]:
    return list(sstable.entries(data, WHERE))


def problem(data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        read(data)
    assert caught.value.where == str(WHERE)
    assert caught.value.fix
    return caught.value.what


@pytest.mark.parametrize("path", [INDEX, SLICES])
def test_tensorflows_own_tables_have_their_keys_in_order(path: Path) -> None:
    keys = [key for key, _ in read(path.read_bytes())]
    assert keys[0] == b"" and len(keys) > 10
    assert keys == sorted(keys)


def test_compressed_blocks_and_plain_ones_are_the_same() -> None:
    plain = table([stored(block(ENTRIES[:1])), stored(block(ENTRIES[1:]))])
    packed = table([stored(block(ENTRIES[:1])), compressed(block(ENTRIES[1:]))])
    assert len(packed) < len(plain) / 4
    assert read(plain) == read(packed) == ENTRIES


def test_keys_keep_the_start_that_they_share() -> None:
    entries = varint(0) + varint(3) + varint(1) + b"abc1" + varint(2) + varint(1) + varint(1)
    body = entries + b"d2" + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
    assert read(table([stored(body)])) == [(b"abc", b"1"), (b"abd", b"2")]


@pytest.mark.parametrize("path", [INDEX, SLICES])
def test_no_flipped_bit_goes_unseen(path: Path) -> None:
    data = path.read_bytes()
    whole = read(data)
    # Every bit of a small file, a part of those of a larger one.
    step = max(1, len(data) * 8 // 5000)
    seen = 0
    for position in range(0, len(data) * 8, step):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        try:
            # The footer has bytes that mean nothing, and an empty block before it is not read.
            assert read(bytes(flipped)) == whole
        except ModelError:
            seen += 1
    assert seen > 0.85 * len(range(0, len(data) * 8, step))


@pytest.mark.parametrize("path", [INDEX, SLICES])
def test_no_missing_end_or_start_goes_unseen(path: Path) -> None:
    data = path.read_bytes()
    for size in range(0, len(data), max(1, len(data) // 500)):
        problem(data[:size])
        if size:
            problem(data[size:])


def test_another_file_is_said_to_be_another() -> None:
    assert "does not end as a sorted table" in problem(b"PK\x03\x04" + b"\0" * 100)
    assert "does not end as a sorted table" in problem(b"")


def test_a_block_that_claims_to_unpack_to_gigabytes_is_refused_before_it_is() -> None:
    bomb = stored(varint(2**32 - 1) + b"\xfe\x01\x00" * 40, 1)
    assert "4,294,967,295 bytes" in problem(table([bomb]))


def test_a_block_that_does_not_unpack_is_refused() -> None:
    assert "does not unpack" in problem(table([stored(b"\x20abc", 1)]))
    assert "does not unpack" in problem(table([stored(b"", 1)]))


def test_blocks_may_not_be_read_again_and_again() -> None:
    contents = compressed(block(ENTRIES))
    size = len(contents) - 5
    assert "overlap" in problem(table([contents], handles=[(0, size)] * 100))


@pytest.mark.parametrize("handle", [(0, 2**40), (2**63, 1), (2**64 - 1, 2**64 - 1)])
def test_a_place_beyond_the_file_is_refused(handle: tuple[int, int]) -> None:
    assert "beyond its end" in problem(table([stored(block(ENTRIES))], handles=[handle]))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xff\xff\xff",  # as many restarts as a number can say
        varint(0) + varint(2**40) + varint(0) + b"a" + bytes(8),  # a key longer than the block
        varint(0) + varint(1) + varint(2**40) + b"a" + bytes(8),  # such a value
        varint(1) + varint(1) + varint(0) + b"a" + bytes(8),  # a start shared with no key
        b"\xff" * 12 + bytes(8),  # a number without an end
    ],
)
def test_a_block_of_nonsense_is_refused(body: bytes) -> None:
    problem(table([stored(body)]))


def test_an_unknown_compression_is_refused() -> None:
    assert "method 2" in problem(table([stored(block(ENTRIES), 2)]))


def test_the_checksum_is_leveldbs() -> None:
    # From the published test of the masked checksum: it is neither the plain one nor stable.
    crc = sorted_tables.google_crc32c.value(b"foo")
    assert sstable.masked_crc32c(b"foo") == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32 != crc
