"""What is known of one published checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from googlenet.weights import imagenet, places

if TYPE_CHECKING:
    from googlenet.weights.formats.contents import Format

Labels = Literal["imagenet-1000", "imagenet-1001", "imagenet-1008", "places365", "numbers"]


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """Hold what is known of a published checkpoint.

    Attributes:
        name: What it is called here.
        title: One line that says what it is.
        variant: The version of the network that it is for.
        format: How the file with the weights is written.
        classes: Number of logits.
        labels: What the logits stand for; ``numbers`` where nobody's list of names is at hand.
        file_name: Name of the published file.
        addresses: Where it is: the publisher's address, then mirrors.
        checksums: Such as ``sha256:5725cc...``, the strongest first; a shorter digest is the
            beginning of a whole one. All must fit. None where none was found.
        size: Bytes of the published file, or None where it was not published.
        size_is_exact: Whether ``size`` is no rounded figure.
        member: Path of the weights inside of the published file where that is an archive.
        member_checksums: The same of that member.
        licence: The publisher's word for it, or ``unknown``.
        top1: Published accuracy on the validation images, one centre crop, in per cent.
        top5: The same, among the first five.
        notes: What a user of it should know.
        sources: Who says all this.
    """

    name: str
    title: str
    variant: str
    format: Format
    classes: int = 1000
    labels: Labels = "imagenet-1000"
    file_name: str
    addresses: tuple[str, ...]
    checksums: tuple[str, ...] = ()
    size: int | None = None
    size_is_exact: bool = True
    member: str | None = None
    member_checksums: tuple[str, ...] = ()
    licence: str = "unknown"
    top1: float | None = None
    top5: float | None = None
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...]

    def class_names(self) -> tuple[str, ...]:
        """Return the class of each logit: a synset, a scene or a number."""
        if self.labels == "imagenet-1000":
            return imagenet.synsets(1000)
        if self.labels == "imagenet-1001":
            return imagenet.synsets(1001)
        if self.labels == "imagenet-1008":
            return imagenet.synsets(1008)
        if self.labels == "places365":
            return places.scenes()
        return tuple(map(str, range(self.classes)))
