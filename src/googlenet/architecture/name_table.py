"""The dialects side by side, as rows for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from googlenet.architecture.dialect import BRANCHES, STEM
from googlenet.architecture.dialects import DIALECTS
from googlenet.architecture.spec import AUX_PLACES, MODULES

_BETWEEN = {"conv1": ("maxpool1", "norm1"), "conv3": ("norm2", "maxpool2")}


def endpoint_order(modules: Sequence[str] = MODULES) -> list[str]:
    """List our endpoints in the order of computation, with the modules asked for."""
    order: list[str] = []
    for unit in STEM:
        order += [unit, *_BETWEEN.get(unit, ())]
    places = {place: head for head, place in AUX_PLACES.items()}
    for module in MODULES:
        if module in modules:
            block = f"inception{module}"
            order += [f"{block}.{branch}" for branch in BRANCHES[:-1]]
            order += [f"{block}.branch4.0", f"{block}.branch4.1", block]
        if module == "3b":
            order.append("maxpool3")
        if module == "4e":
            order.append("maxpool4")
        if module in places and module in modules:
            head = places[module]
            order += [f"{head}.pool", f"{head}.conv", f"{head}.relu", head]
    return [*order, "avgpool", "logits"]


def activation_rows(
    dialects: Sequence[str], modules: Sequence[str] = MODULES
) -> list[tuple[str, ...]]:
    """Give each endpoint's name in each dialect, nothing where a dialect has none; ours first."""
    named = [DIALECTS[each].activations for each in dialects]
    return [
        (ours, *(_activation(names, ours) for names in named)) for ours in endpoint_order(modules)
    ]


def _activation(names: Mapping[str, str], ours: str) -> str:
    """Return a tool's name, or what it has in place of it: a unit before it is rectified."""
    before = names.get(f"{ours}.conv")
    return names.get(ours) or (f"{before} (before ReLU)" if before else "")


def parameter_rows(dialects: Sequence[str]) -> list[tuple[str, ...]]:
    """Give the pattern of each kind of parameter in each dialect, shown on one layer of each."""
    unit, linear = "inception4a.branch2.0", "fc"
    rows = []
    for layer, leaf in (
        *((unit, leaf) for leaf in DIALECTS["torchvision"].unit),
        *((linear, leaf) for leaf in DIALECTS["torchvision"].linear),
    ):
        names = [DIALECTS[each].parameter(layer, leaf) for each in dialects]
        rows.append((f"{layer}.{leaf}", *names))
    return rows


def layer_rows(dialects: Sequence[str]) -> list[tuple[str, ...]]:
    """Give each layer with weights in each dialect; ours first."""
    order = [*DIALECTS["torchvision"].layers]
    return [(ours, *(DIALECTS[each].layers.get(ours, "") for each in dialects)) for ours in order]
