"""GoogLeNet: a stem, nine inception modules, one linear classifier, and two heads for training.

Source: Szegedy et al. 2014, "Going deeper with convolutions", arXiv 1409.4842. Which version it is
comes from a spec; see ``googlenet.architecture.variants``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from googlenet.architecture import cost
from googlenet.architecture.dialects import find_endpoint, find_parameter
from googlenet.architecture.spec import AUX_PLACES, GoogLeNetSpec
from googlenet.architecture.variants import variant as find_variant
from googlenet.errors import UsageError
from googlenet.nn.initialization import initialize
from googlenet.nn.layers import LRN, AuxHead, ConvUnit, Inception, StridedMaxPool


class GoogLeNetOutputs(NamedTuple):
    """Hold the logits of a training step, each (N, num_classes) float.

    The order is torchvision's: main, then the deeper head (on 4d), then the shallower (on 4a).
    """

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


class GoogLeNet(nn.Module):
    """Build a GoogLeNet with fresh weights.

    Submodules are named as in torchvision, so its checkpoints load as they are.

    Args:
        num_classes: Number of logits.
        aux_logits: Whether to build the two auxiliary heads.
        dropout: Probability of dropping a value before the classifier; None for the variant's own.
        dropout_aux: The same in the heads; None for the variant's own.
        variant: Name of a published version; ``bn`` is Table 1 with batch normalization.

    Raises:
        UsageError: There is no such variant, or it cannot be built so.
    """

    inception3a: Inception
    inception3b: Inception
    inception4a: Inception
    inception4b: Inception
    inception4c: Inception
    inception4d: Inception
    inception4e: Inception
    inception5a: Inception
    inception5b: Inception

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        dropout: float | None = None,
        dropout_aux: float | None = None,
        *,
        variant: str = "bn",
    ) -> None:
        super().__init__()
        self._build(
            find_variant(variant).with_options(
                num_classes=num_classes,
                aux_logits=aux_logits,
                dropout=dropout,
                dropout_aux=dropout_aux,
            )
        )

    @classmethod
    def from_spec(cls, spec: GoogLeNetSpec) -> GoogLeNet:
        """Build the network that a spec describes, with fresh weights."""
        network = cls.__new__(cls)
        nn.Module.__init__(network)
        network._build(spec)
        return network

    def _build(self, spec: GoogLeNetSpec) -> None:
        self.spec = spec
        self.smallest_input = cost.smallest_input(spec)
        norm = spec.batch_norm
        first, reduce, last = spec.stem

        same = spec.stem_padding == "same"
        self.conv1 = ConvUnit(3, first, 7, stride=2, same=same, batch_norm=norm)
        self.maxpool1 = StridedMaxPool(3, spec.pool_rounding)
        self.norm1 = LRN(spec.local_response_norm) if spec.local_response_norm else nn.Identity()
        self.conv2 = ConvUnit(first, reduce, 1, batch_norm=norm)
        self.conv3 = ConvUnit(reduce, last, 3, batch_norm=norm)
        self.norm2 = LRN(spec.local_response_norm) if spec.local_response_norm else nn.Identity()
        self.maxpool2 = StridedMaxPool(3, spec.pool_rounding)

        channels = last
        heads: dict[str, AuxHead] = {}
        places = {module: head for head, module in AUX_PLACES.items()}
        for module, widths in spec.inception.items():
            block = Inception(channels, widths, kernel_5x5=spec.kernel_5x5, batch_norm=norm)
            self.add_module(f"inception{module}", block)
            channels = widths.out_channels
            if spec.aux is not None and module in places:
                heads[places[module]] = AuxHead(channels, spec)
        self.maxpool3 = StridedMaxPool(3, spec.pool_rounding)
        self.maxpool4 = StridedMaxPool(spec.last_pool_kernel, spec.pool_rounding)

        self.aux1: AuxHead | None = heads.get("aux1")
        self.aux2: AuxHead | None = heads.get("aux2")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(spec.dropout)
        self.fc = nn.Linear(channels, spec.num_classes)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights afresh, as the spec's initialization says."""
        classifiers = set(self._classifiers())
        for module in self.modules():
            initialize(module, self.spec.initialization, classifier=module in classifiers)

    def forward(self, images: Tensor) -> GoogLeNetOutputs | Tensor:
        """Compute the logits.

        Args:
            images: (N, 3, H, W) float, normalized as the weights' policy says.

        Returns:
            In training mode with heads, the logits of all three classifiers; otherwise the main
            logits alone, (N, num_classes) float.

        Raises:
            InputSizeError: The images are too small, or the heads cannot train at their size.
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.smallest_input:
            raise cost.too_small(self.spec, height, width)
        heads = self.training and self.aux1 is not None and self.aux2 is not None
        if heads and not cost.heads_fit(self.spec, height, width):
            raise cost.heads_do_not_fit(self.spec, height, width)

        x = self.norm1(self.maxpool1(self.conv1(images)))
        x = self.maxpool2(self.norm2(self.conv3(self.conv2(x))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = x4a = self.inception4a(x)
        x = x4d = self.inception4d(self.inception4c(self.inception4b(x)))
        x = self.maxpool4(self.inception4e(x))
        x = self.avgpool(self.inception5b(self.inception5a(x)))
        logits: Tensor = self.fc(self.dropout(torch.flatten(x, 1)))

        if heads and self.aux1 is not None and self.aux2 is not None:
            return GoogLeNetOutputs(logits, self.aux2(x4d), self.aux1(x4a))
        return logits

    def endpoints(self, images: Tensor, names: Iterable[str]) -> dict[str, Tensor]:
        """Compute named activations on the way to the logits, in the mode the network is in.

        Args:
            images: (N, 3, H, W) float, normalized as the weights' policy says.
            names: Module paths, such as ``conv1``, ``inception4a``, ``inception3a.branch2.0``,
                ``inception3a.branch1.bn`` (before the rectifier) or ``aux1`` (computed in eval mode
                too when asked for); and ``logits``. Any other tool's name does as well:
                ``mixed4a``, ``inception_4a/output``, ``Mixed_4b``; see ``inspect --names``.

        Returns:
            Each name with its activation, still attached to the graph, in the order asked for.

        Raises:
            UsageError: A name is none of the network's, or means several things.
            InputSizeError: The images are too small, or the heads asked for do not fit them.
        """
        asked = {name: self._endpoint(name) for name in names}
        wanted = list(dict.fromkeys(asked.values()))
        if self._head_inputs(wanted) and not cost.heads_fit(self.spec, *images.shape[-2:]):
            raise cost.heads_do_not_fit(self.spec, *images.shape[-2:])
        captured: dict[str, Tensor] = {}
        owner = threading.get_ident()

        def capture(name: str) -> object:
            def hook(module: nn.Module, args: object, output: Tensor) -> Tensor | None:
                if threading.get_ident() != owner:  # another thread's forward through this network
                    return None
                captured[name] = output
                # What follows may rectify in place; it gets a copy, the caller the original.
                return output.clone()

            return self.get_submodule("fc" if name == "logits" else name).register_forward_hook(
                hook
            )

        handles = [capture(name) for name in dict.fromkeys([*wanted, *self._head_inputs(wanted)])]
        try:
            self(images)
            for head, source in AUX_PLACES.items():
                module = getattr(self, head)
                if module is not None and not self.training and _asks_for(wanted, head):
                    module(captured[f"inception{source}"])
        finally:
            for handle in handles:
                handle.remove()  # type: ignore[attr-defined]
        return {name: captured[ours] for name, ours in asked.items()}

    def get_parameter(self, target: str) -> nn.Parameter:
        """Return a parameter by its name in any dialect, such as ``inception_4a/1x1:0``.

        Raises:
            AttributeError: There is no such parameter.
            UsageError: The name means several things.
        """
        return super().get_parameter(find_parameter(target) or target)

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the classifier, and the last layer of both heads, with fresh ones.

        Args:
            num_classes: Number of logits from now on.
        """
        self.spec = replace(self.spec, num_classes=num_classes)
        for owner, name in ((self, "fc"), (self.aux1, "fc2"), (self.aux2, "fc2")):
            if owner is None:
                continue
            old: nn.Linear = getattr(owner, name)
            new = nn.Linear(
                old.in_features, num_classes, device=old.weight.device, dtype=old.weight.dtype
            )
            initialize(new, self.spec.initialization, classifier=True)
            setattr(owner, name, new)

    def _classifiers(self) -> list[nn.Linear]:
        return [self.fc, *(head.fc2 for head in (self.aux1, self.aux2) if head is not None)]

    def _endpoint(self, name: str) -> str:
        known = [path for path, _ in self.named_modules() if path]
        if name == "logits" or name in known:
            return name
        ours = find_endpoint(name)
        if ours is not None and (ours == "logits" or ours in known):
            return ours
        blocks = [path for path in known if "." not in path]
        raise UsageError(
            f"there is no endpoint {name!r}",
            f"variant {self.spec.variant}",
            f"Use one of: {', '.join([*blocks, 'logits'])}, or a path inside one.",
        )

    def _head_inputs(self, wanted: list[str]) -> list[str]:
        return [
            f"inception{place}" for head, place in AUX_PLACES.items() if _asks_for(wanted, head)
        ]


def _asks_for(names: list[str], head: str) -> bool:
    return any(name == head or name.startswith(f"{head}.") for name in names)


def googlenet() -> GoogLeNet:
    """Build the tutorial's network: 1000 classes, heads, batch normalization, fresh weights."""
    return GoogLeNet()
