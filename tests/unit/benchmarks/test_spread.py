"""Figures of a whole set as values an item: the mean is the figure, the spread its uncertainty."""

from itertools import pairwise

import numpy as np
import pytest

from irltui.benchmarks.intervals import mean_interval
from irltui.benchmarks.spread import adjusted_values, auc_values, distinct_pair_values
from irltui.engine.diagnostics import auc


def test_the_values_of_an_auc_have_it_as_their_mean_and_delongs_variance() -> None:
    stream = np.random.default_rng(0)
    positive, negative = stream.normal(1, 1, 30).round(1), stream.normal(0, 1, 50).round(1)
    values = np.concatenate(auc_values(positive, negative))
    assert values.mean() == pytest.approx(auc(positive, negative), abs=1e-12)
    above = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    delong = above.mean(1).var() / 30 + above.mean(0).var() / 50
    assert values.var() / 80 == pytest.approx(delong)


def test_an_auc_of_one_positive_and_one_negative_is_one_half_or_nothing() -> None:
    assert [float(auc_values(np.array([a]), np.array([1.0]))[0][0]) for a in (2.0, 1.0, 0.0)] == [1.0, 0.5, 0.0]


def test_the_interval_of_an_auc_covers_it_as_often_as_it_says() -> None:
    stream, covered = np.random.default_rng(1), 0
    for seed in range(200):
        values = np.concatenate(auc_values(stream.normal(1, 1, 40), stream.normal(0, 1, 40)))
        found = mean_interval(values.tolist(), seed=seed)
        covered += found.low <= 0.7602 <= found.high  # Phi(1 / sqrt 2)
    assert 178 <= covered <= 198


def test_an_adjusted_mean_is_the_intercept_of_least_squares() -> None:
    stream = np.random.default_rng(2)
    covariate = stream.normal(0.5, 1, 60)
    values = 0.3 + 0.8 * covariate + stream.normal(0, 0.1, 60)
    design = np.stack([np.ones(60), covariate], axis=1)
    (intercept, slope), *_ = np.linalg.lstsq(design, values, rcond=None)
    found = adjusted_values(values, covariate)
    assert found.mean() == pytest.approx(intercept)
    residuals = values - design @ [intercept, slope]
    bread = np.linalg.inv(design.T @ design)
    sandwich = bread @ (design * residuals[:, None] ** 2).T @ design @ bread
    assert found.var() / 60 == pytest.approx(sandwich[0, 0])


def test_a_covariate_that_does_not_vary_changes_nothing() -> None:
    values = np.array([1.0, 0.0, 0.5])
    assert adjusted_values(values, np.full(3, 0.7)).tolist() == values.tolist()
    assert adjusted_values(values[:1], np.array([3.0])).tolist() == [1.0]


def test_the_values_of_distinct_pairs_have_the_share_as_their_mean() -> None:
    texts = ["a b c", "a b d", "e", "", "b c b c"]
    pairs = [pair for text in texts for pair in pairwise(text.split())]
    values = distinct_pair_values(texts)
    assert values.mean() == pytest.approx(len(set(pairs)) / len(pairs))
    assert values[2] == values[3] == 0


def test_texts_without_two_words_have_no_diversity() -> None:
    assert distinct_pair_values(["a", "b"]).tolist() == [0, 0]
