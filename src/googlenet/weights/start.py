"""Where fine-tuning starts: somebody's weights, with classifiers for other classes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from googlenet.architecture.dialect import CLASSIFIERS
from googlenet.architecture.preprocessing import Preprocessing
from googlenet.architecture.spec import AuxHeads, GoogLeNetSpec
from googlenet.architecture.variants import VARIANTS
from googlenet.weights.opening import open_weights

if TYPE_CHECKING:
    from torch import Tensor

    from googlenet.nn.googlenet import GoogLeNet


@dataclass(frozen=True)
class StartingWeights:
    """Hold what fine-tuning starts from.

    Attributes:
        network: A GoogLeNet of the source's variant in training mode, with logits for the new
            classes.
        preprocessing: The policy that the weights expect.
        notes: What was kept, replaced or left out, a sentence each.
    """

    network: GoogLeNet
    preprocessing: Preprocessing
    notes: tuple[str, ...]


def start_weights(
    source: str | os.PathLike[str], classes: Sequence[str], *, aux_logits: bool = True
) -> StartingWeights:
    """Give a network with trained weights and classifiers for new classes.

    The classifier and the last layer of both heads are drawn afresh, from PyTorch's global random
    numbers, unless the classes are the model's own: then they are kept, row by row under the
    class's name. Heads that the source has not are drawn afresh where they are wanted.

    Args:
        source: A model directory, the name of published weights, or another tool's file.
        classes: Names of the new classes, in the order of the logits.
        aux_logits: Whether the network shall have the two auxiliary heads.

    Raises:
        ModelError: The source cannot be had, or cannot be used.
    """
    from googlenet.nn.googlenet import GoogLeNet

    trained, config, told = open_weights(source)
    notes = list(told)

    aux = _heads(config.spec) if aux_logits else None
    network = GoogLeNet.from_spec(replace(config.spec, num_classes=len(classes), aux=aux))
    state = trained.state_dict()
    kept = set(classes) == set(config.classes)
    for classifier in CLASSIFIERS:
        for name in (f"{classifier}.weight", f"{classifier}.bias"):
            if name in state and kept:
                state[name] = state[name][[config.classes.index(each) for each in classes]]
            else:
                state.pop(name, None)
    if aux is None:
        state = {name: tensor for name, tensor in state.items() if not _in_head(name)}
    fresh: dict[str, Tensor] = network.state_dict()
    network.load_state_dict({**fresh, **state})

    notes.append(
        f"The classifier is kept: its {len(classes)} classes are the data's."
        if kept
        else f"The classifier is new: the weights' was for {len(config.classes)} other classes."
    )
    notes += _head_notes(config.spec, aux, kept=kept)
    return StartingWeights(network.train(), config.preprocessing, tuple(notes))


def _heads(spec: GoogLeNetSpec) -> AuxHeads:
    """Return the spec's heads, else those of its variant, else heads that train at any size."""
    known = VARIANTS.get(spec.variant)
    return spec.aux or (known.aux if known else None) or AuxHeads(pooling="adaptive")


def _in_head(name: str) -> bool:
    return name.startswith(("aux1.", "aux2."))


def _head_notes(spec: GoogLeNetSpec, aux: AuxHeads | None, *, kept: bool) -> list[str]:
    if aux is None:
        return ["The weights' auxiliary heads are left out."] if spec.aux else []
    if spec.aux is None:
        return ["The auxiliary heads are new: the weights have none."]
    return [] if kept else ["The last layer of both auxiliary heads is new."]
