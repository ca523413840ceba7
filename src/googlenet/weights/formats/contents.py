"""What a reader gives: a file's arrays under the file's own names, and what its graph says."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from googlenet.architecture.preprocessing import ChannelOrder
from googlenet.architecture.spec import AuxPooling, LocalResponseNorm, PoolRounding, StemPadding
from googlenet.errors import ModelError

Format = Literal[
    "caffemodel",
    "tensorflow-checkpoint",
    "graphdef",
    "torch",
    "safetensors",
    "onnx",
    "chainer",
    "keras",
]

# The largest published file has 54 MB; a training checkpoint in float64 with momentum some 430.
LARGEST_FILE = 512 * 2**20
# Weights hardly compress; what does so better is made to fill the memory.
_BEST_RATIO = 100
# What a file's own words may take of a message or a note.
_LONGEST_TEXT = 500
_LONGEST_NAME = 100
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class GraphFacts:
    """Hold what a file's graph says of the network beyond its arrays; None where it does not say.

    Attributes:
        has_local_response_norm: Whether the graph has such layers.
        local_response_norm: Their constants, where the graph has them.
        stem_padding: How the 7x7 convolution is padded.
        pool_rounding: How the stride-2 max pools round.
        last_pool_kernel: Kernel of the stride-2 pool between 4e and 5a.
        aux_pooling: How the auxiliary heads pool.
        batch_norm_eps: Added to the variance.
        dropout: Probability of dropping a value before the main classifier.
        input_size: Side of the input in pixels.
        mean: Mean in the order of the network's channels, on a scale of 0 to 255.
        scale: Factor applied to values of 0 to 255 once the mean is taken off.
        channel_order: Order of the channels that the mean is in.
        channels_last: Whether maps are flattened with their channels last.
        conflicts: What the graph computes that no spec can hold, a phrase each; a network with any
            is refused.
    """

    has_local_response_norm: bool | None = None
    local_response_norm: LocalResponseNorm | None = None
    stem_padding: StemPadding | None = None
    pool_rounding: PoolRounding | None = None
    last_pool_kernel: int | None = None
    aux_pooling: AuxPooling | None = None
    batch_norm_eps: float | None = None
    dropout: float | None = None
    input_size: int | None = None
    mean: tuple[float, float, float] | None = None
    scale: float | None = None
    channel_order: ChannelOrder | None = None
    channels_last: bool | None = None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """Hold what was read from a weights file.

    Attributes:
        format: How the file is written.
        path: Where it is.
        arrays: Floating-point or integer arrays by the file's own names, in the file's own layout
            and in the order of the graph where the format has one.
        facts: What its graph says.
        producer: The tool that says it wrote the file, or nothing.
        notes: What was in the file and is not in ``arrays``, a sentence each.
        metadata: The file's text entries, where its format has any.
    """

    format: Format
    path: Path
    arrays: Mapping[str, NDArray[Any]]
    facts: GraphFacts = field(default_factory=GraphFacts)
    producer: str = ""
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Read a whole weights file.

    Raises:
        ModelError: It is missing, is no regular file, is larger than any GoogLeNet's, or cannot be
            read.
    """
    path = Path(path)
    try:
        status = path.stat()
        # Looked at before it is opened: opening a pipe would wait for a writer.
        if not stat.S_ISREG(status.st_mode):
            kind = "directory" if stat.S_ISDIR(status.st_mode) else "special file"
            raise ModelError(f"weights file is a {kind}", path, "Give the file itself.")
        if status.st_size > LARGEST_FILE:
            raise ModelError(
                f"weights file has {status.st_size:,} bytes; no GoogLeNet needs more than "
                f"{LARGEST_FILE:,}",
                path,
                "Give a file that holds the weights alone.",
            )
        return path.read_bytes()
    # A ValueError is a path with a zero character, which no file has.
    except (FileNotFoundError, ValueError) as error:
        raise ModelError("weights file does not exist", path, "Check the path.") from error
    except OSError as error:
        raise ModelError(
            f"weights file cannot be read: {error.strerror}", path, "Check the path and its rights."
        ) from error


def most_unpacked(packed: int) -> int:
    """Give how many bytes an archive of so many bytes may unpack to."""
    return min(LARGEST_FILE, _BEST_RATIO * packed + 2**20)


def damaged(path: str | os.PathLike[str], kind: str, problem: object) -> ModelError:
    """Return the error for a file that is damaged, or is not of the kind that it looked like.

    Args:
        path: The file.
        kind: What it was read as, such as ``caffemodel``.
        problem: What is wrong with it.
    """
    return ModelError(
        f"{kind} file is damaged: {shortened(problem)}",
        path,
        "Fetch the file again, or restore it from a copy.",
    )


def shortened(text: object, longest: int = _LONGEST_TEXT) -> str:
    """Return what a message may say of a text from a file: its start, where it is long."""
    whole = str(text)
    return whole if len(whole) <= longest else f"{whole[:longest]}..."


def some(names: Collection[str]) -> str:
    """Return the first few of names for a sentence, and how many more there are."""
    first = ", ".join(shortened(name, _LONGEST_NAME) for name in islice(names, _NAMED))
    more = len(names) - _NAMED
    return f"{first} and {more} more" if more > 0 else first
