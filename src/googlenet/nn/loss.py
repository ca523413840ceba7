"""The training loss: the main classifier and, at 0.3 each, the two heads."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from googlenet.nn.googlenet import GoogLeNetOutputs


class GoogLeNetLoss(nn.Module):
    """Add the cross-entropies of the classifiers: main + 0.3 head on 4d + 0.3 head on 4a.

    Args:
        aux_weight: Weight of each head's loss.
        label_smoothing: Probability spread evenly over all classes.
        class_weights: (num_classes,) float32 weights of the true classes, or None.

    Source: paper, section 5.
    """

    def __init__(
        self,
        aux_weight: float = 0.3,
        label_smoothing: float = 0.0,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.weights = (1.0, aux_weight, aux_weight)
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)
        self.class_weights: Tensor | None

    def parts(self, outputs: GoogLeNetOutputs | Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Return the unweighted scalar loss of each classifier: main, head on 4d, head on 4a.

        Args:
            outputs: What the network returned; logits alone give one loss.
            labels: (N,) int64 class indices.
        """
        classifiers = outputs if isinstance(outputs, tuple) else (outputs,)
        return tuple(
            F.cross_entropy(
                logits.float(),  # softmax needs more digits than bfloat16 has
                labels,
                weight=self.class_weights,
                label_smoothing=self.label_smoothing,
            )
            for logits in classifiers
        )

    def total(self, parts: tuple[Tensor, ...]) -> Tensor:
        """Return the weighted sum of what ``parts`` returned."""
        weighted = [weight * part for weight, part in zip(self.weights, parts, strict=False)]
        return sum(weighted[1:], start=weighted[0])

    def forward(self, outputs: GoogLeNetOutputs | Tensor, labels: Tensor) -> Tensor:
        """Return the scalar to minimize.

        Args:
            outputs: What the network returned, in training mode or eval mode.
            labels: (N,) int64 class indices.
        """
        return self.total(self.parts(outputs, labels))
