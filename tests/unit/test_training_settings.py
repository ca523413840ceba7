"""Settings, recipes, schedules, plans and time budgets: the arithmetic before the first step."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from googlenet.errors import ModelError, UsageError
from googlenet.training.budget import TIMED_STEPS, WARM_UP_STEPS, Pace, time_steps
from googlenet.training.plan import Plan, default_input_size, settle_recipe
from googlenet.training.recipe import CAFFE, MODERN, PAPER, RECIPES, find_recipe, fit_to_data
from googlenet.training.schedule import learning_rate
from googlenet.training.settings import TrainSettings, read_arguments, refuse_changes


def plan() -> Plan:
    return Plan(
        recipe=MODERN,
        input_size=64,
        total_steps=40,
        steps_per_epoch=10,
        heads=True,
        threads=2,
        workers=0,
        precision="fp32",
        fingerprint="abc",
    )


def test_a_plan_survives_json() -> None:
    for recipe in RECIPES.values():
        whole = replace(plan(), recipe=recipe)
        assert Plan.from_config(json.loads(json.dumps(whole.to_config())), Path("run")) == whole


def test_settings_survive_json() -> None:
    settings = TrainSettings(variant="caffe", epochs=3, lr=0.1, weights="torchvision", tune="head")
    document = json.loads(json.dumps(settings.to_config()))
    assert TrainSettings.from_config(document, Path("run")) == settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"minutes": -1.0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"batch_size": 0},
        {"workers": -1},
        {"aux_weight": -0.1},
        {"max_unreadable": 1.5},
        {"epochs": 1, "minutes": 1.0},
        {"tune": "head"},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        TrainSettings(**wrong)


def test_changed_settings_are_all_named() -> None:
    stored = TrainSettings(epochs=3, seed=1)
    refuse_changes(stored, TrainSettings(epochs=3, seed=1), Path("run"))
    with pytest.raises(UsageError, match="epochs was 3 and is now 4; seed was 1 and is now 2"):
        refuse_changes(stored, TrainSettings(epochs=4, seed=2), Path("run"))


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"settings": 3}'])
def test_a_garbled_run_is_no_run(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "args.json").write_text(content)
    with pytest.raises(ModelError):
        read_arguments(tmp_path)


def test_the_cosine_rises_and_falls_to_nothing() -> None:
    rates = [learning_rate(MODERN, step, 100, 10) for step in range(100)]
    assert rates.index(max(rates)) in (9, 10)
    assert max(rates) <= MODERN.learning_rate
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.001 * MODERN.learning_rate


def test_caffes_quick_solver() -> None:
    """base_lr 0.01, lr_policy "poly", power 0.5: 0.01 * (1 - iteration / max_iter) ^ 0.5."""
    for step in (0, 25, 99):
        expected = 0.01 * (1 - step / 100) ** 0.5
        assert learning_rate(CAFFE, step, 100, 10) == pytest.approx(expected)


def test_the_papers_drops() -> None:
    """4% less every 8 epochs."""
    for epoch, drops in ((0, 0), (7, 0), (8, 1), (15, 1), (16, 2), (80, 10)):
        expected = 0.01 * 0.96**drops
        assert learning_rate(PAPER, epoch * 10, 2500, 10) == pytest.approx(expected)


def test_recipes_name_their_source_and_are_found() -> None:
    assert set(RECIPES) == {"modern", "paper", "caffe", "slim"}
    assert all(recipe.source and find_recipe(name) is recipe for name, recipe in RECIPES.items())
    with pytest.raises(UsageError, match="modern, paper, caffe, slim"):
        find_recipe("secret")


def test_augmentation_is_sized_to_the_data() -> None:
    photos = fit_to_data(MODERN, short_side=300, flip="all").augmentation
    digits = fit_to_data(MODERN, short_side=8, flip="none").augmentation
    assert (photos.flip, digits.flip) == ("all", "none")
    assert photos.min_area < digits.min_area
    cells = fit_to_data(MODERN, short_side=300, flip="all", min_area=0.8).augmentation
    assert cells.min_area == 0.8
    paper = fit_to_data(PAPER, short_side=8, flip="none", min_area=0.8).augmentation
    assert paper.min_area == 0.08


def test_batch_and_rate() -> None:
    settled = settle_recipe(CAFFE, TrainSettings(batch_size=64), 1000)
    assert (settled.batch_size, settled.learning_rate) == (64, 0.02)
    settled = settle_recipe(CAFFE, TrainSettings(batch_size=64, lr=0.3), 20)
    assert (settled.batch_size, settled.learning_rate) == (20, 0.3)
    settled = settle_recipe(MODERN, TrainSettings(batch_size=64), 1000)
    assert settled.learning_rate == MODERN.learning_rate


@pytest.mark.parametrize(("side", "size"), [(8, 64), (28, 64), (96, 96), (100, 128), (300, 224)])
def test_default_input_size(side: int, size: int) -> None:
    assert default_input_size(side) == size


def test_a_budget_becomes_steps_that_fit_it() -> None:
    pace = Pace(step=0.5, epoch=2.0, test=10.0)
    steps = pace.steps_within(240, steps_per_epoch=50)
    assert 200 < pace.run(steps, 50) < 240
    assert pace.run(steps + 50, 50) > 210
    with pytest.raises(UsageError, match="before the first step"):
        pace.steps_within(15, steps_per_epoch=50)


def test_time_steps_calls_for_real() -> None:
    calls: list[int] = []
    assert time_steps(lambda: calls.append(1)) >= 0
    assert len(calls) == WARM_UP_STEPS + TIMED_STEPS


@pytest.mark.parametrize(
    ("name", "value"),
    [("balance", "weighted"), ("tune", "heads"), ("precision", "bfloat16"), ("batch_size", 1)],
)
def test_what_is_no_choice_is_refused(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot be {value}"):
        TrainSettings(**{name: value})
