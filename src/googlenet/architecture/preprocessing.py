"""How an image becomes the network's input, as facts that travel with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from googlenet.errors import ModelError

ResizeMode = Literal["crop", "letterbox", "squash"]
ChannelOrder = Literal["rgb", "bgr"]
Resample = Literal["nearest", "bilinear", "bicubic", "box", "lanczos"]

# Pillow's numbers, which Hugging Face's preprocessor_config.json uses too.
RESAMPLE_NUMBERS: dict[Resample, int] = {
    "nearest": 0,
    "lanczos": 1,
    "bilinear": 2,
    "bicubic": 3,
    "box": 4,
}

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Describe a preprocessing policy: resize and crop on uint8, then ``(x * scale - mean) / std``.

    Attributes:
        size: Side in pixels of the square that the network gets.
        resize_mode: ``crop`` scales the short side to ``size / crop_fraction`` and cuts the centre;
            ``letterbox`` fits the whole image on ``pad_value`` grey; ``squash`` ignores the aspect
            ratio, scales to ``size / crop_fraction`` both ways and cuts the centre.
        crop_fraction: Share of the resized side that the centre crop keeps; letterbox ignores it.
        resample: Resampling filter of the resize.
        antialias: Whether the filter widens when it shrinks an image. Pillow's filters always do.
        arithmetic: Type that the resize computes in.
        channel_order: Order of the channels that the network expects; images are decoded as RGB.
        scale: Factor applied to values in [0, 255] before the mean is taken off.
        mean: Three values, in ``channel_order``, in units of the scaled values.
        std: Three values, in ``channel_order``, in units of the scaled values.
        pad_value: Grey level in [0, 255] around a letterboxed image.
    """

    size: int = 224
    resize_mode: ResizeMode = "crop"
    crop_fraction: float = 0.875
    resample: Resample = "bilinear"
    antialias: bool = True
    arithmetic: Literal["uint8"] = "uint8"
    channel_order: ChannelOrder = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    pad_value: int = 128

    @property
    def resized_side(self) -> int:
        """Side in pixels that an image is scaled to before the centre crop."""
        return round(self.size / self.crop_fraction)

    def at_size(self, size: int) -> Preprocessing:
        """Return the same policy for another input size."""
        return replace(self, size=size)

    def sentence(self) -> str:
        """Say the policy in words."""
        side = self.resized_side
        resize = {
            "crop": f"the short side to {side} pixels, the centre {self.size}x{self.size}",
            "squash": f"squashed to {side}x{side}, the centre {self.size}x{self.size}",
            "letterbox": f"the whole image within {self.size}x{self.size}",
        }[self.resize_mode]
        order = "blue, green, red" if self.channel_order == "bgr" else "red, green, blue"
        scale = (
            "0 to 255"
            if self.scale == 1
            else "0 to 1"
            if self.scale == 1 / 255
            else (f"times {self.scale:.6g}")
        )
        mean = ", ".join(f"{value:g}" for value in self.mean)
        std = ", ".join(f"{value:g}" for value in self.std)
        divided = "" if set(self.std) == {1.0} else f", divided by ({std})"
        return f"{resize}; {order} from {scale}, less ({mean}){divided}"

    def to_config(self) -> dict[str, Any]:
        """Return the contents of ``preprocessor_config.json``: Hugging Face's keys, then ours."""
        side = self.resized_side
        return {
            "image_processor_type": "GoogLeNetPreprocessing",
            "do_resize": True,
            "size": (
                {"shortest_edge": side}
                if self.resize_mode == "crop"
                else {"height": side, "width": side}
            ),
            "do_center_crop": self.resize_mode != "letterbox",
            "crop_size": {"height": self.size, "width": self.size},
            "do_rescale": True,
            "rescale_factor": self.scale,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
            "resample": RESAMPLE_NUMBERS[self.resample],
            "resize_mode": self.resize_mode,
            "crop_fraction": self.crop_fraction,
            "antialias": self.antialias,
            "arithmetic": self.arithmetic,
            "channel_order": self.channel_order,
            "pad_value": self.pad_value,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], where: str | None = None) -> Preprocessing:
        """Read the contents of ``preprocessor_config.json``.

        Raises:
            ModelError: A key is missing or holds a value that this version does not know.
        """
        names = {number: name for name, number in RESAMPLE_NUMBERS.items()}
        try:
            mean = tuple(float(value) for value in config["image_mean"])
            std = tuple(float(value) for value in config["image_std"])
            policy = cls(
                size=int(config["crop_size"]["height"]),
                resize_mode=config["resize_mode"],
                crop_fraction=float(config["crop_fraction"]),
                resample=names[config["resample"]],
                antialias=bool(config["antialias"]),
                arithmetic=config["arithmetic"],
                channel_order=config["channel_order"],
                scale=float(config["rescale_factor"]),
                mean=(mean[0], mean[1], mean[2]),
                std=(std[0], std[1], std[2]),
                pad_value=int(config["pad_value"]),
            )
            known = (
                policy.resize_mode in ("crop", "letterbox", "squash")
                and policy.channel_order in ("rgb", "bgr")
                and policy.arithmetic == "uint8"
                and policy.antialias
                and policy.size > 0
                and 0 < policy.crop_fraction <= 1
                and len(mean) == len(std) == 3
                and all(value > 0 for value in std)
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise ModelError(
                f"preprocessor configuration lacks or garbles {error}",
                where,
                "Save the model again with googlenet, or copy the file from a complete model.",
            ) from error
        if not known:
            raise ModelError(
                "preprocessor configuration asks for something this version does not do",
                where,
                "Open it with the version of googlenet that wrote it, or newer.",
            )
        return policy
