"""Asks a model server over REST: JSON, in columns or in rows; needs nothing but Python and NumPy."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np

from svg_tf.serving import byte_strings
from svg_tf.serving.error import ExportError

_DTYPES = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_INT64": np.int64, "DT_STRING": object}


class RestClient:
    """A model on a server, by REST."""

    def __init__(self, server: str, model: str, timeout: float = 60.0, rows: bool = False):
        """Connects with the first question.

        Args:
            server: host:port of the REST interface.
            model: the model's name on the server.
            timeout: seconds to wait for an answer.
            rows: send and take a list of rows ("instances") in place of columns ("inputs").
        """
        self._server, self._url, self._timeout, self._rows = (
            server,
            f"http://{server}/v1/models/{model}",
            timeout,
            rows,
        )
        self._model = model
        self._signatures: dict[str, Any] | None = None

    def context_shape(self) -> tuple[int, ...]:
        """(P, H, W, C) of the contexts that the model takes."""
        return tuple(_shape(self._signature("serving_default")["inputs"]["context"])[1:])

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature; strings are arrays of bytes objects.

        Raises:
            ExportError: the server is not there, has no such model or signature, or refuses the request.
        """
        outputs = self._signature(signature)["outputs"]
        columns = {name: _to_json(value) for name, value in inputs.items()}
        if self._rows:
            counts = {name: len(column) for name, column in columns.items()}
            if len(set(counts.values())) > 1:
                raise ExportError(f"inputs of rows must have as many rows as one another, but they have {counts}")
            names = list(columns)
            body = {"instances": [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]}
            found = self._ask(":predict", {"signature_name": signature, **body})["predictions"]
            if len(outputs) > 1:
                found = {name: [row[name] for row in found] for name in outputs}
        else:
            found = self._ask(":predict", {"signature_name": signature, "inputs": columns})["outputs"]
        if len(outputs) == 1:  # a single output comes without its name
            found = {name: found for name in outputs}
        return {name: _from_json(found[name], info) for name, info in outputs.items()}

    def _signature(self, name: str) -> dict[str, Any]:
        if self._signatures is None:
            self._signatures = self._ask("/metadata")["metadata"]["signature_def"]["signature_def"]
        if name not in self._signatures:
            raise ExportError(f"the model {self._model} at {self._server} has no signature {name}")
        return self._signatures[name]

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                words = _error_words(error.read()) or error.reason
            what = f"has no model {self._model} to serve" if error.code == 404 else "refuses the request"
            raise ExportError(f"the server at {self._server} {what}: {words}") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                late = f"no answer from {self._server} within {self._timeout:g} s; allow more time"
                raise ExportError(late) from None
            raise ExportError(f"no server answers at {self._server} ({reason}); start it, or name another") from None
        except ValueError:
            raise ExportError(f"what answers at {self._server} is no model server: it sends no JSON") from None


def _error_words(data: bytes) -> str:
    try:
        return str(json.loads(data)["error"]).split("\n")[0]
    except (ValueError, KeyError, TypeError):
        return ""


def _shape(info: Mapping[str, Any]) -> list[int]:
    return [int(axis["size"]) for axis in info["tensor_shape"]["dim"]]


def _to_json(value: np.ndarray) -> list:
    if value.dtype != object:
        return value.tolist()
    if value.ndim > 1:
        return [_to_json(row) for row in value]
    return [{"b64": base64.b64encode(item).decode()} for item in value]


def _from_json(value: Any, info: Mapping[str, Any]) -> np.ndarray:
    dtype = _DTYPES[info["dtype"]]
    if dtype is not object:
        return np.array(value, dtype)
    return byte_strings.to_array(value, lambda item: base64.b64decode(item["b64"]))
