"""Splits and sample orders for any data: pure functions that keep their promises."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from googlenet.data.loader import augmentation_seed, sample_order
from googlenet.data.split import escaped_cell, plain_cell, stratified_split

STRATA = st.lists(st.sampled_from("aabbbcde"), min_size=1, max_size=120)
SHARES = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**32)


@given(strata=STRATA, share=SHARES, seed=SEEDS)
def test_a_split_is_a_partition_that_keeps_every_stratum(
    strata: list[str], share: float, seed: int
) -> None:
    kept, carved = stratified_split(strata, share, seed)
    assert kept.dtype == carved.dtype == np.int64
    assert sorted([*kept, *carved]) == list(range(len(strata)))
    assert list(kept) == sorted(kept)
    assert list(carved) == sorted(carved)
    assert {strata[index] for index in kept} == set(strata)
    if len(set(strata)) < len(strata):
        assert len(carved) > 0


@given(strata=STRATA, share=SHARES, seed=SEEDS)
def test_a_split_is_in_proportion(strata: list[str], share: float, seed: int) -> None:
    _, carved = stratified_split(strata, share, seed)
    counts, taken = Counter(strata), Counter(strata[index] for index in carved)
    for stratum, count in counts.items():
        # Never more than one from the exact quota, but for the image that has to stay.
        assert taken[stratum] <= min(np.ceil(count * share + 1), count - 1)
        assert taken[stratum] >= min(np.floor(count * share), count - 1)
    room = sum(min(int(np.floor(c * share)) + 1, c - 1) for c in counts.values())
    if room >= round(len(strata) * share) >= 1:
        assert len(carved) == round(len(strata) * share)


@given(strata=STRATA, share=SHARES, seed=SEEDS)
def test_a_split_depends_on_nothing_else(strata: list[str], share: float, seed: int) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    first = stratified_split(strata, share, seed)
    renamed = stratified_split([(stratum, 1.5) for stratum in strata], share, seed)
    for one, other in zip(first, renamed, strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(np.random.get_state()[1], before)  # type: ignore[index]


def test_another_seed_gives_another_split() -> None:
    strata = [index % 2 for index in range(100)]
    assert len({tuple(stratified_split(strata, 0.3, seed)[1]) for seed in range(20)}) == 20


@given(count=st.integers(1, 60), batch=st.integers(1, 70), epoch=st.integers(0, 9), seed=SEEDS)
def test_an_epoch_takes_each_image_once_in_whole_batches(
    count: int, batch: int, epoch: int, seed: int
) -> None:
    order = sample_order(count, seed, epoch, batch)
    assert order.dtype == np.int64
    assert len(order) == (count // batch * batch or count)
    assert len(set(order.tolist())) == len(order)
    assert set(order.tolist()) <= set(range(count))
    assert np.array_equal(order, sample_order(count, seed, epoch, batch))


@given(count=st.integers(20, 60), seed=st.integers(-5, 2**40))
def test_epochs_and_seeds_differ(count: int, seed: int) -> None:
    orders = [sample_order(count, seed, epoch, 1) for epoch in range(4)]
    orders += [sample_order(count, seed + 1, epoch, 1) for epoch in range(4)]
    assert len({order.tobytes() for order in orders}) == 8


@settings(max_examples=30)
@given(
    weights=st.lists(st.floats(0, 10), min_size=1, max_size=20),
    batch=st.integers(1, 30),
    seed=SEEDS,
)
def test_weighted_orders_never_take_what_has_no_chance(
    weights: list[float], batch: int, seed: int
) -> None:
    assume(sum(weights) > 1e-3)
    chances: NDArray[Any] = np.array(weights)
    order = sample_order(len(weights), seed, 0, batch, chances)
    assert len(order) == (len(weights) // batch * batch or len(weights))
    assert (chances[order] > 0).all()
    assert np.array_equal(order, sample_order(len(weights), seed, 0, batch, chances * 7))


def test_weighted_orders_balance_the_classes() -> None:
    labels = np.array([0] * 900 + [1] * 100)
    weights = 1 / np.bincount(labels)[labels]
    drawn = np.concatenate([labels[sample_order(1000, 0, e, 10, weights)] for e in range(10)])
    assert abs(drawn.mean() - 0.5) < 0.02


def test_augmentation_seeds_are_distinct() -> None:
    seeds = {
        augmentation_seed(seed, epoch, index, occurrence)
        for seed in range(4)
        for epoch in range(5)
        for index in range(40)
        for occurrence in range(3)
    }
    assert len(seeds) == 4 * 5 * 40 * 3
    assert all(0 <= seed < 2**64 for seed in seeds)


@given(st.text())
def test_escaping_a_cell_can_be_undone(text: str) -> None:
    cell = escaped_cell(text)
    assert plain_cell(cell) == text
    assert not cell.startswith(("=", "+", "-", "@"))
