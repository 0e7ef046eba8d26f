"""The schema as JSON Schema, and that it explains every option."""

import json

from irltui.api.registry import Registry
from irltui.config.json_schema import json_schema
from irltui.config.keys import tables
from irltui.config.load import load


def test_every_option_is_documented() -> None:
    for keys, model in tables():
        for name, field in model.model_fields.items():
            assert (
                field.description
                or (*keys, name) in {k for k, _ in tables()}
                or name
                in {
                    "objective",
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
        "oneOf": [{"$ref": f"#/$defs/reward.{kind}"} for kind in ("implicit", "explicit", "function", "similarity")]
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
