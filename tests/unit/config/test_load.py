"""Layers, origins, and messages word for word."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irltui.api import registry as registry_module
from irltui.config.layers import file_layer, set_layers, value_layer
from irltui.config.load import Loaded, load, load_layers
from irltui.config.render import render
from irltui.errors import ConfigError

GIVEN = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d.jsonl")]
PRESET = file_layer("preset irft", '# IRFT\n\n[reward]\nkind = "implicit"\nbeta = 0.2\n')


def problems(*layers) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_layers([*GIVEN, *layers])
    return caught.value.message.splitlines()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("reward.bta = 1", "reward.bta: unknown key; did you mean 'beta'?"),
        ("rewrad.beta = 1", "rewrad: unknown key; did you mean 'reward'?"),
        ("learning_rate = 1", "learning_rate: unknown key; did you mean 'optimizer.learning_rate'?"),
        ("sampler.zzz = 1", "sampler.zzz: unknown key (known: kind, slots)"),
        ("data.columns.promt = 'x'", "data.columns.promt: unknown key; did you mean 'prompt'?"),
        ("optimizer.learning_rate = -1e-5", "optimizer.learning_rate: must be greater than 0 (got -1e-05)"),
        ("loop.passes = 0", "loop.passes: must be at least 1 (got 0)"),
        ("data.held_out = 1.0", "data.held_out: must be less than 1 or text in quotes (got 1.0)"),
        ("decoding.top_p = 1.5", "decoding.top_p: must be at most 1 (got 1.5)"),
        ("optimizer.learning_rate = inf", "optimizer.learning_rate: must be a finite number (got inf)"),
        ("reward.beta = nan", "reward.beta: must be a finite number (got nan)"),
        ("seed = 1.5", "seed: must be a whole number (got 1.5)"),
        ("seed = '3'", "seed: must be a whole number (got '3')"),
        ("seed = true", "seed: must be a whole number (got true)"),
        ("seed = 9223372036854775808", "seed: whole numbers have at most 64 bits"),
        ("optimizer.warmup = [1]", "optimizer.warmup: must be a number (got [1])"),
        ("loop.shuffle = 'no'", "loop.shuffle: must be true or false (got 'no')"),
        ("model.revision = 2020-01-01", "model.revision: must be text in quotes (got 2020-01-01)"),
        ("model.name = ''", "model.name: must not be empty"),
        ("loop = 3", "loop: must be a table (got 3)"),
        ("reward = 3", "reward: expected a table with a 'kind'"),
        (
            "loss.kind = 'sigmod'",
            "loss.kind: must be one of 'sigmoid', 'linear', 'hinge', 'ipo', 'robust', 'sigmoid_norm' (got 'sigmod');"
            " did you mean 'sigmoid'?",
        ),
        ("data.overlong = 5", "data.overlong: must be one of 'drop', 'truncate', 'error' (got 5)"),
        ("loop.inner_steps = 0", "loop.inner_steps: must be at least 1 or 'auto' (got 0)"),
        ("data.limit = 'al'", "data.limit: must be 'all' or a whole number (got 'al'); did you mean 'all'?"),
        (
            "adapter.targets = [1]",
            "adapter.targets: must be one of 'auto', 'all-linear' or a list, each text in quotes (got [1])",
        ),
        ("reward.kind = 'implict'", "reward: no reward is called 'implict'; did you mean 'implicit'?"),
        ("benchmarks.q = {kind = 'quickstart', count = 0}", "benchmarks.q.count: must be at least 1 (got 0)"),
        ("benchmarks.q.count = 1", "benchmarks.q: expected a table with a 'kind'"),
    ],
)
def test_a_wrong_value_names_its_line_its_key_and_the_remedy(line, message) -> None:
    assert problems(file_layer("run.toml", f"# mine\n{line}\n")) == [f"run.toml:2: {message}"]


def test_a_plugin_that_is_not_installed_is_named_beside_those_that_are() -> None:
    (told,) = problems(file_layer("run.toml", "reward.kind = 'acm/x'\n"))
    assert told.startswith("run.toml:1: reward: no installed plugin is called 'acm' (known: ")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("reward.bta=1", "reward.bta: unknown key; did you mean 'beta'?"),
        ("reward.beta=-1", "reward.beta: must be greater than 0 (got -1)"),
        ("reward.kind=implict", "reward: no reward is called 'implict'; did you mean 'implicit'?"),
        ("reward", "write it as path.to.key=value"),
        ("=1", "write it as path.to.key=value"),
        ("a..b=1", "write it as path.to.key=value"),
    ],
)
def test_a_wrong_assignment_names_itself_the_key_and_the_remedy(assignment, message) -> None:
    with pytest.raises(ConfigError) as caught:
        load_layers([*GIVEN, PRESET, *set_layers([assignment])])
    assert caught.value.message == f"--set {assignment}: {message}"


def test_every_problem_is_reported_at_once_with_its_own_place() -> None:
    file = file_layer("run.toml", "[reward]\nbta = 0.5\n\n[optimizer]\nlearning_rate = -1e-5\n")
    assert problems(file, *set_layers(["loop.batch=0"])) == [
        "--set loop.batch=0: loop.batch: must be at least 1 (got 0)",
        "run.toml:2: reward.bta: unknown key; did you mean 'beta'?",
        "run.toml:5: optimizer.learning_rate: must be greater than 0 (got -1e-05)",
    ]


def test_what_only_the_user_can_know_is_asked_for_by_its_flag() -> None:
    with pytest.raises(ConfigError) as caught:
        load_layers([PRESET])
    assert caught.value.message == "model.name: required; give --model\ndata.source: required; give --data"


def test_a_rule_over_several_keys_names_the_line_of_the_key_at_fault() -> None:
    file = file_layer("run.toml", "[early_stop]\nheld_out_patience = 3\n")
    assert problems(file, *set_layers(["data.held_out=0"])) == [
        "run.toml:2: early_stop.held_out_patience needs held-out pairs: raise data.held_out"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nb = x\n", "run.toml:2: not TOML: invalid value (column 5)"),
        ("a", "run.toml: not TOML: expected '=' after a key in a key/value pair (at end of document)"),
        ("a = 1\na = 2\n", "run.toml:2: not TOML: cannot overwrite a value (column 6)"),
        (f"a = {'9' * 5000}", "run.toml: not TOML: a number has too many digits"),
        (f"a = {'[' * 5000}", "run.toml: not TOML: nested too deeply"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text, message) -> None:
    with pytest.raises(ConfigError) as caught:
        file_layer("run.toml", text)
    assert caught.value.message == message


def test_hostile_text_in_a_message_cannot_reach_a_terminal() -> None:
    layer = file_layer("run.toml", '"a\\u001b[31m\\n" = 1\nloss.link = "\\u202E\\u001b]52;c;x"\n')
    message = "\n".join(problems(layer))
    assert len(message.splitlines()) == 2
    assert not set(message) & {"\x1b", "\u202e"}


def test_later_layers_win_and_every_value_knows_where_it_came_from() -> None:
    file = file_layer("run.toml", "reward.beta = 0.3\n[loop]\nbatch = 4\npasses = 2\n")
    loaded = load_layers([PRESET, *GIVEN, file, *set_layers(["loop.batch=8"])])
    assert (loaded.config.reward.beta, loaded.config.loop.batch) == (0.3, 8)
    assert loaded.origins == {
        "model.name": "--model",
        "data.source": "--data",
        "reward.kind": "preset irft:4",
        "reward.beta": "run.toml:1",
        "loop.passes": "run.toml:4",
        "loop.batch": "--set loop.batch=8",
    }


def test_without_any_kind_the_reward_is_implicit_and_transformers_samples() -> None:
    config = load_layers(GIVEN).config
    assert (config.reward.kind, config.sampler.kind) == ("implicit", "slots")


def test_a_new_kind_of_a_part_empties_its_table_of_the_options_of_the_old_one() -> None:
    file = file_layer("run.toml", '[benchmarks.mine]\nkind = "win_rate"\ndata = "d"\nlimit = 3\n')
    loaded = load_layers([*GIVEN, file, *set_layers(["benchmarks.mine.data=e", "benchmarks.mine.kind=logprob_gap"])])
    assert loaded.config.benchmarks["mine"].model_dump()["data"] == "e"  # kinds are set first
    assert "benchmarks.mine.limit" not in loaded.origins


def test_naming_the_kind_that_is_there_already_forgets_nothing() -> None:
    file = file_layer("run.toml", "optimizer.learning_rate = 0.5\n")
    loaded = load_layers([*GIVEN, file, *set_layers(["optimizer.kind=adamw", "reward.kind=implicit"])])
    assert loaded.config.optimizer.learning_rate == 0.5


def test_a_table_of_another_layer_may_replace_a_value_and_the_other_way_round() -> None:
    first, second = file_layer("a.toml", "loop = 1\n"), file_layer("b.toml", "loop.batch = 8\n")
    assert load_layers([*GIVEN, first, second]).config.loop.batch == 8
    assert problems(second, first) == ["a.toml:1: loop: must be a table (got 1)"]


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("model.name=org/name", "org/name"),
        ('model.name="org/name"', "org/name"),
        ("model.name=a\nb = 2", "a\nb = 2"),
        ("model.name=", ""),
        ("model.name=a=b", "a=b"),
    ],
)
def test_the_right_side_of_an_assignment_is_toml_or_else_text(assignment, value) -> None:
    (layer,) = set_layers([assignment])
    assert layer.values == {"model": {"name": value}}


ACME = """
from irltui.api import RewardSpec, hookimpl

class Unfinished(RewardSpec):
    implicit = True
    beta: float = 0.2
    limit: float = 1.0

class Bounded(Unfinished):
    def build(self, context):
        raise NotImplementedError

@hookimpl
def irltui_rewards():
    return {"bounded": Bounded, "unfinished": Unfinished}
"""


def test_a_plugin_kind_validates_its_own_options(monkeypatch, tmp_path) -> None:
    (tmp_path / "acme_rewards_under_test.py").write_text(ACME)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("acme", "acme_rewards_under_test", "irltui")
    monkeypatch.setattr(registry_module, "installed", lambda: {"acme": entry})
    file = file_layer("run.toml", '[reward]\nkind = "acme/bounded"\nlimit = 2.0\n')
    reward = load_layers([*GIVEN, PRESET, file]).config.reward
    assert reward.model_dump() == {
        "kind": "acme/bounded",
        "beta": 0.2,
        "limit": 2.0,
    }  # the preset's beta is another kind's
    assert problems(PRESET, file, *set_layers(["reward.limt=3"])) == [
        "--set reward.limt=3: reward.limt: unknown key; did you mean 'limit'?"
    ]
    (line,) = problems(*set_layers(["reward.kind=acme/unfinished"]))
    assert line.startswith(
        "--set reward.kind=acme/unfinished: reward: 'acme/unfinished' cannot take options: TypeError("
    )


def test_a_broken_plugin_hurts_only_those_who_name_it(monkeypatch) -> None:
    broken = EntryPoint("broken", "no_such_module_of_broken", "irltui")
    monkeypatch.setattr(registry_module, "installed", lambda: {"broken": broken})
    assert load_layers([*GIVEN, PRESET]).config.reward.kind == "implicit"
    (line,) = problems(*set_layers(["reward.kind=broken/x"]))
    assert line.startswith("--set reward.kind=broken/x: reward: plugin 'broken' (irltui ")
    assert "does not load: ModuleNotFoundError" in line


def test_the_printed_configuration_loads_to_the_same_configuration() -> None:
    odd = ['model.name="q\\"\\\\\\n\\u202E\\u007F\\U0001F600 x"', 'adapter.targets=["q_proj", "v"]', "data.limit=5"]
    loaded = load_layers([PRESET, *GIVEN, *set_layers([*odd, 'benchmarks."my own".kind=quickstart'])])
    text = render(loaded)
    assert load_layers([file_layer("printed", text)]).config == loaded.config
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "beta = 0.2                                    # preset irft:5" in text
    assert "seed = 0                                      # default" in text
    assert '[benchmarks."my own"]' in text


ANYTHING = st.text(max_size=80)
PATHS = st.sampled_from(
    ["reward.kind", "seed", "loop", "loop.batch", "data.source", "reward", "benchmarks.x", "optimizer"]
)
SCALARS = st.sampled_from(
    ["1", "-1", "nan", "inf", '"x"', "[[1]]", "{}", "{kind=1}", "{a={b={}}}", "2020-01-01", "0x" + "f" * 4000]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(ANYTHING, st.builds("{}={}".format, PATHS, st.one_of(SCALARS, ANYTHING))), max_size=4))
def test_any_assignments_give_a_configuration_or_a_config_error(assignments) -> None:
    try:
        assert isinstance(load_layers([*GIVEN, *set_layers(assignments)]), Loaded)
    except ConfigError:
        return


@settings(max_examples=300, deadline=None)
@given(st.one_of(ANYTHING, st.lists(st.builds("{} = {}".format, PATHS, SCALARS), max_size=4).map("\n".join)))
def test_any_file_gives_a_configuration_or_a_config_error(text) -> None:
    try:
        loaded = load_layers([*GIVEN, file_layer("run.toml", text)])
        assert load_layers([file_layer("printed", render(loaded))]).config == loaded.config
    except ConfigError:
        return


def test_loading_never_imports_what_the_engine_needs() -> None:
    code = """
import sys
from irltui.config.load import load
load("irft", ["model.name=m", "data.source=d"])
heavy = {"torch", "transformers", "accelerate", "datasets", "peft", "numpy", "textual"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_load_takes_a_preset_and_assignments() -> None:
    loaded = load("irft", ["loop.batch=3"], flags=GIVEN)
    assert loaded.config.loop.batch == 3
    assert loaded.origins["loop.outer_iterations"].startswith("preset irft:")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("reward.beta=true", "reward.beta: must be a number (got true)"),
        ('reward.beta="0.5"', "reward.beta: must be a number (got '0.5')"),
        ('sampler.slots="3"', "sampler.slots: must be a whole number (got '3')"),
        ("sampler.slots=3.0", "sampler.slots: must be a whole number (got 3.0)"),
        ('benchmarks.g={kind="quickstart",count=true}', "benchmarks.g.count: must be a whole number (got true)"),
    ],
)
def test_options_of_parts_have_types(assignment: str, message: str) -> None:
    (line,) = problems(*set_layers([assignment]))
    assert line.endswith(message)


def test_a_whole_number_is_a_number() -> None:
    assert load_layers([*GIVEN, *set_layers(["reward.beta=1"])]).config.reward.beta == 1.0


TYPED = """
from irltui.api import RewardSpec, hookimpl

class Typed(RewardSpec):
    learns = False
    sizes: tuple[int, ...] = (1,)
    flag: bool = False

    def build(self, context):
        raise NotImplementedError

@hookimpl
def irltui_rewards():
    return {"typed": Typed}
"""


def test_options_of_plugins_have_types_and_lists_become_tuples(monkeypatch, tmp_path) -> None:
    (tmp_path / "typed_rewards_under_test.py").write_text(TYPED)
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("acme", "typed_rewards_under_test", "irltui")
    monkeypatch.setattr(registry_module, "installed", lambda: {"acme": entry})
    rft = [*set_layers(["algorithm=rft", "reference.kind=fixed", "reward.kind=acme/typed"])]
    given = set_layers(["reward.sizes=[1,2]", "reward.beta=1"])
    assert load_layers([*GIVEN, *rft, *given]).config.reward.sizes == (1, 2)
    (line,) = problems(*rft, *given, *set_layers(["reward.flag=1"]))
    assert line.endswith("reward.flag: must be true or false (got 1)")
    assert load_layers([*GIVEN, *rft]).config.reward.beta == 0.1  # every reward has one, and config show tells it


def test_a_new_kind_keeps_the_options_that_all_kinds_of_its_table_have() -> None:
    below = file_layer("preset p", 'loss = { kind = "sigmoid", gamma = 0.3 }\n')
    config = load_layers([*GIVEN, below, *set_layers(["loss.kind=hinge"])]).config
    assert (config.loss.kind, config.loss.gamma) == ("hinge", 0.3)
