"""Mutations of small real files: of whatever is in a file, only our own errors may come out.

A format with checksums or compression would refuse nearly every mutation at its door; so its parts
are mutated too, and put back into a right file.
"""

from __future__ import annotations

import resource
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from googlenet.errors import GoogLeNetError, ModelError
from googlenet.weights.convert import ForeignModel
from googlenet.weights.formats import sstable
from googlenet.weights.formats.contents import WeightsFile
from googlenet.weights.formats.detect import read_weights
from tests import foreign_files
from tests.sorted_tables import block, stored, table
from tests.unit.test_caffe import legacy_net, small_net

SMALL = Path("tests/golden/small")
INDEX = SMALL / "training" / "model.ckpt-7.index"

# What one file may take, in seconds of the processor and in bytes beyond what the process has.
MOST_SECONDS = 5.0
MOST_BYTES = 512 * 2**20

# Lengths and counts that no file has, as the formats write them.
HUGE = (
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    (2**40).to_bytes(8, "little"),
    b"\xff\xff\xff\xff\x07",
    b"\xff" * 9 + b"\x01",
    b"\0" * 8,
)

Mutation = tuple[str, int, Any]


@dataclass(frozen=True)
class Subject:
    """Hold what is mutated, and how it is read.

    Attributes:
        original: Bytes of a right file, or of a part of one.
        place: Writes mutated bytes where ``read`` finds them.
        read: The reader, or what gives a model.
        refusal: The errors that may come out of it.
    """

    original: bytes
    place: Callable[[bytes], object]
    read: Callable[[], WeightsFile | ForeignModel]
    refusal: type[GoogLeNetError] = ModelError


def check(subject: Subject, count: int) -> None:
    """Read so many mutations, the same ones each time.

    Raises:
        AssertionError: One led to another error than ours, or took too long.
    """

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutations(len(subject.original)))
    def run(chosen: list[Mutation]) -> None:
        subject.place(mutated(subject.original, chosen))
        began = time.process_time()
        refused = read_all(subject)
        assert time.process_time() - began < MOST_SECONDS
        if refused is not None:
            assert refused.what and refused.fix
            assert not isinstance(refused.__cause__, MemoryError)

    subject.place(subject.original)
    assert subject.read().arrays  # it is right before it is mutated
    with bounded_memory():
        run()


def read_all(subject: Subject) -> GoogLeNetError | None:
    """Read a file and every number of it, or give our error."""
    try:
        for array in subject.read().arrays.values():
            # One number that is repeated takes no room until it is copied.
            if 0 not in array.strides:
                np.array(array)
    except subject.refusal as error:
        return error
    return None


@contextmanager
def bounded_memory() -> Iterator[None]:
    """Let this process have no more than so much beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def mutations(size: int) -> st.SearchStrategy[list[Mutation]]:
    """Choose one to four changes."""
    place = st.integers(0, size - 1)
    run = st.binary(min_size=1, max_size=16) | st.sampled_from(HUGE)
    length = st.integers(1, 64)
    return st.lists(
        st.one_of(
            st.tuples(st.just("flip"), place, st.integers(0, 7)),
            st.tuples(st.just("overwrite"), place, run),
            st.tuples(st.just("insert"), place, run),
            st.tuples(st.just("delete"), place, length),
            st.tuples(st.just("copy"), place, st.tuples(place, length)),
            st.tuples(st.just("truncate"), place, st.none()),
        ),
        min_size=1,
        max_size=4,
    )


def mutated(original: bytes, chosen: list[Mutation]) -> bytes:
    """Change a copy."""
    data = bytearray(original)
    for kind, place, detail in chosen:
        match kind:
            case "flip" if place < len(data):
                data[place] ^= 1 << detail
            case "overwrite":
                data[place : place + len(detail)] = detail
            case "insert":
                data[place:place] = detail
            case "delete":
                del data[place : place + detail]
            case "copy":
                source, length = detail
                data[place:place] = data[source : source + length]
            case "truncate":
                del data[place:]
    return bytes(data)


def subjects(folder: Path) -> dict[str, Callable[[], Subject]]:
    """Give a maker of each subject; each works in a folder of its own."""

    def work(name: str) -> Path:
        place = folder / name
        place.mkdir()
        return place

    return {
        "caffemodel": lambda: caffemodel(work("caffe"), legacy=False),
        "caffemodel-legacy": lambda: caffemodel(work("caffe-legacy"), legacy=True),
        "prototxt": lambda: prototxt(work("prototxt")),
        "onnx": lambda: whole(foreign_files.write_onnx(work("onnx") / "a.onnx")),
        "onnx-external": lambda: whole(
            foreign_files.write_onnx_with_data(work("external") / "a.onnx")
        ),
        "torch": lambda: whole(foreign_files.write_torch(work("torch") / "a.pth")),
        "torch-pickle": lambda: member(
            foreign_files.write_torch(work("pickle") / "a.pth", foreign_files.checkpoint()),
            "a/data.pkl",
        ),
        "torch-stream": lambda: whole(
            foreign_files.write_torch(work("stream") / "a.pth", zipped=False)
        ),
        "safetensors": lambda: whole(
            foreign_files.write_safetensors(work("safe") / "a.safetensors")
        ),
        "npz": lambda: whole(foreign_files.write_npz(work("npz") / "a.npz")),
        "npz-member": lambda: member(
            foreign_files.write_npz(work("npz-member") / "a.npz"), "conv1/W.npy"
        ),
        "keras": lambda: whole(copied(SMALL / "keras.h5", work("keras"))),
        "keras-model": lambda: whole(foreign_files.write_keras(work("keras-model") / "a.h5")),
        "keras-new-hdf5": lambda: whole(
            foreign_files.write_keras(work("keras-new") / "a.h5", libver="latest")
        ),
        "keras-3": lambda: whole(
            foreign_files.write_modern_keras(work("keras-3") / "a.weights.h5")
        ),
        "graph": lambda: whole(copied(SMALL / "graph.pb", work("graph"))),
        "graph-zip": lambda: whole(zipped(SMALL / "graph.pb", work("graph-zip"))),
        "checkpoint-slices": lambda: whole(copied(SMALL / "slices.ckpt", work("slices"))),
        "checkpoint-index": lambda: bundle(work("index")),
        "checkpoint-entries": lambda: entries(bundle(work("entries"))),
        "checkpoint-slices-entries": lambda: entries(
            whole(copied(SMALL / "slices.ckpt", work("slices-entries")))
        ),
    }


def whole(path: Path) -> Subject:
    """Mutate a file, and read it as any file is read."""
    return Subject(path.read_bytes(), path.write_bytes, lambda: read_weights(path))


def zipped(source: Path, folder: Path) -> Path:
    """Put a file into an archive, as weights are published."""
    path = folder / f"{source.name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(source, source.name)
    return path


def copied(source: Path, folder: Path) -> Path:
    """Copy a file into a folder."""
    path = folder / source.name
    path.write_bytes(source.read_bytes())
    return path


def caffemodel(folder: Path, *, legacy: bool) -> Subject:
    """Mutate a caffemodel."""
    path = folder / "a.caffemodel"
    path.write_bytes(legacy_net() if legacy else small_net())
    return whole(path)


def prototxt(folder: Path) -> Subject:
    """Mutate the net that goes with a caffemodel."""
    weights, path = folder / "a.caffemodel", folder / "a.prototxt"
    weights.write_bytes(small_net())
    net = (
        'name: "small"\ninput: "data"\ninput_dim: 1 input_dim: 3 input_dim: 64 input_dim: 64\n'
        'layer { name: "conv1/7x7_s2" type: "Convolution" bottom: "data" top: "c"\n'
        "  convolution_param { num_output: 4 pad: 3 kernel_size: 7 stride: 2 } }\n"
        'layer { name: "norm" type: "LRN" bottom: "c" top: "n"\n'
        "  lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }\n"
        'layer { name: "fc" type: "InnerProduct" bottom: "n" top: "fc"\n'
        "  inner_product_param { num_output: 5 } }\n"
    )
    return Subject(net.encode(), path.write_bytes, lambda: read_weights(weights, prototxt=path))


def member(path: Path, name: str) -> Subject:
    """Mutate a member of a zip file, and give it a right checksum again."""
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}

    def place(data: bytes) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for each, held in members.items():
                archive.writestr(each, data if each == name else held)

    return Subject(members[name], place, lambda: read_weights(path))


def bundle(folder: Path) -> Subject:
    """Mutate the index of a checkpoint of two files."""
    index = copied(INDEX, folder)
    copied(next(INDEX.parent.glob("*.data-*")), folder)
    return whole(index)


def entries(subject: Subject) -> Subject:
    """Mutate what a sorted table says, and give its block a right checksum again."""
    original = block(list(sstable.entries(subject.original, "the original")))
    return Subject(original, lambda data: subject.place(table([stored(data)])), subject.read)
