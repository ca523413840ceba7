"""torchvision's published GoogLeNet weights, with its ``transform_input`` as a policy.

torchvision normalizes with ImageNet's mean and deviation, and then its network turns that into
``(x - 0.5) / 0.5`` (``transform_input``), which the weights were trained with in TensorFlow. The
two steps cancel, so here the policy says 0.5 and nothing is turned back.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import urlparse

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.architecture.variants import variant
from googlenet.errors import ModelError
from googlenet.offline import offline
from googlenet.weights.model_config import ModelConfig
from googlenet.weights.model_directory import empty_network
from googlenet.weights.tensor_file import compare_layouts, layouts

if TYPE_CHECKING:
    from torch import Tensor

    from googlenet.nn.googlenet import GoogLeNet

PREPROCESSING = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def load_torchvision() -> tuple[GoogLeNet, ModelConfig]:
    """Build torchvision's GoogLeNet with its published ImageNet weights.

    The file is looked for in ``TORCH_HOME/hub/checkpoints`` and downloaded by torchvision where it
    is not there, unless ``GOOGLENET_OFFLINE`` is set. The heads keep the file's values under the
    file's names: nobody ever trained them.

    Returns:
        The network in eval mode, and its configuration; ``metadata`` has the file's address
        (``source``), its ``sha256``, and ``published``: whether that begins as the name says.

    Raises:
        ModelError: The file cannot be had, or holds something else.
    """
    from torchvision.models import GoogLeNet_Weights

    weights = GoogLeNet_Weights.IMAGENET1K_V1
    url = str(weights.url)
    path = _cached_file(url)
    state = _published_state(url, path)
    classes = tuple(str(name) for name in weights.meta["categories"])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    heads = any(name.startswith("aux1.") for name in state)
    config = ModelConfig(
        spec=replace(
            variant("torchvision").with_options(num_classes=len(classes), aux_logits=heads),
            preprocessing=PREPROCESSING,
        ),
        classes=classes,
        preprocessing=PREPROCESSING,
        metadata={
            "data": "ImageNet-1K (ILSVRC 2012)",
            "source": url,
            "sha256": digest,
            "published": digest.startswith(path.stem.rpartition("-")[2]),
        },
    )
    network = empty_network(config, path)
    expected = layouts(network.state_dict())
    for name, layout in expected.items():
        if name.endswith("num_batches_tracked") and name not in state:
            # Files from before torch counted batches lack it; it only serves momentum=None.
            state[name] = _zero(layout.shape)
    compare_layouts(layouts(state), expected, path)
    network.load_state_dict(state, assign=True)
    return network.eval(), config


def _cached_file(url: str) -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(url).path).name


def _published_state(url: str, path: Path) -> dict[str, Tensor]:
    import torch
    from torchvision.models import GoogLeNet_Weights

    if not path.exists() and offline():
        raise _not_there(url, path, "GOOGLENET_OFFLINE is set and the file is not in the cache")
    try:
        # torch announces the download on stdout, which belongs to results.
        with contextlib.redirect_stdout(sys.stderr):
            state = GoogLeNet_Weights.IMAGENET1K_V1.get_state_dict(
                progress=True, check_hash=True, map_location="cpu", weights_only=True
            )
    except (pickle.UnpicklingError, EOFError, RuntimeError, KeyError) as error:
        if not path.exists():  # the download's checksum was wrong
            raise _not_there(url, path, str(error)) from error
        raise _unusable(path, "it is damaged, or holds more than weights") from error
    except (URLError, OSError) as error:
        raise _not_there(url, path, str(error)) from error
    if not isinstance(state, dict) or not all(isinstance(x, torch.Tensor) for x in state.values()):
        raise _unusable(path, "it holds something else than a state dict")
    return dict(state)


def _zero(shape: tuple[int, ...]) -> Tensor:
    import torch

    return torch.zeros(shape, dtype=torch.int64)


def _not_there(url: str, path: Path, problem: str) -> ModelError:
    return ModelError(
        f"torchvision's published weights cannot be had: {problem}",
        url,
        f"Download that file on another machine and put it at {path}",
    )


def _unusable(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"torchvision's published weights cannot be used: {problem}",
        path,
        "Remove the file, so that it is downloaded again.",
    )
