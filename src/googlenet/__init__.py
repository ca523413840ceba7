"""GoogLeNet (Inception v1): build it, train it on your own images, measure it, and see inside it.

Everything here is imported when it is first used, so ``import googlenet`` costs nothing and works
without PyTorch; what needs PyTorch then says which command installs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from googlenet import errors
    from googlenet.architecture.preprocessing import Preprocessing
    from googlenet.architecture.spec import GoogLeNetSpec
    from googlenet.architecture.variants import VARIANTS, variant
    from googlenet.evaluation.evaluate import evaluate
    from googlenet.evaluation.metrics import Evaluation
    from googlenet.nn.googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
    from googlenet.nn.loss import GoogLeNetLoss
    from googlenet.prediction.classifier import Classifier, load
    from googlenet.prediction.rows import Prediction
    from googlenet.training.run import TrainResult, train
    from googlenet.training.settings import TrainSettings
    from googlenet.weights.model_directory import load_network, save_model

__version__ = "0.1.0"

__all__ = [
    "VARIANTS",
    "Classifier",
    "Evaluation",
    "GoogLeNet",
    "GoogLeNetLoss",
    "GoogLeNetOutputs",
    "GoogLeNetSpec",
    "Prediction",
    "Preprocessing",
    "TrainResult",
    "TrainSettings",
    "errors",
    "evaluate",
    "googlenet",
    "load",
    "load_network",
    "save_model",
    "train",
    "variant",
]

_HOMES = {
    "VARIANTS": "googlenet.architecture.variants",
    "Classifier": "googlenet.prediction.classifier",
    "Evaluation": "googlenet.evaluation.metrics",
    "GoogLeNet": "googlenet.nn.googlenet",
    "GoogLeNetLoss": "googlenet.nn.loss",
    "GoogLeNetOutputs": "googlenet.nn.googlenet",
    "GoogLeNetSpec": "googlenet.architecture.spec",
    "Prediction": "googlenet.prediction.rows",
    "Preprocessing": "googlenet.architecture.preprocessing",
    "TrainResult": "googlenet.training.run",
    "TrainSettings": "googlenet.training.settings",
    "evaluate": "googlenet.evaluation.evaluate",
    "googlenet": "googlenet.nn.googlenet",
    "load": "googlenet.prediction.classifier",
    "load_network": "googlenet.weights.model_directory",
    "save_model": "googlenet.weights.model_directory",
    "train": "googlenet.training.run",
    "variant": "googlenet.architecture.variants",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "errors":
        return import_module("googlenet.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'googlenet' has no attribute {name!r}")
    try:
        value = getattr(import_module(_HOMES[name]), name)
    except ImportError as error:
        from googlenet.extras import missing_extra

        missing = missing_extra(error, f"googlenet.{name}")
        if missing is None:
            raise
        raise missing from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
