"""A stand-in for TensorFlow Serving on this machine: the official gRPC messages, and REST as its manual describes it.

A session runs the model. With batching, TensorFlow's own scheduler merges the requests: `SharedBatchScheduler` behind
`tf.nondifferentiable_batch_function`, the class that the server's `bundle_factory_util.cc` creates a queue of for each
signature. What the server's `batching_session.cc` adds to it, and its REST parser, are imitated.
"""

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

MAX_BATCH_SIZE = 32  # of export/serving/batching.config


class ServerError(Exception):
    def __init__(self, message, code=grpc.StatusCode.INVALID_ARGUMENT):
        super().__init__(message)
        self.code = code


class _Served:
    def __init__(self, folder, batching):
        self._runtime = Runtime(folder)
        self.definitions = self._runtime.definitions
        self._merged = {name: self._merging(name) for name in self.definitions} if batching else {}

    def definition(self, name, signature="future"):
        if name != "svg":
            raise ServerError(f"Servable not found for request: Latest({name})", grpc.StatusCode.NOT_FOUND)
        if signature not in self.definitions:
            raise ServerError(f'Serving signature name: "{signature}" not found in signature def')
        return self.definitions[signature]

    def predict(self, name, signature, inputs):
        expected = sorted(self.definition(name, signature).inputs)
        if sorted(inputs) != expected:
            raise ServerError(f"the inputs are {sorted(inputs)}, not {expected}")
        try:
            if not self._merged:
                return self._runtime.run(signature, inputs)
            if len({np.shape(value)[:1] for value in inputs.values()} | {()}) != 2:
                raise ServerError("Batching requires equal 0th-dimension size")
            return {key: x.numpy() for key, x in self._merged[signature](**inputs).items()}
        except tf.errors.OpError as error:
            code = next(code for code in grpc.StatusCode if code.value[0] == error.error_code)
            raise ServerError(_text(error), code) from None
        except (TypeError, ValueError) as error:  # a tensor that TensorFlow's Python does not take
            raise ServerError(str(error)) from None

    def _merging(self, signature):
        """The signature behind a batch scheduler, a function of its inputs by name."""
        definition = self.definitions[signature]
        inputs, outputs = sorted(definition.inputs), sorted(definition.outputs)
        dtypes = [tf.as_dtype(definition.outputs[name].dtype) for name in outputs]

        def run(*arrays):
            try:
                results = self._runtime.run(signature, dict(zip(inputs, arrays, strict=True)))
            except tf.errors.OpError as error:
                raise ValueError(_text(error)) from None  # becomes INVALID_ARGUMENT
            return [results[name] for name in outputs]

        @tf.nondifferentiable_batch_function(
            2, MAX_BATCH_SIZE, 5000, [1, 2, 4, 8, 16, 32], 64, autograph=False, enable_large_batch_splitting=False
        )
        def merged(*tensors):
            return tf.numpy_function(run, tensors, dtypes)

        def call(**tensors):
            return dict(zip(outputs, merged(*(tensors[name] for name in inputs)), strict=True))

        specs = {
            name: tf.TensorSpec([None] * len(info.tensor_shape.dim), tf.as_dtype(info.dtype), name)
            for name, info in definition.inputs.items()
        }
        return tf.function(call, autograph=False).get_concrete_function(**specs)


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
            self._served.definition(request.model_spec.name)
            response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
            definitions = get_model_metadata_pb2.SignatureDefMap(signature_def=self._served.definitions)
            response.metadata["signature_def"].Pack(definitions)
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
        except ServerError as error:
            status = {grpc.StatusCode.NOT_FOUND: 404, grpc.StatusCode.INVALID_ARGUMENT: 400}.get(error.code, 500)
            content = {"error": str(error)}
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET  # noqa: N815

    def _describe(self, name):
        self.served.definition(name)
        definitions = {
            key: json_format.MessageToDict(value, preserving_proto_field_name=True)
            for key, value in self.served.definitions.items()
        }
        return {"model_spec": {"name": name}, "metadata": {"signature_def": {"signature_def": definitions}}}

    def _predict(self, name, request):
        signature, rows = request.get("signature_name", "serving_default"), request.get("instances")
        infos = self.served.definition(name, signature).inputs
        columns = {key: [row[key] for row in rows] for key in rows[0]} if rows else request["inputs"]
        try:
            inputs = {key: _array(value, infos[key].dtype) for key, value in columns.items() if key in infos}
        except (ValueError, TypeError) as error:
            raise ServerError(f"JSON Parse error: {error}") from None
        outputs = {key: _listed(value) for key, value in self.served.predict(name, signature, inputs).items()}
        if len(outputs) == 1:  # a single output comes without its name
            (outputs,) = outputs.values()
        elif rows:
            outputs = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
        return {"predictions" if rows else "outputs": outputs}


@contextlib.contextmanager
def serve(folder, batching=False):
    """Serves a SavedModel as `svg` until the context ends; gives host:port of gRPC and of REST."""
    served, unlimited = _Served(folder, batching), [("grpc.max_receive_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(32), options=unlimited)
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
    except ServerError as error:
        context.abort(error.code, str(error))


def _text(error):
    """The status message, without the lines and prefixes that TensorFlow's Python adds to it."""
    added = ("Graph execution error", "Detected at node", "<stack traces", "Node:", " ", "\t")
    lines = [line for line in error.message.splitlines() if line and not line.startswith(added)]
    return re.sub(r"^(\{\{[^}]*\}\} )*(ValueError: )?", "", lines[0])


def _array(value, number):
    dtype = tf.as_dtype(number)
    if dtype != tf.string:
        return np.array(value, dtype.as_numpy_dtype)  # lists of unequal lengths raise
    return np.frompyfunc(lambda item: base64.b64decode(item["b64"]), 1, 1)(np.array(value, object))


def _listed(value):
    if value.dtype != object:
        return value.tolist()
    return np.frompyfunc(lambda item: {"b64": base64.b64encode(item).decode()}, 1, 1)(value).tolist()
