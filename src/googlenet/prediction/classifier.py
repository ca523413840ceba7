"""A trained network with its classes and its preprocessing: images in, probabilities out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from numpy.typing import NDArray

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.errors import ImageError, UsageError
from googlenet.images.decode import read_image, to_pixels
from googlenet.images.policy import prepare
from googlenet.nn.googlenet import GoogLeNet
from googlenet.nn.normalize import Normalize
from googlenet.prediction.rows import Prediction, Unreadable
from googlenet.weights.model_config import ModelConfig
from googlenet.weights.model_directory import save_model
from googlenet.weights.opening import open_weights

if TYPE_CHECKING:
    from googlenet.images.decode import ImageInput

BATCH_SIZE = 32

# Decoding a photograph takes a tenth of the network's time on it; two threads keep ahead of it.
_DECODERS = 2


class Classifier:
    """Classify images with a trained network.

    The network computes in float32 and in channels_last memory. Its probabilities for an image
    depend on nothing but the image, up to rounding: a batch of another size lets PyTorch choose
    other kernels, which add in another order, so the last bits may differ (below 1e-6).

    Args:
        network: The network; it is moved to ``device`` and put into eval mode.
        classes: Name of each class, in the order of the logits.
        preprocessing: The policy that the weights were trained with; None for the spec's own.
        metadata: What is on record about the model; see ``ModelConfig``.
        device: Where to compute.
        titles: Words to show for classes whose names are codes, such as ImageNet's synsets.

    Raises:
        UsageError: The classes do not fit the network, or PyTorch has no such device.
    """

    def __init__(
        self,
        network: GoogLeNet,
        classes: Sequence[str],
        preprocessing: Preprocessing | None = None,
        metadata: Mapping[str, Any] | None = None,
        device: str | torch.device = "cpu",
        titles: Mapping[str, str] | None = None,
    ) -> None:
        policy = network.spec.preprocessing if preprocessing is None else preprocessing
        self.config = ModelConfig(
            spec=network.spec,
            classes=tuple(classes),
            preprocessing=policy,
            titles=dict(titles or {}),
            metadata=dict(metadata or {}),
        )
        try:
            self.device = torch.device(device)
            moved = network.to(self.device).to(memory_format=torch.channels_last)
            self.network = moved.eval()
            self._normalize = Normalize(policy).to(self.device)
        except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
            raise UsageError(
                f"PyTorch cannot compute on {str(device)!r}: {str(error).splitlines()[0]}",
                None,
                "Use the device cpu.",
            ) from error

    @property
    def classes(self) -> tuple[str, ...]:
        """Name of each class, in the order of the logits."""
        return self.config.classes

    @property
    def titles(self) -> Mapping[str, str]:
        """Words to show for classes whose names are codes."""
        return self.config.titles

    @property
    def preprocessing(self) -> Preprocessing:
        """The policy that turns an image into the network's input."""
        return self.config.preprocessing

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is on record about the model."""
        return self.config.metadata

    def logits(self, batch: NDArray[np.uint8] | torch.Tensor) -> NDArray[np.float32]:
        """Compute logits for images that are prepared already.

        Args:
            batch: (N, H, W, 3) uint8 RGB.

        Returns:
            (N, C) float32.

        Raises:
            UsageError: The batch has another shape or type.
            InputSizeError: The images are too small for the network.
        """
        pixels = torch.as_tensor(batch)
        if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype != torch.uint8:
            raise UsageError(
                f"a batch is (N, H, W, 3) uint8, not {tuple(pixels.shape)} {pixels.dtype}",
                None,
                "Prepare images with googlenet.images.policy.prepare and stack them.",
            )
        # Somebody's autocast around this call would change the probabilities.
        with torch.inference_mode(), torch.autocast(self.device.type, enabled=False):
            logits: torch.Tensor = self.network(self._normalize(pixels.to(self.device)))
            values: NDArray[np.float32] = logits.float().cpu().numpy()
        return values

    def probabilities(
        self, images: Sequence[ImageInput], batch_size: int = BATCH_SIZE
    ) -> NDArray[np.float32]:
        """Compute the probability of every class for each image.

        Args:
            images: Paths, encoded bytes, PIL images or arrays; see ``images.decode.to_pixels``.
            batch_size: Images that go through the network at once.

        Returns:
            (N, C) float32, each row summing to 1.

        Raises:
            ImageError: An image cannot be decoded.
        """
        parts = [
            softmax(self.logits(np.stack([self._prepared(image) for image in chunk])))
            for chunk in _chunks(images, batch_size)
        ]
        return np.concatenate(parts or [np.empty((0, len(self.classes)), np.float32)])

    @overload
    def predict(
        self, images: ImageInput, top_k: int = 5, batch_size: int = BATCH_SIZE
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        images: list[Any] | tuple[Any, ...],
        top_k: int = 5,
        batch_size: int = BATCH_SIZE,
    ) -> list[Prediction]: ...

    def predict(
        self,
        images: ImageInput | list[Any] | tuple[Any, ...],
        top_k: int = 5,
        batch_size: int = BATCH_SIZE,
    ) -> Prediction | list[Prediction]:
        """Name the likeliest classes of one image, or of each of many.

        Args:
            images: An image, or a list or tuple of images: paths, encoded bytes, PIL images or
                arrays; see ``images.decode.to_pixels``.
            top_k: Number of classes to name; there are never more than the model has.
            batch_size: Images that go through the network at once.

        Returns:
            A prediction for one image, a list of them for many.

        Raises:
            ImageError: An image cannot be decoded.
        """
        many = isinstance(images, list | tuple)
        listed = images if isinstance(images, list | tuple) else [images]
        names = [_name(image, index) for index, image in enumerate(listed)]
        rows = self.rank(names, self.probabilities(listed, batch_size), top_k)
        return rows if many else rows[0]

    def predict_files(
        self,
        files: Iterable[str | os.PathLike[str]],
        top_k: int = 5,
        batch_size: int = BATCH_SIZE,
    ) -> Iterator[Prediction | Unreadable]:
        """Name the likeliest classes of each file, as the files come.

        Files are read ahead in threads while the network computes. A file that cannot be decoded
        gives a row that says so, and does not stop the rest.

        Args:
            files: Paths of images; they are not listed before the first row.
            top_k: Number of classes to name; there are never more than the model has.
            batch_size: Files that go through the network at once.

        Returns:
            One row for each file, in the order of the files.
        """
        for chunk in _chunks(self._read_ahead(files, batch_size), batch_size):
            readable = [(name, pixels) for name, pixels in chunk if isinstance(pixels, np.ndarray)]
            predictions = iter(())  # type: Iterator[Prediction]
            if readable:
                shares = softmax(self.logits(np.stack([pixels for _, pixels in readable])))
                predictions = iter(self.rank([name for name, _ in readable], shares, top_k))
            for _, result in chunk:
                yield result if isinstance(result, Unreadable) else next(predictions)

    def rank(
        self, names: Sequence[str], probabilities: NDArray[np.float32], top_k: int
    ) -> list[Prediction]:
        """Turn probabilities into predictions.

        Args:
            names: N names of images.
            probabilities: (N, C) float32.
            top_k: Number of classes to name.

        Raises:
            UsageError: ``top_k`` is not positive.
        """
        if top_k < 1:
            raise UsageError(f"top_k is {top_k}", None, "Ask for one class or more.")
        # Stable, so that of equals the lower index comes first, as in argmax.
        orders = np.argsort(-probabilities, axis=1, kind="stable")[:, :top_k]
        return [
            Prediction(
                name,
                tuple(self.classes[index] for index in order),
                tuple(float(row[index]) for index in order),
                tuple(self.titles.get(self.classes[index], "") for index in order)
                if self.titles
                else (),
            )
            for name, row, order in zip(names, probabilities, orders, strict=True)
        ]

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write the model as a directory; see ``save_model``."""
        save_model(
            directory,
            self.network,
            classes=self.classes,
            preprocessing=self.preprocessing,
            metadata=self.metadata,
            titles=self.titles,
        )

    def _prepared(self, image: ImageInput) -> NDArray[np.uint8]:
        return prepare(to_pixels(image), self.preprocessing)

    def _read(self, name: str) -> NDArray[np.uint8] | Unreadable:
        try:
            return prepare(read_image(name), self.preprocessing)
        except ImageError as error:
            return Unreadable(name, error.reason, error.what)

    def _read_ahead(
        self, files: Iterable[str | os.PathLike[str]], batch_size: int
    ) -> Iterator[tuple[str, NDArray[np.uint8] | Unreadable]]:
        """Yield each file's name and prepared pixels, with two batches under way at most."""
        pending: deque[tuple[str, Future[NDArray[np.uint8] | Unreadable]]] = deque()
        pool = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decode")
        try:
            for file in files:
                name = os.fspath(file)
                pending.append((name, pool.submit(self._read, name)))
                if len(pending) >= 2 * batch_size:
                    first, result = pending.popleft()
                    yield first, result.result()
            while pending:
                first, result = pending.popleft()
                yield first, result.result()
        finally:
            pool.shutdown(cancel_futures=True)


def load(source: str | os.PathLike[str], device: str | torch.device = "cpu") -> Classifier:
    """Load a model: a model directory, published weights, or a weights file of another tool.

    Args:
        source: A directory that googlenet saved; the name of published weights, such as
            ``torchvision`` or ``caffe`` (see ``googlenet weights list``), which are downloaded
            where they are not in the cache; or any file that ``googlenet convert`` takes.
        device: Where to compute.

    Raises:
        ModelError: A file is missing, foreign or damaged, or cannot be had.
        UsageError: PyTorch has no such device.
    """
    network, config, _ = open_weights(source)
    return Classifier(
        network, config.classes, config.preprocessing, config.metadata, device, config.titles
    )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits (N, C) into probabilities (N, C) float32, each row summing to 1."""
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float32] = (exponents / exponents.sum(axis=1, keepdims=True)).astype(
        np.float32
    )
    return probabilities


def _name(image: object, index: int) -> str:
    if isinstance(image, str | os.PathLike):
        return os.fspath(image) if isinstance(image, str) else str(image)
    return f"image {index}"


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    if size < 1:
        raise UsageError(f"batch size is {size}", None, "Give a batch size of 1 or more.")
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
