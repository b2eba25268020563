"""A stand-in for TensorFlow Serving: the official gRPC messages, and REST as its manual describes it."""

import base64
import contextlib
import json
import re
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from served_model import Runtime
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc


class _RefusedError(Exception):
    """A request that the server refuses: the code and the message."""


class _Served(Runtime):
    def described(self, name):
        if name != "svg":
            raise _RefusedError(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({name})")
        return get_model_metadata_pb2.SignatureDefMap(signature_def=self.definitions)

    def predict(self, name, signature, inputs):
        definitions = self.described(name).signature_def
        try:
            if signature not in definitions:
                raise ValueError(f'Serving signature name: "{signature}" not found in signature def')
            if inputs.keys() != set(definitions[signature].inputs):
                raise ValueError(f"the inputs are not {sorted(definitions[signature].inputs)}")
            return self.run(signature, inputs)
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise _RefusedError(grpc.StatusCode.INVALID_ARGUMENT, " ".join(str(error).split())) from None


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, served):
        self._served = served

    def Predict(self, request, context):  # noqa: N802
        with _aborting(context):
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            spec = request.model_spec
            outputs = self._served.predict(spec.name, spec.signature_name or "serving_default", inputs)
            protos = {name: tf.make_tensor_proto(value) for name, value in outputs.items()}
            return predict_pb2.PredictResponse(model_spec=spec, outputs=protos)

    def GetModelMetadata(self, request, context):  # noqa: N802
        with _aborting(context):
            response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
            response.metadata["signature_def"].Pack(self._served.described(request.model_spec.name))
            return response


class _RestHandler(BaseHTTPRequestHandler):
    """https://www.tensorflow.org/tfx/serving/api_rest; a subclass has the model as `served`."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def do_GET(self):  # noqa: N802
        body, status = self.rfile.read(int(self.headers.get("Content-Length", 0))), 200
        name = re.fullmatch("/v1/models/(.+)(/metadata|:predict)", self.path)[1]
        try:
            content = self._predict(name, json.loads(body)) if body else self._describe(name)
        except _RefusedError as error:
            code, text = error.args
            status, content = 404 if code == grpc.StatusCode.NOT_FOUND else 400, {"error": text}
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET  # noqa: N815

    def _describe(self, name):
        definitions = json_format.MessageToDict(self.served.described(name), preserving_proto_field_name=True)
        return {"model_spec": {"name": name}, "metadata": {"signature_def": definitions}}

    def _predict(self, name, request):
        signature, rows = request.get("signature_name", "serving_default"), request.get("instances")
        columns = {key: [row[key] for row in rows] for key in rows[0]} if rows else request["inputs"]
        definition = self.served.definitions.get(signature)
        inputs = {key: _array(value, definition.inputs[key].dtype) for key, value in columns.items() if definition}
        outputs = {key: _listed(value) for key, value in self.served.predict(name, signature, inputs).items()}
        if len(outputs) == 1:  # a single output comes without its name
            (outputs,) = outputs.values()
        elif rows:
            outputs = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
        return {"predictions" if rows else "outputs": outputs}


@contextlib.contextmanager
def serve(folder):
    """Serves a SavedModel as `svg` until the context ends; gives host:port of gRPC and of REST."""
    served, unlimited = _Served(folder), [("grpc.max_receive_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(2), options=unlimited)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(served), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    rest = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_RestHandler,), {"served": served}))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{port}", f"127.0.0.1:{rest.server_port}"
    finally:
        rest.shutdown()
        rest.server_close()
        server.stop(None).wait()


@contextlib.contextmanager
def _aborting(context):
    try:
        yield
    except _RefusedError as error:
        context.abort(*error.args)


def _array(value, number):
    dtype = tf.as_dtype(number)
    if dtype != tf.string:
        return np.array(value, dtype.as_numpy_dtype)
    return np.frompyfunc(lambda item: base64.b64decode(item["b64"]), 1, 1)(np.array(value, object))


def _listed(value):
    if value.dtype != object:
        return value.tolist()
    return np.frompyfunc(lambda item: {"b64": base64.b64encode(item).decode()}, 1, 1)(value).tolist()
