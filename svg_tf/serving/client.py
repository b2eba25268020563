"""Clients of a model server: REST with the standard library, gRPC with the package tensorflow-serving-api."""

import base64
import functools
import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from svg_tf.serving import ExportError

Arrays = Mapping[str, np.ndarray]


class ModelShape(NamedTuple):
    """Shapes of a served model."""

    context: tuple[int, ...]  # (P, H, W, C)
    horizon: int  # T of the signatures without an input `horizon`


def draw_futures(
    client: "RestClient", context: np.ndarray, seeds: Sequence[int], horizon: int = 0, signature: str = "futures"
) -> np.ndarray:
    """Draw futures of one context.

    Args:
        client: a RestClient or GrpcClient of the server.
        context: uint8 [P, H, W, C].
        seeds: S integers in [0, 2**53), one for each future.
        horizon: T, the frames to predict; 0 is the model's own. Other values need the signature `futures`.
        signature: `futures`; `future`, one row for each future, for a server that merges requests; or `futures_png`,
            which sends and receives PNG files, a tenth of the bytes.

    Returns:
        Frames, float32 [S, T, H, W, C] in [0, 1].

    Raises:
        ExportError: the server does not answer, has no such model or signature, or refuses the request.
    """
    row = np.asarray(seeds, np.int64)[np.newaxis]  # [1, S]
    scaled = context[np.newaxis] / np.float32(255)
    if signature == "future":
        return client.predict("future", {"context": np.repeat(scaled, row.size, axis=0), "seed": row[0]})["frames"]
    if signature == "futures_png":
        files = np.array([[encode_png(frame) for frame in context]], object)
        answer = client.predict("futures_png", {"context_bytes": files, "seeds": row})["frames_bytes"][0]
        return np.array([[decode_png(file) for file in future] for future in answer]) / np.float32(255)
    horizons = np.array([horizon or client.shape().horizon], np.int32)
    return client.predict("futures", {"context": scaled, "seeds": row, "horizon": horizons})["frames"][0]


class RestClient:
    """A served model over REST.

    `shape` returns the shapes from the server's metadata. `predict` runs a signature with arrays by name, strings
    as object arrays of bytes. Both raise ExportError, as `draw_futures` does.
    """

    def __init__(self, server: str, model: str = "svg", timeout: float = 60.0):
        self._server, self._model, self._timeout = server, model, timeout

    def shape(self) -> ModelShape:
        signature = self._signatures["serving_default"]
        infos = signature["inputs"]["context"], signature["outputs"]["frames"]
        context, frames = ([int(axis["size"]) for axis in info["tensor_shape"]["dim"]] for info in infos)
        return ModelShape(tuple(context[1:]), frames[2])

    def predict(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
        if signature not in self._signatures:
            raise ExportError(f"the model {self._model} at {self._server} has no signature {signature}")
        infos = self._signatures[signature]["outputs"]
        columns = {name: _to_json(value) for name, value in inputs.items()}
        outputs = self._send(":predict", {"signature_name": signature, "inputs": columns})["outputs"]
        if len(infos) == 1:  # the server leaves out the name of a single output
            outputs = {name: outputs for name in infos}
        return {name: _from_json(outputs[name], info["dtype"]) for name, info in infos.items()}

    @functools.cached_property
    def _signatures(self) -> dict[str, Any]:
        """The server's SignatureDef messages by name, as JSON."""
        return self._send("/metadata")["metadata"]["signature_def"]["signature_def"]

    def _send(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        url, data = f"http://{self._server}/v1/models/{self._model}{path}", json.dumps(body).encode() if body else None
        try:
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(error.code == 404, _error_text(error)) from None
        except OSError as error:
            raise self._no_answer(getattr(error, "reason", error)) from None
        except ValueError:
            raise ExportError(f"{self._server} is not the REST address of a model server; name it host:port") from None

    def _refusal(self, unknown: bool, text: str) -> ExportError:
        what = f"has no model {self._model}" if unknown else "refused the request"
        return ExportError(f"the server at {self._server} {what}: {text}")

    def _no_answer(self, reason: Any) -> ExportError:
        if isinstance(reason, TimeoutError):
            return ExportError(f"no answer from {self._server} within {self._timeout:g} s; raise the timeout")
        return ExportError(f"no server answers at {self._server} ({reason}); start it, or name another address")


class GrpcClient(RestClient):
    """A served model over gRPC, with the methods of RestClient."""

    def __init__(self, server: str, model: str = "svg", timeout: float = 60.0):
        super().__init__(server, model, timeout)
        try:
            import grpc
            from tensorflow_serving.apis import prediction_service_pb2_grpc
        except ImportError as missing:
            raise ExportError(f"gRPC needs tensorflow-serving-api ({missing}); pip install it, or use REST") from None
        # gRPC's default limit of 4 MiB is 256 frames of 64x64 pixels.
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server, options))

    def predict(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model, signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        outputs = self._call(self._stub.Predict, request).outputs
        return {name: tf.make_ndarray(tensor) for name, tensor in outputs.items()}

    @functools.cached_property
    def _signatures(self) -> dict[str, Any]:
        from google.protobuf import json_format
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self._model
        definitions = get_model_metadata_pb2.SignatureDefMap()
        self._call(self._stub.GetModelMetadata, request).metadata["signature_def"].Unpack(definitions)
        return json_format.MessageToDict(definitions, preserving_proto_field_name=True)["signature_def"]

    def _call(self, method: Callable, request: Any) -> Any:
        import grpc

        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            text, code = (error.details() or "").split("\n")[0], error.code()
            if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise self._no_answer(text if code == grpc.StatusCode.UNAVAILABLE else TimeoutError()) from None
            raise self._refusal(code == grpc.StatusCode.NOT_FOUND, text) from None


def encode_png(frame: np.ndarray) -> bytes:
    """Encode a frame, uint8 [H, W, C] with C of 1 or 3, as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).save(buffer, "PNG")
    return buffer.getvalue()


def decode_png(file: bytes) -> np.ndarray:
    """Decode a PNG file to a frame, uint8 [H, W, C]."""
    return np.atleast_3d(np.asarray(Image.open(io.BytesIO(file))))


def _error_text(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]).split("\n")[0]
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def _to_json(value: np.ndarray) -> Any:
    if value.dtype == object:
        value = np.frompyfunc(lambda item: {"b64": base64.b64encode(item).decode()}, 1, 1)(value)
    return value.tolist()


def _from_json(value: Any, dtype: str) -> np.ndarray:
    if dtype == "DT_FLOAT":
        return np.array(value, np.float32)
    leaves = np.array(value, object)  # dicts are leaves for NumPy
    return np.frompyfunc(lambda item: base64.b64decode(item["b64"]), 1, 1)(leaves)
