"""TensorFlow's checkpoints of both formats, as TensorFlow writes them, and damaged."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import Message

from googlenet.errors import ModelError
from googlenet.weights.formats import sstable, tensorflow_bundle, tensorflow_slices
from googlenet.weights.formats.tensorflow_checkpoint import read
from tests.oracles import golden
from tests.sorted_tables import block, compressed, stored, table

GOLDEN = Path("tests/golden")
SMALL = GOLDEN / "small"
TRAINING = SMALL / "training"
DATA = "model.ckpt-7.data-00000-of-00001"


def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Draw what the oracle drew for a variable of TF-slim."""
    if name.endswith("/weights"):
        return golden.draw_weight(name, shape, int(np.prod(shape[:-1])))
    if name.endswith("/moving_variance"):
        return golden.draw_variance(name, shape)
    return golden.draw_shift(name, shape)


def problem(path: Path, where: Path | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        read(path)
    assert caught.value.where == str(where or path)
    assert caught.value.fix
    return caught.value.what


@pytest.fixture
def training(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TRAINING, tmp_path / "training"))


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack TF-slim's checkpoints of both formats."""
    directory = tmp_path_factory.mktemp("slim")
    for packed in GOLDEN.glob("slim_v*.xz"):
        golden.unpack(packed, directory / packed.stem)
    return directory


@pytest.mark.parametrize("name", ["slim_v1.ckpt", "slim_v2.ckpt"])
def test_tf_slims_variables_are_those_that_were_saved(slim: Path, name: str) -> None:
    file = read(slim / name)
    assert (file.format, len(file.arrays), file.notes) == ("tensorflow-checkpoint", 230, ())
    assert sum(array.size for array in file.arrays.values()) == 6_633_209
    assert file.arrays["InceptionV1/Logits/Conv2d_0c_1x1/weights"].shape == (1, 1, 1024, 1001)
    for name, array in file.arrays.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, drawn(name, array.shape), err_msg=name)


SMALL_CHECKPOINTS = [TRAINING, SMALL / "shards.ckpt", SMALL / "slices.ckpt"]


@pytest.mark.parametrize("path", SMALL_CHECKPOINTS)
def test_every_precision_is_read_and_what_training_needs_is_left_out(path: Path) -> None:
    file = read(path)
    kinds = {
        "averaged": np.float32,
        "brain": np.float32,
        "conv/BatchNorm/beta": np.float32,
        "conv/weights": np.float32,
        "double": np.float64,
        "half": np.float32,
        "long": np.int64,
        "whole": np.int32,
        "zeros": np.float32,
    }
    if path.name == "slices.ckpt":
        del kinds["brain"]  # a type younger than that format
    assert {name: array.dtype for name, array in file.arrays.items()} == kinds
    for name in ("half", "brain", "double", "conv/BatchNorm/beta", "conv/weights"):
        if name in file.arrays:
            values = golden.draw_shift(name, file.arrays[name].shape)
            expected = values.astype(np.float16) if name == "half" else values
            np.testing.assert_array_equal(file.arrays[name], expected)
    for name in ("whole", "long"):
        expected = (golden.draw_shift(name, (4,)) * 100).astype(int)
        np.testing.assert_array_equal(file.arrays[name], expected)
    assert not file.arrays["zeros"].any()
    average = golden.draw_shift("averaged/ExponentialMovingAverage", (5,))
    np.testing.assert_array_equal(file.arrays["averaged"], average)
    notes = " ".join(file.notes)
    assert "moving average of averaged/ExponentialMovingAverage" in notes
    assert "Left out averaged/Momentum, conv/" in notes
    assert "global_step" in notes and "words" in notes


def test_an_object_checkpoint_of_keras_is_read_under_its_own_names() -> None:
    file = read(SMALL / "objects.ckpt")
    name = "model/layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    assert len(file.arrays) == 4
    expected = golden.draw_shift("conv1/3x3/kernel", (3, 3, 3, 4))
    np.testing.assert_array_equal(file.arrays[name], expected)
    assert "_CHECKPOINTABLE_OBJECT_GRAPH" in file.notes[0]


@pytest.mark.parametrize(
    "path",
    [
        TRAINING / "model.ckpt-7",
        TRAINING / "model.ckpt-7.index",
        TRAINING / DATA,
        TRAINING / "model.ckpt-7.meta",
    ],
)
def test_any_of_its_files_stands_for_a_checkpoint(path: Path) -> None:
    assert list(read(path).arrays) == list(read(TRAINING).arrays)


def test_a_saved_model_is_read_by_its_directory_and_by_that_of_its_variables() -> None:
    for path in (SMALL / "saved_model", SMALL / "saved_model" / "variables"):
        assert list(read(path).arrays) == ["conv/weights"]


def archive(members: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return written.getvalue()


def test_the_published_archive_is_read_without_being_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "inception_v1_2016_08_28.tar.gz"
    path.write_bytes(archive({"inception_v1.ckpt": (SMALL / "slices.ckpt").read_bytes()}))
    assert list(read(path).arrays) == list(read(SMALL / "slices.ckpt").arrays)
    assert list(tmp_path.iterdir()) == [path]


def test_an_archive_with_two_checkpoints_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.tar.gz"
    path.write_bytes(archive({"a.ckpt": b"a", "b.ckpt": b"b"}))
    assert "2 files that end in .ckpt" in problem(path)


def test_an_old_checkpoint_may_be_compressed(tmp_path: Path) -> None:
    source = SMALL / "slices.ckpt"
    held = list(sstable.entries(source.read_bytes(), source))
    path = tmp_path / "compressed.ckpt"
    path.write_bytes(table([stored(block(held[:3])), compressed(block(held[3:]))]))
    assert path.stat().st_size < source.stat().st_size * 0.6
    whole, again = read(source), read(path)
    assert list(whole.arrays) == list(again.arrays)
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name])


# Bad input.


def test_a_missing_part_is_named(training: Path) -> None:
    (training / DATA).unlink()
    what = problem(training, training / DATA)
    assert "lacks a data file" in what
    (training / "model.ckpt-7.index").unlink()
    problem(training, training / "model.ckpt-7.index")


def test_a_second_shard_is_missed(tmp_path: Path) -> None:
    for name in ("shards.ckpt.index", "shards.ckpt.data-00000-of-00002"):
        shutil.copy(SMALL / name, tmp_path)
    missing = tmp_path / "shards.ckpt.data-00001-of-00002"
    assert "lacks a data file" in problem(tmp_path / "shards.ckpt", missing)


def test_no_flipped_bit_of_a_value_goes_unseen(training: Path) -> None:
    path = training / DATA
    data = path.read_bytes()
    text = data.index(b"text")  # which is not taken
    for position in range(0, len(data), 97):
        if abs(position - text) < 16:
            continue
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        assert "checksum" in problem(training, path)


def test_missing_ends_are_seen(training: Path) -> None:
    path = training / DATA
    data = path.read_bytes()
    for size in (0, 1, len(data) // 2):
        path.write_bytes(data[:size])
        problem(training, path)


def test_an_old_checkpoint_with_missing_ends_is_refused(tmp_path: Path) -> None:
    data = (SMALL / "slices.ckpt").read_bytes()
    path = tmp_path / "cut.ckpt"
    for size in (0, 1, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:size])
        problem(path)


@pytest.mark.parametrize(
    "named", ["../elsewhere/model.ckpt", "/etc/passwd", "..", "a\\0b", "x" * 5000, ""]
)
def test_a_directory_leads_nowhere_else(training: Path, named: str) -> None:
    state = training / "checkpoint"
    state.write_text(f'model_checkpoint_path: "{named}"\n')
    assert "names" in problem(training, state)


def test_a_link_out_of_the_directory_is_not_followed(training: Path, tmp_path: Path) -> None:
    (training / "link").symlink_to(tmp_path)
    (training / "checkpoint").write_text('model_checkpoint_path: "link/model.ckpt"\n')
    assert "not in its directory" in problem(training, training / "checkpoint")


def test_a_directory_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    assert "holds no TensorFlow checkpoint" in problem(tmp_path)
    for name in ("a.index", "b.index"):
        shutil.copy(TRAINING / "model.ckpt-7.index", tmp_path / name)
    assert "or several" in problem(tmp_path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    path.write_bytes(b"\x80\x04K\x01.")
    assert "does not end as one" in problem(path)
    assert "does not exist" in problem(tmp_path / "none")


def bundle(path: Path, header: dict[str, int], entries: dict[str, Message]) -> Path:
    """Write an index with right checksums, whatever it says."""
    types = tensorflow_bundle._TYPES
    held = [(b"", types["Header"](**header).SerializeToString())]
    held += [(name.encode(), entry.SerializeToString()) for name, entry in entries.items()]
    path.with_name(f"{path.name}.index").write_bytes(table([stored(block(held))]))
    return path


def entry(shape: tuple[int, ...], data: bytes = bytes(400), **changed: int) -> Message:
    types = tensorflow_bundle._TYPES
    says = {
        "dtype": 1,
        "size": 4 * int(np.prod(shape, dtype=object)),
        "crc32c": sstable.masked_crc32c(data[: 4 * abs(int(np.prod(shape, dtype=object)))]),
        **changed,
    }
    return types["Entry"](
        shape=types["Shape"](dim=[types["Dim"](size=size) for size in shape]), **says
    )


@pytest.mark.parametrize(
    ("shape", "changed", "said"),
    [
        ((10, 10), {}, None),
        ((10, 11), {}, "beyond its end"),
        ((2**40, 2**40), {"size": 400}, "has 400 bytes"),
        ((2**31, 2**33), {"size": 0}, "has 0 bytes"),  # a product of 2**64
        ((2**62,), {"size": 2**62}, "bytes"),
        ((-10, -10), {"size": 400}, "shape"),
        ((10, 0), {}, "shape"),
        ((1,) * 9, {}, "shape"),
        ((10, 10), {"size": -400}, "bytes"),
        ((10, 10), {"offset": -4}, "beyond its end"),
        ((10, 10), {"offset": 2**62}, "beyond its end"),
        ((10, 10), {"shard_id": 1}, "part 1 of 1"),
        ((10, 10), {"shard_id": -1}, "part -1 of 1"),
        ((10, 10), {"crc32c": 5}, "checksum"),
    ],
)
def test_an_index_is_not_believed(
    tmp_path: Path, shape: tuple[int, ...], changed: dict[str, int], said: str | None
) -> None:
    path = bundle(tmp_path / "model", {"num_shards": 1}, {"a": entry(shape, **changed)})
    (tmp_path / "model.data-00000-of-00001").write_bytes(bytes(400))
    if said is None:
        assert read(path).arrays["a"].shape == shape
        return
    with pytest.raises(ModelError, match=said):
        read(path)


def test_variables_may_not_share_bytes(tmp_path: Path) -> None:
    path = bundle(tmp_path / "model", {"num_shards": 1}, {f"a{i}": entry((100,)) for i in range(9)})
    (tmp_path / "model.data-00000-of-00001").write_bytes(bytes(400))
    with pytest.raises(ModelError, match="beyond its end"):
        read(path)


@pytest.mark.parametrize("header", [{"num_shards": 2**31 - 1}, {"num_shards": 0}])
def test_a_number_of_parts_is_not_believed(tmp_path: Path, header: dict[str, int]) -> None:
    path = bundle(tmp_path / "model", header, {"a": entry((1,))})
    assert "parts" in problem(path, tmp_path / "model.index")


def test_big_endian_values_are_refused(tmp_path: Path) -> None:
    path = bundle(tmp_path / "model", {"num_shards": 1, "endianness": 1}, {"a": entry((1,))})
    assert "big-endian" in problem(path, tmp_path / "model.index")


def sliced(
    shape: tuple[int, ...], values: bytes, *, name: bytes = b"a", part: bool = False
) -> bytes:
    """Write a checkpoint of the old format with one variable, whatever it says."""
    types = tensorflow_slices._TYPES
    extent = types["Extent"](start=0, length=5) if part else types["Extent"]()
    listed = types["Variable"](
        name=b"a",
        type=1,
        shape=types["Shape"](dim=[types["Dim"](size=size) for size in shape]),
        slice=[types["Slice"](extent=[extent])],
    )
    saved = types["Saved"](name=name, data=types["Tensor"](float_val=[values]))
    held = [
        (
            b"",
            types["Entry"](meta=types["Meta"](tensor=[listed])).SerializeToString(),
        ),
        (b"a", types["Entry"](data=saved).SerializeToString()),
    ]
    return table([stored(block(held))])


@pytest.mark.parametrize(
    ("shape", "values", "said"),
    [
        ((3,), bytes(8), "has 2 values"),
        ((2**40, 2**40), bytes(4), "has 1 values"),
        ((-3,), bytes(12), "shape"),
        ((1,), bytes(5), "ends within a number"),
        ((1,), b"", "has 0 values"),
    ],
)
def test_an_old_list_is_not_believed(
    tmp_path: Path, shape: tuple[int, ...], values: bytes, said: str
) -> None:
    path = tmp_path / "old.ckpt"
    path.write_bytes(sliced(shape, values))
    assert said in problem(path)


def test_a_listed_variable_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "old.ckpt"
    path.write_bytes(sliced((1,), bytes(4), name=b"b"))
    assert "lists 'a', and does not hold it" in problem(path)


def test_a_variable_in_slices_is_said_to_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "old.ckpt"
    path.write_bytes(sliced((10,), bytes(20), part=True))
    file = read(path)
    assert not file.arrays and "kept in slices" in file.notes[0]


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(bytes(10_000_000)))
    assert "unpacks to more than 2,0" in problem(path)
    path.write_bytes(archive({"a.ckpt": bytes(1000)})[:-20])
    assert "gzip file is damaged" in problem(path)
