"""What network a weights file is of, from its names, its shapes and its graph; and what is guessed.

Shapes prove widths, kernels, batch normalization, heads and the number of classes. They say nothing
of padding, rounding, normalization constants or preprocessing: those come from the file's graph
where it has one, else from the published version that the names and shapes belong to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from googlenet.architecture.dialect import BRANCHES, CLASSIFIERS, HEADS, LINEARS, STEM, UNITS
from googlenet.architecture.parameters import parameter_shapes
from googlenet.architecture.spec import (
    AUX_PLACES,
    MODULES,
    AuxHeads,
    BatchNorm,
    GoogLeNetSpec,
    InceptionWidths,
)
from googlenet.errors import ModelError
from googlenet.weights.formats.contents import WeightsFile
from googlenet.weights.layout import (
    merge_biases,
    module_width,
    swap_heads,
    to_our_layout,
    wrong_shape,
)
from googlenet.weights.lineage import decide
from googlenet.weights.matching import MAIN_UNITS, Match, match_names

_BN_BUFFERS = ("bn.running_mean", "bn.running_var")


@dataclass(frozen=True, kw_only=True)
class Recognized:
    """Hold a network that was recognized in a file.

    Attributes:
        file: What was read.
        match: Which dialect it speaks, and what is left over.
        spec: The network, whole, with its preprocessing.
        arrays: Every parameter and running statistic by our names, in our layout and the file's
            precision.
        found: What the file proves, a sentence each.
        guessed: What it does not, and why it was decided so, a sentence each.
        dropped: What was in the file and is not in ``arrays``, a sentence each.
    """

    file: WeightsFile
    match: Match
    spec: GoogLeNetSpec
    arrays: Mapping[str, NDArray[Any]]
    found: tuple[str, ...]
    guessed: tuple[str, ...]
    dropped: tuple[str, ...]


def recognize(
    file: WeightsFile,
    *,
    lineage: str | None = None,
    swap_aux: bool = False,
    classifier: str | None = None,
) -> Recognized:
    """Tell what network the arrays are of.

    Args:
        file: What a reader gave.
        lineage: The variant that the user says it is; what no shape shows is taken from it.
        swap_aux: Whether the file names the two heads the other way round.
        classifier: The file's layer that gives the logits, where the file does not tell.

    Raises:
        ModelError: It is no GoogLeNet, arrays are missing, or one has a shape that cannot be.
        UsageError: There is no such variant.
    """
    match = match_names(file, classifier)
    if file.facts.conflicts and lineage is None:
        raise ModelError(
            f"the file's graph is of no GoogLeNet that is known: {'; '.join(file.facts.conflicts)}",
            file.path,
            "Converted, it would compute something else; if you know better, say --variant NAME.",
        )
    _check_batch_norm_is_known(match, file)
    arrays, assumed = to_our_layout(match, file.facts, file.path)
    arrays = merge_biases(arrays)
    swapped = _heads_are_swapped(arrays)
    if swapped and not swap_aux:
        raise ModelError(
            "weights file names the auxiliary heads the other way round: aux1 reads module 4d",
            file.path,
            "Exchange them with --swap-aux.",
        )
    if swap_aux and swapped is not False:  # shapes decide, but where both modules are as wide
        arrays = swap_heads(arrays)
    norm = _batch_norm(match, arrays, file.path)
    aux, dropped = _heads(match, arrays)
    shaped = _shapes(match, arrays, norm, aux, file.path)
    decision = decide(match, shaped, file, lineage)
    spec = decision.spec
    assumed += [
        f"The graph has {conflict}; as you said the variant, that is passed over."
        for conflict in file.facts.conflicts
    ]
    if match.renamed:
        assumed += [
            f"{layer} was taken for the classifier {ours}, "
            + ("as you said." if layer == classifier else "by its shape and place.")
            for ours, layer in match.renamed.items()
        ]
    if match.by_order:
        assumed.append("The names say nothing; layers were told by their order and shapes.")
    kept = tuple(parameter_shapes(spec))
    for name in CLASSIFIERS:
        if f"{name}.bias" in kept and f"{name}.bias" not in arrays:
            weight = arrays[f"{name}.weight"]
            arrays[f"{name}.bias"] = np.zeros(len(weight), weight.dtype)
            assumed.append(f"{name} has no bias; zeros are taken.")
    missing = [name for name in kept if name not in arrays]
    if missing:
        theirs = [_their_name(match, name) for name in missing[:3]]
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise ModelError(
            f"weights file lacks {', '.join(theirs)}{more}",
            file.path,
            "Give the whole file, as its tool saved it.",
        )
    arrays = {name: arrays[name] for name in kept}
    _check_numbers(match, arrays, file.path)
    left = [name for name in match.surplus if not name.endswith("num_batches_tracked")]
    if left:
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        dropped.append(f"No part of a GoogLeNet: {', '.join(left[:3])}{more}.")
    return Recognized(
        file=file,
        match=match,
        spec=spec,
        arrays=arrays,
        found=decision.found,
        guessed=(*decision.guessed, *assumed),
        dropped=(*dropped, *file.notes),
    )


def _their_name(match: Match, name: str) -> str:
    """Return what the file's tool calls a parameter of ours."""
    for theirs, ours in match.dialect.parameters.items():
        if ours == name:
            return match.prefix + theirs
    return name


def _check_numbers(match: Match, arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Check what is kept: floating-point, finite, and no variance below zero."""
    for name, array in arrays.items():
        theirs = match.names.get(name, name)
        if array.dtype.kind != "f":
            raise ModelError(
                f"weights file holds {theirs} as {array.dtype}, not as floating-point numbers",
                path,
                "Give weights that are not quantized.",
            )
        single = array.astype(np.float32, copy=False) if array.dtype.itemsize > 4 else array
        problem = "" if np.isfinite(single).all() else "that are not finite"
        if name.endswith("running_var") and not problem and (array < 0).any():
            problem = "below zero, which no variance is"
        if problem:
            raise ModelError(
                f"weights file holds values in {theirs} {problem}",
                path,
                "Fetch the file again, or take an earlier checkpoint of that training.",
            )


def _check_batch_norm_is_known(match: Match, file: WeightsFile) -> None:
    """Refuse a network whose batch normalization has names that no dialect knows.

    Without it the network would compute something else, from weights that all seem to fit.
    """
    widths = {array.shape[0] for name, array in match.arrays.items() if array.ndim == 4}
    beside = [
        name
        for name in match.surplus
        if file.arrays[name].size in widths and _is_flat(file, name) and not _is_copy(match, name)
    ]
    if len(beside) >= len(MAIN_UNITS):
        raise ModelError(
            f"weights file has {len(beside)} arrays, {beside[0]} the first, that look like batch "
            "normalization under names that are not known",
            file.path,
            "Fold batch normalization into the convolutions, or save the network in PyTorch under "
            "torchvision's names.",
        )


def _is_copy(match: Match, name: str) -> bool:
    """Tell whether a name is a parameter's behind another prefix, as an average's are."""
    starts = (index + 1 for index, character in enumerate(name) if character in "./")
    return any(name[start:] in match.dialect.parameters for start in starts)


def _is_flat(file: WeightsFile, name: str) -> bool:
    array = file.arrays[name]
    return max(array.shape, default=0) == array.size


def _heads_are_swapped(arrays: Mapping[str, NDArray[Any]]) -> bool | None:
    """Tell by their input channels whether the heads sit on each other's modules.

    Returns:
        Whether they do, or None where both modules are as wide.
    """

    reads = [arrays.get(f"{head}.conv.conv.weight") for head in HEADS]
    shallow, deep = (module_width(arrays, place) for place in AUX_PLACES.values())
    if shallow == deep:
        return None
    return [each.shape[1] for each in reads if each is not None] == [deep, shallow]


def _batch_norm(match: Match, arrays: Mapping[str, NDArray[Any]], path: Path) -> BatchNorm | None:
    """Tell whether every unit is batch-normalized, and with a scale or without."""
    if not any(f"{unit}.bn.running_var" in arrays for unit in UNITS):
        return None
    units = [unit for unit in UNITS if f"{unit}.conv.weight" in arrays]
    gamma = any(f"{unit}.bn.weight" in arrays for unit in units)
    leaves = ("bn.bias", *_BN_BUFFERS, *(("bn.weight",) if gamma else ()))
    for unit in units:
        for leaf in leaves:
            if f"{unit}.{leaf}" not in arrays:
                theirs = match.dialect.parameter(unit, leaf) or f"{unit}.{leaf}"
                raise ModelError(
                    f"weights file lacks {match.prefix}{theirs}",
                    path,
                    "Give the whole file, with the running statistics of batch normalization.",
                )
    return BatchNorm(gamma=gamma)


def _heads(match: Match, arrays: dict[str, NDArray[Any]]) -> tuple[AuxHeads | None, list[str]]:
    """Take the auxiliary heads where both are whole; else remove their arrays."""
    whole = all(f"{head}.conv.conv.weight" in arrays for head in HEADS) and all(
        f"{layer}.weight" in arrays for layer in LINEARS if layer != CLASSIFIERS[-1]
    )
    counts = {len(arrays[f"{each}.weight"]) for each in CLASSIFIERS if f"{each}.weight" in arrays}
    if whole and len(counts) == 1:
        conv, hidden = arrays["aux1.conv.conv.weight"], arrays["aux1.fc1.weight"]
        return AuxHeads(conv_channels=conv.shape[0], hidden=hidden.shape[0]), []
    parts = [name for name in arrays if name.startswith(tuple(f"{head}." for head in HEADS))]
    for name in parts:
        del arrays[name]
    if not parts:
        return None, []
    if whole:
        return None, ["The auxiliary heads are for other classes than the classifier."]
    return None, [f"The auxiliary heads are not whole; their {len(parts)} arrays are left out."]


def _shapes(
    match: Match,
    arrays: Mapping[str, NDArray[Any]],
    norm: BatchNorm | None,
    aux: AuxHeads | None,
    path: Path,
) -> GoogLeNetSpec:
    """Derive a spec from the shapes alone, and check that every array of ours fits it."""
    if "fc.weight" not in arrays:
        raise ModelError(
            "weights file lacks the main classifier",
            path,
            "Give the whole file; features alone are not enough to classify.",
        )

    def width(unit: str) -> int:
        return int(arrays[f"{unit}.conv.weight"].shape[0])

    for unit in (each for each in UNITS if f"{each}.bn.running_var" in arrays):
        told = {arrays[f"{unit}.{leaf}"].size for leaf in ("bn.bias", *_BN_BUFFERS)}
        if len(told) == 1 and width(unit) not in told:  # the many are right, the one is wrong
            name = f"{unit}.conv.weight"
            raise wrong_shape(match, name, match.arrays[name].shape, path)
    first, reduce, last = (width(unit) for unit in STEM)
    kernel = int(arrays["inception3a.branch3.1.conv.weight"].shape[-1])
    if kernel not in (1, 3, 5, 7):
        name = "inception3a.branch3.1.conv.weight"
        raise wrong_shape(match, name, arrays[name].shape, path)
    spec = GoogLeNetSpec(
        variant="unknown",
        stem=(first, reduce, last),
        inception={
            module: InceptionWidths(*(width(f"inception{module}.{each}") for each in BRANCHES))
            for module in MODULES
        },
        kernel_5x5=kernel,
        batch_norm=norm,
        aux=aux,
        num_classes=int(arrays["fc.weight"].shape[0]),
    )
    for name, shape in parameter_shapes(spec).items():
        if name not in arrays:
            continue
        if arrays[name].shape != shape:
            raise wrong_shape(match, name, match.arrays[name].shape, path, shape)
    return spec
