"""What a model directory says about its weights: spec, classes, policy, history; without torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.architecture.spec import GoogLeNetSpec
from googlenet.architecture.variants import VARIANTS
from googlenet.errors import ModelError, UsageError

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"

MODEL_TYPE = "googlenet"
SCHEMA = 1

# A thousand classes with long names take some 100 kB.
_LARGEST_CONFIG = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Hold everything about a model but its weights.

    Attributes:
        spec: The network, with ``preprocessing`` as its policy.
        classes: Name of each class, in the order of the logits.
        preprocessing: The policy that the weights were trained with.
        titles: Words to show for a class whose name is a code, such as ImageNet's synsets.
        metadata: JSON values. Known names: ``weights`` (``averaged``, ``raw`` or ``converted``),
            ``license``, ``data`` (name of the training data), ``data_fingerprint`` and ``seed``
            (from which its parts are found again), ``images`` (part of the data to its number of
            images) and ``guessed`` (what a conversion could not know, a sentence each); the model
            card shows these and every other name with a plain value.
        library_version: The version of googlenet that saved it.
    """

    spec: GoogLeNetSpec
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    titles: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    library_version: str = ""

    def __post_init__(self) -> None:
        if len(self.classes) != self.spec.num_classes:
            raise UsageError(
                f"{len(self.classes)} class names for {self.spec.num_classes} logits",
                None,
                "Give one name for each logit.",
            )
        if len(set(self.classes)) != len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise UsageError(
                f"two classes are named {twice!r}", None, "Give each class a name of its own."
            )

    @property
    def weights(self) -> str:
        """Which weights these are: ``averaged``, ``raw``, ``converted``, or ``unknown``."""
        return str(self.metadata.get("weights", "unknown"))

    def to_json(self) -> dict[str, Any]:
        """Return the contents of ``config.json``."""
        return {
            "model_type": MODEL_TYPE,
            "architectures": ["GoogLeNet"],
            "variant": self.spec.variant,
            "num_labels": len(self.classes),
            "id2label": {str(index): name for index, name in enumerate(self.classes)},
            "label2id": {name: index for index, name in enumerate(self.classes)},
            **({"titles": dict(self.titles)} if self.titles else {}),
            "torch_dtype": "float32",
            "spec": self.spec.to_config(),
            "metadata": dict(self.metadata),
            "schema": SCHEMA,
            "library_version": self.library_version or library_version(),
        }


def library_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("googlenet")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"


def read_config(directory: str | os.PathLike[str]) -> ModelConfig:
    """Read and check the two configuration files of a model directory.

    Raises:
        ModelError: The directory or a file is missing, or is not one that this version can use.
    """
    root = Path(directory)
    _check_directory(root)
    return parse_config(_read_json(root / CONFIG), _read_json(root / PREPROCESSOR), root)


def parse_config(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any], root: Path
) -> ModelConfig:
    """Check what the two configuration files say.

    Args:
        config: Contents of ``config.json``.
        preprocessor: Contents of ``preprocessor_config.json``.
        root: The directory, or the file, that they are from.

    Raises:
        ModelError: They are none that this version can use.
    """
    path = root / CONFIG if root.is_dir() else root
    _check_origin(config, path)
    preprocessing = Preprocessing.from_config(
        preprocessor, str(root / PREPROCESSOR if root.is_dir() else root)
    )
    try:
        spec = GoogLeNetSpec.from_config(config["spec"], str(path))
        if spec.variant in VARIANTS:  # its story is kept once, in the library
            known = VARIANTS[spec.variant]
            spec = replace(spec, source=known.source, differences=known.differences)
        names = {int(index): name for index, name in config["id2label"].items()}
        classes = tuple(names[index] for index in range(len(names)))
        if not all(isinstance(name, str) for name in classes):
            raise TypeError("a class name is not text")
        titles = config.get("titles", {})
        if not isinstance(titles, dict) or not all(isinstance(x, str) for x in titles.values()):
            raise TypeError("its titles are not text")
        metadata = config["metadata"]
        if not isinstance(metadata, dict):
            raise TypeError("its metadata is not an object")
        if config["variant"] != spec.variant or config["num_labels"] != len(classes):
            raise ValueError("it contradicts itself about the variant or the number of classes")
        return ModelConfig(
            spec=replace(spec, preprocessing=preprocessing),
            classes=classes,
            preprocessing=preprocessing,
            titles=titles,
            metadata=metadata,
            library_version=str(config["library_version"]),
        )
    except KeyError as error:
        raise _garbled(path, f"{error} is missing") from error
    except UsageError as error:
        raise _garbled(path, error.what) from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _garbled(path, error) from error


def _check_directory(root: Path) -> None:
    if not root.is_dir():
        raise ModelError(
            "model directory is a file" if root.exists() else "model directory does not exist",
            root,
            "Give a directory that holds model.safetensors, such as RUN/best, another tool's "
            "weights file, or a name of googlenet weights list.",
        )
    missing = [name for name in (CONFIG, PREPROCESSOR, WEIGHTS) if not (root / name).exists()]
    if len(missing) == 3 and (root / "best" / CONFIG).exists():
        raise ModelError(
            "directory is a run, not a model", root, f"Give the model in it: {root / 'best'}"
        )
    if missing:
        raise ModelError(
            f"model directory lacks {', '.join(missing)}",
            root,
            "Restore the file from a copy, or save the model again with googlenet.",
        )


def _check_origin(config: Mapping[str, Any], path: Path) -> None:
    kind = config.get("model_type")
    if kind != MODEL_TYPE:
        raise ModelError(
            f"model is of type {kind!r}, not {MODEL_TYPE!r}",
            path,
            "Give a model directory that googlenet saved.",
        )
    schema = config.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise _garbled(path, "schema number is missing")
    if schema > SCHEMA:
        raise ModelError(
            f"model directory has schema {schema}; this version of googlenet knows {SCHEMA}",
            path,
            "Upgrade: pip install --upgrade googlenet",
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise _garbled(path, "it is too long")
        return read_json(path.read_text(encoding="utf-8"), path)
    except OSError as error:
        raise ModelError(
            f"configuration cannot be read: {error.strerror}",
            path,
            "Check the path and its rights.",
        ) from error
    except UnicodeDecodeError as error:
        raise _garbled(path, f"not JSON ({error})") from error


def read_json(text: str, path: Path) -> dict[str, Any]:
    """Read a JSON object from text.

    Raises:
        ModelError: It is none, or holds a number that is no number.
    """
    try:
        # NaN and Infinity are no JSON, and no setting here may be either.
        document = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _garbled(path, f"not JSON ({error})") from error
    if not isinstance(document, dict):
        raise _garbled(path, "it holds no object")
    return document


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number


def _garbled(path: Path, problem: object) -> ModelError:
    return ModelError(
        f"configuration is garbled: {problem}",
        path,
        "Take the file that was saved with these weights, or save the model again.",
    )
