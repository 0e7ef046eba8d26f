"""The form means what the command line means."""

from __future__ import annotations

import pytest

from irltui.api.registry import Registry
from irltui.config.keys import tables
from irltui.dashboard.form import Form
from irltui.experiments.study import Study


def option_of(form: Form, key: str):
    return next(option for option in form.options(Registry(), form.problems()) if option.key == key)


def test_a_fresh_form_asks_for_model_and_data() -> None:
    form = Form("irft")
    assert [problem.split(":")[0] for problem in form.problems()] == ["model.name", "data.source"]
    assert option_of(form, "model.name").problem


def test_what_is_typed_is_what_set_would_do() -> None:
    form = Form("irft").with_value("model.name", "org/name").with_value("data.source", "org/data")
    form = form.with_value("optimizer.learning_rate", "1e-5")
    loaded = form.load()
    assert loaded.config.optimizer.learning_rate == 1e-5
    assert loaded.config.loop.outer_iterations == 5
    assert form.problems() == []


def test_a_wrong_value_is_told_beside_its_option() -> None:
    form = Form("irft").with_value("optimizer.learning_rate", "-1")
    assert "must be greater than 0" in option_of(form, "optimizer.learning_rate").problem


def test_an_empty_value_takes_back_what_was_typed() -> None:
    form = Form("irft").with_value("loop.batch", "8")
    assert option_of(form, "loop.batch").value == "8"
    assert option_of(form.with_value("loop.batch", ""), "loop.batch").value == "32"


def test_every_option_of_the_schema_is_in_the_form() -> None:
    keys = {option.key for option in Form("irft").options(Registry(), [])}
    places = {place for place, _ in tables()}
    for place, model in tables():
        if place:
            own = {".".join((*place, n)) for n in model.model_fields if (*place, n) not in places}
            assert own - {"plugins.files"} <= keys  # tables of one's own names are the file's
    assert {"reward.beta", "sampler.kind", "algorithm", "seed"} <= keys


def test_words_to_choose_from_come_with_the_option() -> None:
    assert "rolling" in option_of(Form("irft"), "reference.kind").choices


def test_a_study_is_filled_in_like_a_run_and_needs_nothing() -> None:
    form = Form("quickstart")
    assert form.problems() == []
    assert option_of(form, "study.seeds").value == "[0, 1, 2]"
    study = form.with_value("study.seeds", "[4]").with_value("loop.batch", "8").load()
    assert isinstance(study, Study)
    assert study.section.seeds == [4]
    assert study.load(study.arms[0], 4, None, ()).config.loop.batch == 8


@pytest.mark.parametrize(("key", "text", "words"), [
    ("study.compare", '["sft", "nobody"]', "no arm 'nobody'"),
    ("study.jobs", "0", "at least 1"),
    ("loop.batch", "0", "at least 1"),
])  # fmt: skip
def test_what_is_wrong_with_a_study_is_told_beside_its_option(key: str, text: str, words: str) -> None:
    assert words in option_of(Form("quickstart").with_value(key, text), key).problem


def test_a_benchmark_is_added_by_its_kind_and_then_has_options() -> None:
    form = Form("irft")
    adds = option_of(form, "benchmarks.heldout_nll.kind")
    assert adds.value == ""
    assert adds.choices == ("heldout_nll",)
    added = form.with_value(adds.key, adds.choices[0])
    assert "benchmarks.heldout_nll.data" in {option.key for option in added.options(Registry(), [])}
    filled = added.with_value("benchmarks.heldout_nll.data", "rows.jsonl")
    assert not [problem for problem in filled.problems() if "benchmarks" in problem]


def test_the_benchmarks_of_a_preset_can_be_changed() -> None:
    assert option_of(Form("quickstart"), "benchmarks.greedy.kind").value == '"quickstart"'
