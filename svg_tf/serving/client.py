"""Clients of a model server: REST with the standard library, gRPC with the package tensorflow-serving-api.

client = RestClient("localhost:8501")
frames = draw_futures(client, context, seeds=range(8))  # uint8 [P, H, W, C] -> float32 [8, T, H, W, C]
"""

import base64
import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from svg_tf.serving import ExportError

_REST_DTYPES = {"DT_FLOAT": np.float32, "DT_INT32": np.int32, "DT_INT64": np.int64}
Arrays = Mapping[str, np.ndarray]


class ModelShape(NamedTuple):
    """Shapes of a served model."""

    context: tuple[int, ...]  # (P, H, W, C)
    horizon: int  # T of the signatures without an input `horizon`


def draw_futures(
    client: "RestClient | GrpcClient",
    context: np.ndarray,
    seeds: Sequence[int],
    horizon: int = 0,
    signature: str = "futures",
) -> np.ndarray:
    """Draw futures of one context.

    Args:
        client: a client of the server.
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
    numbers = np.asarray(seeds, np.int64)
    scaled = context[np.newaxis] / np.float32(255)
    if signature == "future":
        inputs: Arrays = {"context": np.repeat(scaled, len(numbers), axis=0), "seed": numbers}
        return client.predict("future", inputs)["frames"]
    if signature == "futures_png":
        files = np.empty([1, len(context)], object)
        files[0] = [encode_png(frame) for frame in context]
        answer = client.predict("futures_png", {"context_bytes": files, "seeds": numbers[np.newaxis]})
        decoded = [[decode_png(file, context.shape[-1]) for file in future] for future in answer["frames_bytes"][0]]
        return np.array(decoded) / np.float32(255)
    horizons = np.array([horizon or client.shape().horizon], np.int32)
    inputs = {"context": scaled, "seeds": numbers[np.newaxis], "horizon": horizons}
    return client.predict("futures", inputs)["frames"][0]


class RestClient:
    """A served model over REST.

    `shape` returns the shapes from the server's metadata. `predict` runs a signature with arrays by name, strings
    as object arrays of bytes. Both raise ExportError, as `draw_futures` does.
    """

    def __init__(self, server: str, model: str = "svg", timeout: float = 60.0):
        self._server, self._model, self._timeout = server, model, timeout
        self._signatures: dict[str, Any] = {}

    def shape(self) -> ModelShape:
        signature = self._signature("serving_default")
        sizes = {
            name: [int(axis["size"]) for axis in signature[side][name]["tensor_shape"]["dim"]]
            for side, name in (("inputs", "context"), ("outputs", "frames"))
        }
        return ModelShape(tuple(sizes["context"][1:]), sizes["frames"][2])

    def predict(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
        infos = self._signature(signature)["outputs"]
        columns = {name: _to_json(value) for name, value in inputs.items()}
        outputs = self._ask(":predict", {"signature_name": signature, "inputs": columns})["outputs"]
        if len(infos) == 1:  # the server leaves out the name of a single output
            outputs = {name: outputs for name in infos}
        return {name: _from_json(outputs[name], info["dtype"]) for name, info in infos.items()}

    def _signature(self, name: str) -> dict[str, Any]:
        self._signatures = self._signatures or self._ask("/metadata")["metadata"]["signature_def"]["signature_def"]
        if name not in self._signatures:
            raise ExportError(f"the model {self._model} at {self._server} has no signature {name}")
        return self._signatures[name]

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://{self._server}/v1/models/{self._model}{path}"
        try:
            request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(self._server, self._model, error.code == 404, _error_text(error)) from None
        except OSError as error:
            raise _no_answer(self._server, self._timeout, getattr(error, "reason", error)) from None
        except ValueError:
            raise ExportError(f"{self._server} is not the REST address of a model server; name it host:port") from None


class GrpcClient:
    """A served model over gRPC, with the methods of RestClient."""

    def __init__(self, server: str, model: str = "svg", timeout: float = 60.0):
        try:
            import grpc
            from tensorflow_serving.apis import prediction_service_pb2_grpc
        except ImportError as missing:
            raise ExportError(f"gRPC needs tensorflow-serving-api ({missing}); pip install it, or use REST") from None
        self._server, self._model, self._timeout = server, model, timeout
        # gRPC's default limit of 4 MiB is 256 frames of 64x64 pixels.
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(server, options))

    def shape(self) -> ModelShape:
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self._model
        definitions = get_model_metadata_pb2.SignatureDefMap()
        self._ask(self._stub.GetModelMetadata, request).metadata["signature_def"].Unpack(definitions)
        signature = definitions.signature_def["serving_default"]
        context = [axis.size for axis in signature.inputs["context"].tensor_shape.dim]
        return ModelShape(tuple(context[1:]), signature.outputs["frames"].tensor_shape.dim[2].size)

    def predict(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model, signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        outputs = self._ask(self._stub.Predict, request).outputs
        return {name: tf.make_ndarray(tensor) for name, tensor in outputs.items()}

    def _ask(self, method: Callable, request: Any) -> Any:
        import grpc

        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            text, code = (error.details() or "").split("\n")[0], error.code()
            if code == grpc.StatusCode.UNAVAILABLE:
                raise _no_answer(self._server, self._timeout, text) from None
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                raise _no_answer(self._server, self._timeout, TimeoutError()) from None
            raise _refusal(self._server, self._model, code == grpc.StatusCode.NOT_FOUND, text) from None


def encode_png(frame: np.ndarray) -> bytes:
    """Encode a frame, uint8 [H, W, C] with C of 1 or 3, as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).save(buffer, "PNG")
    return buffer.getvalue()


def decode_png(file: bytes, channels: int) -> np.ndarray:
    """Decode a PNG file to a frame, uint8 [H, W, C]."""
    with Image.open(io.BytesIO(file)) as image:
        pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)


def _refusal(server: str, model: str, unknown: bool, text: str) -> ExportError:
    what = f"has no model {model}" if unknown else "refused the request"
    return ExportError(f"the server at {server} {what}: {text}")


def _no_answer(server: str, timeout: float, reason: Any) -> ExportError:
    if isinstance(reason, TimeoutError):
        return ExportError(f"no answer from {server} within {timeout:g} s; raise the timeout")
    return ExportError(f"no server answers at {server} ({reason}); start it, or name another address")


def _error_text(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"]).split("\n")[0]
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def _to_json(value: np.ndarray) -> Any:
    if value.dtype != object:
        return value.tolist()
    return [_to_json(row) for row in value] if value.ndim > 1 else [{"b64": _base64(item)} for item in value]


def _base64(item: bytes) -> str:
    return base64.b64encode(item).decode()


def _from_json(value: Any, dtype: str) -> np.ndarray:
    if dtype != "DT_STRING":
        return np.array(value, _REST_DTYPES[dtype])
    leaves = np.array(value, object)  # dicts are leaves for NumPy
    return np.frompyfunc(lambda item: base64.b64decode(item["b64"]), 1, 1)(leaves)
