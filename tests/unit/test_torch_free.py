"""What must import without torch, so that it starts quickly and installs small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import googlenet

FORMATS = sorted(
    path.stem
    for path in (Path(googlenet.__file__).parent / "weights" / "formats").glob("*.py")
    if path.stem != "__init__"
)
TORCH_FREE = [
    "googlenet",
    "googlenet.architecture.cost",
    "googlenet.architecture.dialects",
    "googlenet.architecture.difference",
    "googlenet.architecture.parameters",
    "googlenet.architecture.preprocessing",
    "googlenet.architecture.spec",
    "googlenet.architecture.table",
    "googlenet.architecture.variants",
    "googlenet.cli.app",
    "googlenet.cli.convert",
    "googlenet.cli.evaluate",
    "googlenet.cli.inputs",
    "googlenet.cli.inspect",
    "googlenet.cli.main",
    "googlenet.cli.predict",
    "googlenet.cli.train",
    "googlenet.cli.weights",
    "googlenet.data.dataset",
    "googlenet.data.source",
    "googlenet.data.split",
    "googlenet.evaluation.metrics",
    "googlenet.files",
    "googlenet.images.augmentation",
    "googlenet.images.decode",
    "googlenet.images.policy",
    "googlenet.names",
    "googlenet.prediction.rows",
    "googlenet.report",
    "googlenet.training.plan",
    "googlenet.training.recipe",
    "googlenet.training.settings",
    "googlenet.weights.convert",
    "googlenet.weights.download",
    *(f"googlenet.weights.formats.{name}" for name in FORMATS),
    "googlenet.weights.imagenet",
    "googlenet.weights.model_config",
    "googlenet.weights.model_directory",
    "googlenet.weights.opening",
    "googlenet.weights.published",
    "googlenet.weights.recognize",
]
# `import googlenet` and the facts need nothing but the standard library.
STANDARD_LIBRARY_ONLY = ["googlenet", *(name for name in TORCH_FREE if "architecture" in name)]


def imported_with(module: str) -> set[str]:
    """The top-level packages that are there after importing a module in a fresh interpreter."""
    code = (
        f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", TORCH_FREE)
def test_imports_without_torch(module: str) -> None:
    assert not imported_with(module) & {"torch", "torchvision", "torchmetrics"}


@pytest.mark.parametrize("module", STANDARD_LIBRARY_ONLY)
def test_facts_need_only_the_standard_library(module: str) -> None:
    installed = {"PIL", "cyclopts", "jinja2", "numpy", "onnxruntime", "rich", "safetensors"}
    assert not imported_with(module) & installed
