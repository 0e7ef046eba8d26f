"""Where keys stand."""

import tomllib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irltui.config.toml import key_lines, split_key

DOCUMENT = '''\
algorithm = "irft"
loop.batch = 8

[data]   # the demonstrations
source = """
[not.a.table]
key = 1
"""
columns = { prompt = "p", completion = 'c' }

["quoted table".'inner']
'a key' = [
  1,  # = not = a = key
  { nested = 2 },
]
"b.c" = 'x'
[ reward ]
kind="implicit"
beta  =  0.1
'''


def test_every_key_of_every_form_has_its_line() -> None:
    lines = key_lines(DOCUMENT)
    assert lines["algorithm",] == 1
    assert lines["loop",] == lines["loop", "batch"] == 2
    assert lines["data",] == 4
    assert lines["data", "source"] == 5
    assert lines["data", "columns"] == lines["data", "columns", "completion"] == 9
    assert lines["quoted table", "inner", "a key"] == 12
    assert lines["quoted table", "inner", "b.c"] == 16
    assert lines["reward", "beta"] == 19
    assert ("not", "a", "table") not in lines
    assert ("key",) not in lines


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("a", ("a",)),
        ("a.b-c . d_1", ("a", "b-c", "d_1")),
        ('benchmarks."my own".count', ("benchmarks", "my own", "count")),
        ("'a.b'.c", ("a.b", "c")),
        ("", None),
        ("a..b", None),
        (".a", None),
        ("a b", None),
        ("ä", None),
    ],
)
def test_a_dotted_key_splits_as_toml_does(text, keys) -> None:
    assert split_key(text) == keys


@given(st.text(max_size=200))
def test_any_text_is_a_key_or_none(text) -> None:
    keys = split_key(text)
    assert keys is None or all(isinstance(part, str) for part in keys)


KEYS = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.sampled_from(['"q.r"', "'lit]eral'", '"e\\"s"'])
)
VALUES = st.sampled_from(
    ["1", '"#[]{}="', "'''\nx = 1\n[t]\n'''", "[1, [2, {a = 3}]]", "{ b = 1 }", "2020-01-01", '"""\n"""']
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=12, unique_by=lambda pair: pair[0]))
def test_keys_are_found_in_order_whatever_their_values_are(pairs) -> None:
    text = "".join(f"{key} = {value}\n" for key, value in pairs)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # "a" and a are the same key
        return
    lines = key_lines(text)
    found = [lines[key,] for key in document]
    assert all(before < after for before, after in pairwise(found))
    assert all(text.splitlines()[line - 1].startswith(key) for line, (key, _) in zip(found, pairs, strict=True))
