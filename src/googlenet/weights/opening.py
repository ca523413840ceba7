"""One way to any weights: a model directory, a published name, or another tool's file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from googlenet.errors import UsageError
from googlenet.weights.convert import ForeignModel, build_network, read_model
from googlenet.weights.model_config import CONFIG, ModelConfig, read_config
from googlenet.weights.model_directory import load_network
from googlenet.weights.published import PUBLISHED

if TYPE_CHECKING:
    from googlenet.nn.googlenet import GoogLeNet

Source = str | os.PathLike[str]


def open_weights(source: Source) -> tuple[GoogLeNet, ModelConfig, tuple[str, ...]]:
    """Build the network that a source holds, with its weights.

    Args:
        source: A model directory; the name of published weights, which are downloaded where they
            are not in the cache (a directory of that name is reached as ``./NAME``); or a weights
            file that ``googlenet convert`` takes.

    Returns:
        The network in eval mode, on the CPU, in float32; its configuration; and what was guessed
        of it, a sentence each.

    Raises:
        ModelError: The source is missing, foreign or damaged, or cannot be had.
    """
    if is_model_directory(source):
        config = read_config(source)
        return load_network(source, config), config, ()
    model = read_foreign(source)
    return build_network(model).float(), model.config, model.guessed


def check_source(source: Source) -> str:
    """Find the faults of a model directory that cost nothing to find, without torch.

    Returns:
        What a user should know before trusting results; nothing of a model directory and of
        published weights.

    Raises:
        ModelError: The source is neither published weights nor a file, and no whole directory.
    """
    if is_model_directory(source):
        read_config(source)
        return ""
    name = os.fspath(source)
    told = f"{name} is another tool's file; googlenet inspect {name} says what was guessed of it"
    return "" if name in PUBLISHED else told


def is_model_directory(source: Source) -> bool:
    """Tell a model directory, or what should have been one, from published weights and files."""
    name = os.fspath(source)
    if name in PUBLISHED:
        return False
    path = Path(name)
    if os.path.isdir(path):
        tensorflow = (*path.glob("checkpoint"), *path.glob("*.index"), *path.glob("saved_model.pb"))
        return (path / CONFIG).exists() or not tensorflow
    # TensorFlow names a checkpoint by a prefix of its files.
    is_file = os.path.lexists(path) or os.path.lexists(f"{name}.index")
    return not is_file and path.suffix not in SUFFIXES


# A missing file of these is called one.
SUFFIXES = frozenset(
    (".caffemodel", ".ckpt", ".h5", ".npz", ".onnx", ".pb", ".pt", ".pth", ".safetensors")
)


def read_foreign(source: Source, *, lineage: str | None = None, **options: Any) -> ForeignModel:
    """Read published weights, by name, or another tool's file; without torch.

    Args:
        source: The name or the file.
        lineage: The variant that it is; that of published weights is known.
        options: The others of ``convert.read_model``.

    Raises:
        ModelError: It cannot be had, is damaged, or is not of a GoogLeNet.
        UsageError: The lineage is not that of the published weights.
    """
    if os.fspath(source) not in PUBLISHED:
        return read_model(source, lineage=lineage, **options)
    from googlenet.weights.download import get

    published = PUBLISHED[os.fspath(source)]
    if lineage not in (None, published.variant):
        raise UsageError(
            f"the published weights {published.name} are of the variant {published.variant}",
            f"--variant {lineage}",
            "Leave it out.",
        )
    metadata = {
        "published": published.name,
        "license": published.licence,
        "source": published.addresses[0],
        **({"data": "ImageNet-1K (ILSVRC 2012)"} if "imagenet" in published.labels else {}),
    }
    return read_model(
        get(published.name),
        lineage=published.variant,
        classes=published.class_names(),
        metadata=metadata,
        **options,
    )
