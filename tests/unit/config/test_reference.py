"""The schema in other forms: the reference page and JSON Schema."""

import json
from pathlib import Path

from irltui.api.registry import Registry
from irltui.config.json_schema import json_schema
from irltui.config.keys import tables
from irltui.config.load import load
from irltui.config.reference import reference

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_the_reference_page_is_what_the_schema_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(Registry()), (
        "run: python -m irltui.config.reference > docs/reference/configuration.md"
    )


def test_every_option_is_documented() -> None:
    for keys, model in tables():
        for name, field in model.model_fields.items():
            assert (
                field.description
                or (*keys, name) in {k for k, _ in tables()}
                or name
                in {
                    "reward",
                    "sampler",
                    "update",
                    "benchmarks",
                }
            ), f"{keys} {name}"


def test_the_json_schema_describes_every_component_by_its_kind() -> None:
    schema = json_schema(Registry())
    assert json.loads(json.dumps(schema)) == schema
    assert schema["properties"]["reward"] == {
        "oneOf": [{"$ref": "#/$defs/reward.implicit"}, {"$ref": "#/$defs/reward.explicit"}]
    }
    assert schema["properties"]["update"]["oneOf"] == [
        {"$ref": "#/$defs/update.rloo"},
        {"$ref": "#/$defs/update.boltzmann"},
    ]
    assert schema["$defs"]["reward.implicit"]["properties"]["kind"]["const"] == "implicit"
    assert schema["$defs"]["reward.implicit"]["properties"]["beta"]["exclusiveMinimum"] == 0
    assert "benchmark.quickstart" in schema["$defs"]
    assert schema["required"] == ["model", "data"]


def test_the_json_schema_knows_every_key_of_a_configuration() -> None:
    config = load("irft", ["model.name=m", "data.source=d"]).config.model_dump(mode="json")
    assert set(config) == set(json_schema(Registry())["properties"])
