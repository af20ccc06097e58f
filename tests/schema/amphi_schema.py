"""The schemas of amphi.v1's messages, for tests: one validator for each direction."""
import json
import pathlib

import jsonschema

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "signaling" / "schema"
OLD_NAMES = {"renegotiate-answer": "answer", "stream-added": "stream-activated",
             "stream-removed": "stream-deactivated"}


class Schema:
    def __init__(self, direction):
        """`direction`: "client" or "server", who sends."""
        self.document = json.loads((FOLDER / f"{direction}.json").read_text())
        jsonschema.Draft202012Validator.check_schema(self.document)
        self.types = [entry["$ref"].rsplit("/", 1)[1] for entry in self.document["oneOf"]]
        self.seen = set()
        self._validators = {
            name: jsonschema.Draft202012Validator({"$defs": self.document["$defs"],
                                                   "$ref": f"#/$defs/{name}"})
            for name in self.types}

    def faults(self, message):
        """What is wrong with a message, as sentences."""
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            return ["it is no object with a type"]
        name = OLD_NAMES.get(message["type"], message["type"])
        if name not in self._validators:
            return [f"{name} is not a type"]
        self.seen.add(name)
        return [f"{'/'.join(map(str, e.path))}: {e.message}"
                for e in self._validators[name].iter_errors(message)]

    def unnamed(self, message):
        """Fields that the schema does not name, at any depth: what we send is all documented."""
        name = OLD_NAMES.get(message["type"], message["type"])
        return list(self._unnamed(message, self.document["$defs"][name], name))

    def _resolve(self, schema):
        while "$ref" in schema:
            schema = self.document["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def _unnamed(self, value, schema, where):
        schema = self._resolve(schema)
        if isinstance(value, dict) and "properties" in schema:
            for key, inner in value.items():
                if key not in schema["properties"]:
                    yield f"{where}.{key}"
                else:
                    yield from self._unnamed(inner, schema["properties"][key], f"{where}.{key}")
        elif isinstance(value, list) and "items" in schema:
            for inner in value:
                yield from self._unnamed(inner, schema["items"], f"{where}[]")
