"""REST as TensorFlow Serving speaks it: https://www.tensorflow.org/tfx/serving/api_rest."""

import base64
import json
import re
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
from cpp_runtime import CppRuntimeError
from google.protobuf import json_format

from svg_tf.serving import byte_strings

_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+)(?:/versions/\d+)?(?P<what>/metadata|:predict)?")
_STATUS = {3: 400, 5: 404}  # INVALID_ARGUMENT, NOT_FOUND
_TYPES = {1: np.float32, 3: np.int32, 9: np.int64, 7: object}


class RestHandler(BaseHTTPRequestHandler):
    """Answers one connection; a subclass has the model as `served`."""

    protocol_version = "HTTP/1.1"
    served: Any
    wbufsize = -1  # head and body leave together

    def do_GET(self) -> None:  # noqa: N802
        """Status and metadata."""
        self._answer(self._get)

    def do_POST(self) -> None:  # noqa: N802
        """Predictions."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(lambda name, what: self._predict(name, what, body))

    def log_message(self, *_) -> None:
        """Nothing."""

    def _answer(self, make: Any) -> None:
        try:
            path = _PATH.fullmatch(self.path)
            if not path:
                raise CppRuntimeError(3, f"Malformed request: {self.command} {self.path}")
            status, content = 200, make(path["name"], path["what"])
        except CppRuntimeError as error:
            status, content = _STATUS.get(error.code, 500), {"error": str(error)}
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _get(self, name: str, what: str | None) -> dict[str, Any]:
        self.served.check_name(name)
        if what is None:
            return {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}
        definitions = {
            key: json_format.MessageToDict(value, preserving_proto_field_name=True)
            for key, value in self.served.signature_defs.items()
        }
        return {"model_spec": {"name": name}, "metadata": {"signature_def": {"signature_def": definitions}}}

    def _predict(self, name: str, what: str | None, body: bytes) -> dict[str, Any]:
        try:
            request = json.loads(body)
            signature = request.get("signature_name", "serving_default")
            self.served.check_name(name)
            if signature not in self.served.signature_defs:
                raise CppRuntimeError(3, f"Serving signature name: {json.dumps(signature)} not found in signature def")
            definition = self.served.signature_defs[signature]
            if ("instances" in request) == ("inputs" in request):
                raise CppRuntimeError(3, "Request needs 'instances' or 'inputs', and not both")
            rows = "instances" in request
            columns = _columns(request["instances"]) if rows else request["inputs"]
            if not isinstance(columns, dict) or set(columns) != set(definition.inputs):
                raise CppRuntimeError(3, f"Request needs the inputs {', '.join(sorted(definition.inputs))}")
            inputs = {key: _array(value, definition.inputs[key].dtype) for key, value in columns.items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CppRuntimeError(3, f"JSON Parse error: {error}") from None
        outputs = {key: _listed(key, value) for key, value in self.served.predict(name, signature, inputs).items()}
        if not rows:
            return {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values()))}
        keys = list(outputs)
        return {"predictions": [dict(zip(keys, row, strict=True)) for row in zip(*outputs.values(), strict=True)]}


def _columns(instances: list) -> dict[str, list]:
    """Every input is stacked along a new first axis; all rows have the same keys."""
    keys = set(instances[0])
    if any(set(row) != keys for row in instances):
        raise ValueError("instances have different inputs")
    return {key: [row[key] for row in instances] for key in keys}


def _array(value: Any, kind: int) -> np.ndarray:
    dtype = _TYPES[kind]
    if dtype is not object:
        if not np.all(np.isfinite(np.array(value, np.float64))) and dtype is not np.float32:
            raise ValueError("a number is not finite")
        return np.array(value, dtype)  # a list of unequal lengths raises
    return byte_strings.to_array(value, _decoded)


def _decoded(value: Any) -> bytes:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def _listed(name: str, value: np.ndarray) -> list:
    """A name that ends in _bytes tells the server that a string is not text."""
    if value.dtype != object:
        return value.tolist()
    if value.ndim > 1:
        return [_listed(name, row) for row in value]
    return [{"b64": base64.b64encode(item).decode()} if name.endswith("_bytes") else item.decode() for item in value]
