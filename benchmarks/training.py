"""Images a second of our training step, beside plain torchvision loops, in turn in one run.

    python benchmarks/training.py [--sizes 224 112] [--batch-size 32] [--rounds 7]

Three loops, all with both heads and the loss weights 1, 0.3, 0.3, on the same pixels in memory:

- `plain torchvision`: torchvision's GoogLeNet in float32 and NCHW, SGD, as a tutorial writes it;
- `torchvision, our settings`: the same loop with every setting of ours (channels_last, bf16 where
  the processor has it, fused AdamW, clipping, label smoothing, averaged weights);
- `googlenet`: our own `train_step`, from uint8 pixels to the updated average.

The rounds interleave the loops, so that a drift of the machine's speed meets all three; a ratio is
the median over rounds of the quotient within a round.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import nn

from googlenet.architecture.preprocessing import Preprocessing
from googlenet.data.dataset import ArrayReader, ImageSet
from googlenet.data.loader import Batch
from googlenet.nn.googlenet import GoogLeNet
from googlenet.nn.loss import GoogLeNetLoss
from googlenet.nn.normalize import Normalize
from googlenet.training.build import settle_precision
from googlenet.training.loop import Job, train_step
from googlenet.training.plan import Plan
from googlenet.training.recipe import MODERN
from googlenet.training.state import TrainState, make_average, make_optimizer

CLASSES = 10
STEPS_A_ROUND = 4
PLAIN, SETTINGS, OURS = "plain torchvision", "torchvision, our settings", "googlenet"


def plain_torchvision(batch: Batch) -> Callable[[], object]:
    """A tutorial's loop."""
    network = torchvision.models.googlenet(weights=None, init_weights=True, num_classes=CLASSES)
    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    images = batch.images.permute(0, 3, 1, 2).float().div(255).contiguous()

    def step() -> None:
        optimizer.zero_grad()
        main, aux2, aux1 = network(images)
        loss = nn.functional.cross_entropy(main, batch.labels)
        for aux in (aux2, aux1):
            loss = loss + 0.3 * nn.functional.cross_entropy(aux, batch.labels)
        loss.backward()
        optimizer.step()

    return step


def torchvision_with_our_settings(batch: Batch, precision: str) -> Callable[[], object]:
    """The same loop with all that makes ours fast, and all that costs it time."""
    network = torchvision.models.googlenet(weights=None, init_weights=True, num_classes=CLASSES)
    network = network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.05, fused=True)
    average = torch.optim.swa_utils.AveragedModel(
        network,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99),
        use_buffers=True,
    )
    images = batch.images.permute(0, 3, 1, 2).float().div(255)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            main, aux2, aux1 = network(images)
        loss = nn.functional.cross_entropy(main.float(), batch.labels, label_smoothing=0.1)
        for aux in (aux2, aux1):
            part = nn.functional.cross_entropy(aux.float(), batch.labels, label_smoothing=0.1)
            loss = loss + 0.3 * part
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)

    return step


def our_step(batch: Batch, size: int, precision: str) -> Callable[[], object]:
    """The step of `googlenet train`."""
    pixels = np.zeros((len(batch.labels), size, size), np.uint8)
    images = ImageSet(
        classes=tuple(map(str, range(CLASSES))),
        names=tuple(map(str, range(len(pixels)))),
        labels=batch.labels.numpy(),
        reader=ArrayReader(pixels),
        places=np.arange(len(pixels), dtype=np.int64),
    )
    plan = Plan(
        recipe=MODERN,
        input_size=size,
        total_steps=1000,
        steps_per_epoch=100,
        heads=True,
        threads=torch.get_num_threads(),
        workers=0,
        precision=precision,
        fingerprint="",
    )
    job = Job(
        run=Path(),
        plan=plan,
        train=images,
        validation=(),
        normalize=Normalize(Preprocessing(size=size)),
        loss=GoogLeNetLoss(0.3, MODERN.label_smoothing),
        device=torch.device("cpu"),
        seed=0,
        save_every=None,
        max_unreadable=0.0,
        frozen=False,
        sample_weights=None,
    )
    network = GoogLeNet(CLASSES).to(memory_format=torch.channels_last)
    average = make_average(network, MODERN, plan.total_steps)
    state = TrainState(network, average, make_optimizer(network, MODERN))
    return lambda: train_step(state, job, batch, 1e-3)


def images_per_second(step: Callable[[], object], batch_size: int) -> float:
    """Time a few steps."""
    started = time.perf_counter()
    for _ in range(STEPS_A_ROUND):
        step()
    return STEPS_A_ROUND * batch_size / (time.perf_counter() - started)


def compare(size: int, batch_size: int, rounds: int, precision: str) -> dict[str, list[float]]:
    """Measure the three loops in turn; the first round warms up and does not count."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(
        0, 256, (batch_size, size, size, 3), dtype=torch.uint8, generator=generator
    )
    labels = torch.randint(0, CLASSES, (batch_size,), generator=generator)
    batch = Batch(images, labels, torch.arange(batch_size), ())
    steps = {
        PLAIN: plain_torchvision(batch),
        SETTINGS: torchvision_with_our_settings(batch, precision),
        OURS: our_step(batch, size, precision),
    }
    speeds: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(rounds + 1):
        for name, step in steps.items():
            speed = images_per_second(step, batch_size)
            if round_number:
                speeds[name].append(speed)
    return speeds


def main() -> None:
    """Print a table for each size, and the numbers behind it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[224, 112])
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    precision = settle_precision("auto", torch.device("cpu"))
    print(
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, Python "
        f"{platform.python_version()}, {torch.cpu.get_capabilities()['cpu_name']}, "
        f"{torch.get_num_threads()} threads, {precision}, batches of {arguments.batch_size}, "
        f"{arguments.rounds} rounds of {STEPS_A_ROUND} steps"
    )
    for size in arguments.sizes:
        speeds = compare(size, arguments.batch_size, arguments.rounds, precision)
        print(f"\n{size} pixels{'':<18}   images/s (least to most)   times plain torchvision")
        for name, values in speeds.items():
            ratios = [own / plain for own, plain in zip(values, speeds[PLAIN], strict=True)]
            print(
                f"{name:<26} {statistics.median(values):9.1f} ({min(values):.1f} to "
                f"{max(values):.1f}){'':<4} {statistics.median(ratios):6.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f})"
            )
        assert all(math.isfinite(value) for values in speeds.values() for value in values)
        print(json.dumps({"size": size, "images_per_second": speeds}))


if __name__ == "__main__":
    main()
