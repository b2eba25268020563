"""A small server on this machine alone that speaks TensorFlow Serving's gRPC and REST, for tests and load tests.

It takes the official message and service definitions and runs the model through the C++ runtime, as the server does,
so it shows that clients, signatures and artefact fit together. It is not TensorFlow Serving, and not for others.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from http.server import ThreadingHTTPServer

import grpc
import numpy as np
import tensorflow as tf
from cpp_runtime import CppRuntimeError, SavedModel
from loopback_rest import RestHandler
from merging import Merger
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as SavedModelProto
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from svg_tf.serving.grpc_client import UNLIMITED

_HOST = "127.0.0.1"
_THREADS = 64
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Served:
    """A model that is loaded, under its name, with or without merging of requests."""

    def __init__(self, model: SavedModel, name: str, batching: bool):
        self.name, self.model = name, model
        self.merger = Merger(self.model.run) if batching else None
        saved = SavedModelProto()
        with open(os.path.join(model.folder, "saved_model.pb"), "rb") as file:
            saved.ParseFromString(file.read())
        self.signature_defs = saved.meta_graphs[0].signature_def

    def predict(self, name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature.

        Raises:
            CppRuntimeError: with the code of the answer: 5 no such model, 3 no such signature, or wrong inputs.
        """
        self.check_name(name)
        try:
            return (self.merger or self.model).run(signature or "serving_default", inputs)
        except (KeyError, ValueError) as error:
            raise CppRuntimeError(3, str(error.args[0])) from None

    def check_name(self, name: str) -> None:
        """Raises CppRuntimeError where the model is another."""
        if name != self.name:
            raise CppRuntimeError(5, f"Servable not found for request: Latest({name})")


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, served: Served):
        self._served = served

    def Predict(self, request, context):  # noqa: N802
        with _told(context):
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            spec = request.model_spec
            outputs = self._served.predict(spec.name, spec.signature_name, inputs)
            response = predict_pb2.PredictResponse(model_spec=spec)
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

    def GetModelMetadata(self, request, context):  # noqa: N802
        with _told(context):
            self._served.check_name(request.model_spec.name)
            definitions = get_model_metadata_pb2.SignatureDefMap(signature_def=self._served.signature_defs)
            response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
            response.metadata["signature_def"].Pack(definitions)
            return response


class _Status(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, served: Served):
        self._served = served

    def GetModelStatus(self, request, context):  # noqa: N802
        with _told(context):
            self._served.check_name(request.model_spec.name)
            response = get_model_status_pb2.GetModelStatusResponse()
            response.model_version_status.add(version=1, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE)
            return response


class _RestServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # the default is 5; more clients than that at once would be turned away


@contextlib.contextmanager
def serve(model: SavedModel, name: str = "svg", batching: bool = False) -> Iterator[tuple[str, str]]:
    """Serves a SavedModel until the context ends; gives host:port of gRPC and of REST."""
    served = Served(model, name, batching)
    server = grpc.server(futures.ThreadPoolExecutor(_THREADS), options=UNLIMITED)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(served), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Status(served), server)
    port = server.add_insecure_port(f"{_HOST}:0")
    server.start()
    handler = type("Handler", (RestHandler,), {"served": served})
    rest = _RestServer((_HOST, 0), handler)
    thread = threading.Thread(target=rest.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{_HOST}:{port}", f"{_HOST}:{rest.server_port}"
    finally:
        rest.shutdown()
        rest.server_close()
        server.stop(None).wait()
        if served.merger:
            served.merger.close()


@contextlib.contextmanager
def _told(context: grpc.ServicerContext) -> Iterator[None]:
    """Makes an error of the request the answer."""
    try:
        yield
    except CppRuntimeError as error:
        context.abort(_CODES[error.code], str(error))
    except (TypeError, ValueError) as error:  # a tensor whose bytes are not its shape's
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
