"""The loop's parts: averaging, optimizer, checkpoints, divergence, a frozen body, stopping."""

from __future__ import annotations

import io
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from googlenet.data.dataset import ArrayReader, ImageSet
from googlenet.data.loader import Batch
from googlenet.data.source import DataSplits
from googlenet.errors import ModelError, ResultError, UsageError
from googlenet.training import run as training_run
from googlenet.training.build import build_job, build_network, build_state, make_plan
from googlenet.training.checkpoint import load_checkpoint, save_checkpoint
from googlenet.training.directory import EARLY_FILES, locked
from googlenet.training.loop import Job, train_step
from googlenet.training.run import train
from googlenet.training.settings import TrainSettings
from googlenet.training.signals import TrainingInterrupted
from googlenet.training.state import TrainState

QUIET = Console(quiet=True)
SETTINGS = TrainSettings(
    input_size=32, batch_size=4, epochs=2, workers=0, threads=1, precision="fp32"
)


def image_set(count: int, seed: int) -> ImageSet:
    """Dark pictures of class a, light ones of class b."""
    labels = np.arange(count) % 2
    noise = np.random.default_rng(seed).integers(0, 100, (count, 40, 40))
    return ImageSet(
        classes=("a", "b"),
        names=tuple(f"{seed}/{index}" for index in range(count)),
        labels=labels.astype(np.int64),
        reader=ArrayReader((noise + labels[:, None, None] * 150).astype(np.uint8)),
        places=np.arange(count, dtype=np.int64),
    )


@pytest.fixture
def splits() -> DataSplits:
    return DataSplits(
        name="shades",
        classes=("a", "b"),
        train=image_set(16, 0),
        validation=image_set(6, 1),
        test=image_set(6, 2),
        fingerprint="fixed",
    )


def prepare(
    splits: DataSplits, run: Path, settings: TrainSettings = SETTINGS
) -> tuple[TrainState, Job]:
    device = torch.device("cpu")
    plan = make_plan(splits, settings, device)
    network, policy, _ = build_network(splits, settings, plan)
    job = build_job(run, splits, settings, plan, policy, device)
    return build_state(network, plan, device), job


def interrupt_at_step(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Send SIGTERM from within the step of this number."""
    real = training_run.train_steps

    def interrupted(state: TrainState, job: Job, **rest: object) -> None:
        def counting(images: torch.Tensor) -> torch.Tensor:
            if state.step == number and torch.is_grad_enabled():
                os.kill(os.getpid(), signal.SIGTERM)
            return job.normalize(images)

        real(state, replace(job, normalize=counting), **rest)

    monkeypatch.setattr(training_run, "train_steps", interrupted)


def a_batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (4, 32, 32, 3), dtype=torch.uint8, generator=generator)
    return Batch(images, torch.tensor([0, 1, 0, 1]), torch.arange(4), ())


def weights(state: TrainState) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in state.network.state_dict().items()}


def test_a_step_is_a_pure_function_of_state_seed_and_batch(
    splits: DataSplits, tmp_path: Path
) -> None:
    first, job = prepare(splits, tmp_path)
    second, _ = prepare(splits, tmp_path)
    torch.manual_seed(99)  # whatever the global generator holds
    loss = train_step(first, job, a_batch(), 1e-3)
    torch.manual_seed(7)
    assert train_step(second, job, a_batch(), 1e-3) == loss
    assert all(torch.equal(weights(second)[name], each) for name, each in weights(first).items())


def test_the_average_is_the_mean_at_first_and_forgets_later(
    splits: DataSplits, tmp_path: Path
) -> None:
    state, job = prepare(splits, tmp_path)
    seen = []
    expected = None
    least = 1 / max(job.plan.recipe.averaging_share * job.plan.total_steps, 1)
    for step in range(4):
        train_step(state, job, a_batch(step), 1e-3)
        now = weights(state)
        seen.append(now)
        share = max(1 / (step + 1), least)
        if expected is None:
            expected = now
        for name, value in now.items():
            if value.is_floating_point():
                value = expected[name].lerp(value, share)
            expected[name] = value
    averaged = state.measured.state_dict()
    assert any("running_mean" in name for name in averaged)
    for name, value in averaged.items():
        torch.testing.assert_close(value, expected[name])


def test_vectors_are_not_decayed_and_caffes_biases_learn_twice_as_fast(
    splits: DataSplits, tmp_path: Path
) -> None:
    state, _ = prepare(splits, tmp_path)
    matrices, vectors = state.optimizer.param_groups
    assert all(each.ndim > 1 for each in matrices["params"])
    assert all(each.ndim == 1 for each in vectors["params"])
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.05, 0.0)
    caffe, _ = prepare(splits, tmp_path, replace(SETTINGS, recipe="caffe"))
    assert [group["rate"] for group in caffe.optimizer.param_groups] == [1.0, 2.0]


def test_balanced_loss_and_sampler(splits: DataSplits, tmp_path: Path) -> None:
    uneven = replace(splits, train=splits.train.subset([0, 2, 4, 6, 8, 10, 1, 3]))
    _, job = prepare(uneven, tmp_path, replace(SETTINGS, balance="loss"))
    assert job.loss.class_weights.tolist() == pytest.approx([8 / 12, 8 / 4])
    _, job = prepare(uneven, tmp_path, replace(SETTINGS, balance="sampler"))
    assert job.sample_weights == pytest.approx([8 / 12] * 6 + [2.0] * 2)


def test_a_checkpoint_holds_everything(splits: DataSplits, tmp_path: Path) -> None:
    state, job = prepare(splits, tmp_path)
    for step in range(3):
        train_step(state, job, a_batch(step), 1e-3)
        state.step += 1
    save_checkpoint(tmp_path / "checkpoints", state)
    copy, _ = prepare(splits, tmp_path)
    load_checkpoint(tmp_path / "checkpoints", copy, print)
    assert (copy.step, copy.tally) == (3, state.tally)
    for each in (state, copy):
        train_step(each, job, a_batch(9), 1e-3)
    assert all(torch.equal(weights(copy)[name], each) for name, each in weights(state).items())
    for name, value in state.measured.state_dict().items():
        assert torch.equal(copy.measured.state_dict()[name], value), name


def test_a_damaged_checkpoint_is_passed_over_and_two_are_kept(
    splits: DataSplits, tmp_path: Path
) -> None:
    state, _ = prepare(splits, tmp_path)
    paths = []
    for step in (1, 2, 3):
        state.step = step
        paths.append(save_checkpoint(tmp_path / "checkpoints", state))
    assert [path.exists() for path in paths] == [False, True, True]
    damaged = bytearray(paths[2].read_bytes())
    damaged[len(damaged) // 2] ^= 1
    paths[2].write_bytes(damaged)
    said: list[str] = []
    load_checkpoint(tmp_path / "checkpoints", state, said.append)
    assert state.step == 2
    assert len(said) == 1 and paths[2].name in said[0]
    paths[1].write_bytes(paths[1].read_bytes()[:-5])
    with pytest.raises(ModelError, match="none of the run's checkpoints"):
        load_checkpoint(tmp_path / "checkpoints", state, said.append)


@pytest.mark.parametrize("planted", ["loss", "gradient"])
def test_what_is_not_finite_stops_before_the_update(
    splits: DataSplits, tmp_path: Path, planted: str
) -> None:
    state, job = prepare(splits, tmp_path)
    state.step = 5
    if planted == "loss":
        state.network.fc.bias.data[0] = torch.inf
    else:
        state.network.fc.weight.register_hook(lambda gradient: gradient * torch.inf)
    before = weights(state)
    with pytest.raises(ResultError, match=f"{planted} is not finite at step 5, at a learning rate"):
        train_step(state, job, a_batch(), 0.25)
    learned = [name for name, _ in state.network.named_parameters()]
    assert all(torch.equal(weights(state)[name], before[name]) for name in learned)


def test_diverged_training_keeps_no_broken_model(splits: DataSplits, tmp_path: Path) -> None:
    run = tmp_path / "run"
    broken = replace(SETTINGS, lr=1e30, recipe="caffe")
    with pytest.raises(ResultError, match="not finite"):
        train(splits, broken, out=run, console=QUIET)
    assert not (run / "best").exists() and not (run / "last").exists()
    assert "is not finite at step" in (run / "report.html").read_text()


def test_what_breaks_off_late_leaves_a_report_and_every_epoch(
    splits: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = training_run.train_steps

    def diverging(state: TrainState, job: Job, **rest: object) -> None:
        def planted(images: torch.Tensor) -> torch.Tensor:
            # Step 4 is the first of the second epoch.
            return job.normalize(images) * (torch.inf if state.step == 4 else 1.0)

        real(state, replace(job, normalize=planted), **rest)

    monkeypatch.setattr(training_run, "train_steps", diverging)
    run = tmp_path / "run"
    with pytest.raises(ResultError, match="not finite at step 4"):
        train(splits, SETTINGS, out=run, console=QUIET)
    assert len((run / "results.csv").read_text().splitlines()) == 2
    page = (run / "report.html").read_text()
    assert "not finite at step 4" in page and "Validation accuracy" in page


@pytest.mark.parametrize(
    "faulty",
    [
        {"recipe": "soup"},
        {"device": "abacus"},
        {"variant": "vgg"},
        {"input_size": 20},
        {"weights": "nowhere"},
        {"epochs": None, "minutes": 0.001},
    ],
)
def test_a_refused_run_leaves_the_one_it_would_have_replaced(
    splits: DataSplits, tmp_path: Path, faulty: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    train(splits, SETTINGS, out=run, console=QUIET)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises((UsageError, ModelError)):
        train(splits, replace(SETTINGS, **faulty), out=run, overwrite=True, console=QUIET)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_run_may_start_from_the_one_that_it_replaces(splits: DataSplits, tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = train(splits, SETTINGS, out=run, console=QUIET)
    again = replace(SETTINGS, weights=first.model)  # a Path, as the result has it
    second = train(splits, again, out=run, overwrite=True, console=QUIET)
    arguments = json.loads((second.run / "args.json").read_text())
    assert arguments["settings"]["weights"] == str(first.model)


def test_a_directory_in_use_is_neither_taken_nor_emptied(
    splits: DataSplits, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(splits, SETTINGS, out=run, console=QUIET)
    with locked(run), pytest.raises(UsageError, match="another process trains"):
        train(splits, SETTINGS, out=run, overwrite=True, console=QUIET)
    assert (run / "best" / "model.safetensors").exists()


def test_a_run_killed_before_it_could_be_resumed_is_replaced(
    splits: DataSplits, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in (*EARLY_FILES, ".args.json.1.00000000.tmp"):
        (run / name).write_text("{")
    with pytest.raises(UsageError, match="not empty"):  # no run was here: these are somebody's own
        train(splits, SETTINGS, out=run, console=QUIET)
    (run / ".lock").touch()
    train(splits, SETTINGS, out=run, console=QUIET)
    assert not list(run.glob(".*.tmp"))


@pytest.mark.parametrize("step", [0, 4])
def test_a_resumed_run_needs_no_other_model(
    splits: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    source = train(splits, SETTINGS, out=tmp_path / "source", console=QUIET)
    tuned = replace(SETTINGS, weights=str(source.model), tune="head")
    whole = train(splits, tuned, out=tmp_path / "whole", console=QUIET)
    interrupt_at_step(monkeypatch, step)
    with pytest.raises(TrainingInterrupted):
        train(splits, tuned, out=tmp_path / "stopped", console=QUIET)
    monkeypatch.undo()
    if step == 0:  # as a kill before the first step leaves it
        (tmp_path / "stopped" / "checkpoints" / "step-00000001.safetensors").unlink()
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    resumed = train(splits, resume=tmp_path / "stopped", console=QUIET)
    name = "best/model.safetensors"
    assert (resumed.run / name).read_bytes() == (whole.run / name).read_bytes()


def test_a_changed_environment_is_said_on_resume(
    splits: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at_step(monkeypatch, 4)
    with pytest.raises(TrainingInterrupted):
        train(splits, SETTINGS, out=tmp_path / "run", console=QUIET)
    monkeypatch.undo()
    path = tmp_path / "run" / "env.json"
    document = json.loads(path.read_text())
    document["versions"]["torch"], document["processor"] = "1.0", "abacus"
    path.write_text(json.dumps(document))
    said = io.StringIO()
    train(splits, resume=tmp_path / "run", console=Console(file=said, width=200))
    assert "processor was abacus and is" in said.getvalue()
    assert "torch was 1.0 and is" in said.getvalue()


def test_names_that_are_no_text_in_utf_8(splits: DataSplits, tmp_path: Path) -> None:
    odd = ("caf\udce9", "\x1b[2J")
    parts = {
        name: replace(getattr(splits, name), classes=odd)
        for name in ("train", "validation", "test")
    }
    result = train(
        replace(splits, classes=odd, **parts), SETTINGS, out=tmp_path / "run", console=QUIET
    )
    document = json.loads((result.run / "args.json").read_text())
    assert tuple(document["classes"]) == odd
    assert b"\x1b" not in (result.run / "report.html").read_bytes()


def test_tuning_the_head_leaves_the_body(splits: DataSplits, tmp_path: Path) -> None:
    first = train(splits, SETTINGS, out=tmp_path / "first", console=QUIET)
    tuned = replace(SETTINGS, weights=str(first.model), tune="head", lr=0.01)
    second = train(splits, tuned, out=tmp_path / "second", console=QUIET)
    from safetensors.numpy import load_file

    before = load_file(first.model / "model.safetensors")
    after = load_file(second.model / "model.safetensors")
    for name, values in after.items():
        if name.startswith("fc."):
            assert not np.array_equal(values, before[name])
        else:
            np.testing.assert_array_equal(values, before[name], err_msg=name)


def test_a_run_stopped_in_the_middle_resumes_to_the_same_bits(
    splits: DataSplits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(splits, SETTINGS, out=tmp_path / "whole", console=QUIET)
    interrupt_at_step(monkeypatch, 4)
    with pytest.raises(TrainingInterrupted) as caught:
        train(splits, SETTINGS, out=tmp_path / "stopped", console=QUIET)
    assert caught.value.exit_code == 143
    assert (tmp_path / "stopped" / "last" / "model.safetensors").exists()
    assert "steps (SIGTERM)" in (tmp_path / "stopped" / "report.html").read_text()
    monkeypatch.undo()
    resumed = train(splits, resume=tmp_path / "stopped", console=QUIET)
    for name in ("results.csv", "best/model.safetensors", "last/model.safetensors"):
        assert (resumed.run / name).read_bytes() == (whole.run / name).read_bytes(), name


def test_the_callers_random_numbers_and_threads_are_his_own(
    splits: DataSplits, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    expected, threads = torch.get_rng_state(), torch.get_num_threads()
    train(splits, SETTINGS, out=tmp_path / "run", console=QUIET)
    assert torch.equal(torch.get_rng_state(), expected)
    assert torch.get_num_threads() == threads
