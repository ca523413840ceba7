"""What two specs disagree on, fact by fact, in words."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from googlenet.architecture import cost
from googlenet.architecture.spec import (
    AuxHeads,
    BatchNorm,
    GoogLeNetSpec,
    Initialization,
    LocalResponseNorm,
)

NONE = "none"


@dataclass(frozen=True)
class Difference:
    """Hold one fact that two specs disagree on.

    Attributes:
        fact: What it is about.
        first: What the first says.
        second: What the second says.
    """

    fact: str
    first: str
    second: str


def differences(first: GoogLeNetSpec, second: GoogLeNetSpec) -> list[Difference]:
    """List what two specs disagree on, from the input to the cost."""
    one, two = facts(first), facts(second)
    return [Difference(fact, one[fact], two[fact]) for fact in one if one[fact] != two[fact]]


def facts(spec: GoogLeNetSpec) -> dict[str, str]:
    """Say every fact of a spec, by what it is about; every spec has the same facts."""
    aux = spec.aux is not None
    return {
        "input": spec.preprocessing.sentence(),
        "convolution unit": _unit(spec.batch_norm),
        "stem": ", ".join(map(str, spec.stem)),
        "padding of the 7x7": _STEM_PADDING[spec.stem_padding],
        "local response normalization": _norm(spec.local_response_norm),
        "stride-2 pools": _ROUNDING[spec.pool_rounding],
        "pool before 5a": f"{spec.last_pool_kernel}x{spec.last_pool_kernel}/2",
        "kernels of the 5x5 branches": f"{spec.kernel_5x5}x{spec.kernel_5x5}",
        **{
            f"widths of {module}": " ".join(map(str, astuple(widths)))
            for module, widths in spec.inception.items()
        },
        "auxiliary heads": _heads(spec.aux),
        "dropout": f"{spec.dropout:g}",
        "classes": str(spec.num_classes),
        "initialization": _initialization(spec.initialization),
        "parameters": f"{cost.parameters(spec, heads=False):,}",
        "parameters with heads": f"{cost.parameters(spec):,}" if aux else NONE,
        "multiply-adds at 224": f"{cost.multiply_adds(spec):,}",
    }


_STEM_PADDING = {
    "symmetric": "3 on each side",
    "same": "SAME: 2 before and 3 after at even sizes",
}
_ROUNDING = {
    "ceil": "unpadded, rounded up",
    "same": "SAME: padded to half the size, rounded up",
    "floor": "unpadded, rounded down",
    "end": "padded two after, rounded down",
}


def _unit(norm: BatchNorm | None) -> str:
    if norm is None:
        return "convolution with bias, ReLU"
    learned = "scale and shift" if norm.gamma else "shift alone"
    return (
        f"convolution, batch normalization (eps {norm.eps:g}, momentum {norm.momentum:g}, "
        f"{learned}), ReLU"
    )


def _norm(norm: LocalResponseNorm | None) -> str:
    if norm is None:
        return NONE
    divided = f" / {norm.size}" if norm.divide_alpha else ""
    return f"{norm.size} channels, alpha {norm.alpha:g}{divided}, beta {norm.beta:g}, k {norm.k:g}"


def _heads(aux: AuxHeads | None) -> str:
    if aux is None:
        return NONE
    pool = "average 5x5/3" if aux.pooling == "average" else "adaptive average to 4x4"
    return f"{pool}, {aux.conv_channels}, {aux.hidden}, dropout {aux.dropout:g}"


def _initialization(drawn: Initialization) -> str:
    def constant(value: float | None) -> str:
        return "PyTorch's" if value is None else f"{value:g}"

    weights = {
        "uniform_fan_in": "uniform +-sqrt(3 / fan in)",
        "normal": f"normal {drawn.std:g}",
        "truncated_normal": f"normal {drawn.std:g} cut at two deviations",
    }[drawn.weights]
    classifiers = ", classifiers He" if drawn.classifier_he else ""
    return (
        f"{weights}{classifiers}; biases {constant(drawn.conv_bias)}, "
        f"hidden {constant(drawn.hidden_bias)}, classifiers {constant(drawn.classifier_bias)}"
    )
