"""Asks a model server over gRPC, by the server's own package `tensorflow-serving-api`."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from svg_tf.serving.error import ExportError

try:
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc
except ImportError as missing:
    raise ExportError(
        f"gRPC needs the package tensorflow-serving-api ({missing}): pip install 'svg_tf[serving]', or use REST"
    ) from None

# gRPC's own limit of an answer is 4 MiB, which is 256 frames of 64x64 pixels.
UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class GrpcClient:
    """A model on a server, by gRPC."""

    def __init__(self, server: str, model: str, timeout: float = 60.0):
        """Connects with the first question.

        Args:
            server: host:port of the gRPC interface.
            model: the model's name on the server.
            timeout: seconds to wait for an answer.
        """
        self._server, self._model, self._timeout = server, model, timeout
        self._channel = grpc.insecure_channel(server, UNLIMITED)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def context_shape(self) -> tuple[int, ...]:
        """(P, H, W, C) of the contexts that the model takes."""
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self._model
        definitions = get_model_metadata_pb2.SignatureDefMap()
        self._ask(self._stub.GetModelMetadata, request).metadata["signature_def"].Unpack(definitions)
        shape = definitions.signature_def["serving_default"].inputs["context"].tensor_shape
        return tuple(axis.size for axis in shape.dim[1:])

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature; strings are arrays of bytes objects.

        Raises:
            ExportError: the server is not there, has no such model or signature, or refuses the request.
        """
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self._model, signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        outputs = self._ask(self._stub.Predict, request).outputs
        return {name: tf.make_ndarray(tensor) for name, tensor in outputs.items()}

    def _ask(self, method: Callable, request: Any) -> Any:
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            words = (error.details() or "").split("\n")[0]
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                sentence = f"no server answers at {self._server} ({words}); start it, or name another"
            elif error.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
                sentence = f"no answer from {self._server} within {self._timeout:g} s; allow more time"
            elif error.code() == grpc.StatusCode.NOT_FOUND:
                sentence = f"the server at {self._server} has no model {self._model} to serve: {words}"
            else:
                sentence = f"the server at {self._server} refuses the request: {words} ({error.code().name})"
            raise ExportError(sentence) from None
