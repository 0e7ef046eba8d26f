"""The form means what the command line means."""

from __future__ import annotations

from irltui.config.shape import tables
from irltui.dashboard.form import Form, form_presets
from irltui.registry import Registry


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


def test_presets_that_describe_one_run_are_offered() -> None:
    assert {"irft", "spin", "sft"} <= set(form_presets())
