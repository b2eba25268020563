"""The same tests on the stand-in, and on a real TensorFlow Serving if TF_MODEL_SERVER is the command of one.

For example /usr/bin/tensorflow_model_server, to which flags are added. `tests/serve_in_docker.sh` sets it for Docker.
"""

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from served_model import LIMITS, exported, request

from svg_tf import rollout
from svg_tf.serving import ExportError
from svg_tf.serving.client import GrpcClient, ModelShape, RestClient, draw_futures

pytest.importorskip("tensorflow_serving", reason="not run: needs the package tensorflow-serving-api")

import loopback  # noqa: E402

CONFIG = Path(__file__).resolve().parents[1] / "export" / "serving"
REAL = os.environ.get("TF_MODEL_SERVER", "")


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def _real_server(folder, batching):
    grpc_port, rest_port = _free_port(), _free_port()
    flags = [f"--port={grpc_port}", f"--rest_api_port={rest_port}", f"--model_base_path={os.path.dirname(folder)}"]
    if batching:
        flags += ["--enable_batching=true", f"--batching_parameters_file={CONFIG / 'batching.config'}"]
    process = subprocess.Popen([*shlex.split(REAL), "--model_name=svg", *flags])
    try:
        for _ in range(180):
            assert process.poll() is None
            with contextlib.suppress(ExportError):
                RestClient(f"127.0.0.1:{rest_port}").shape()  # once the model is loaded
                break
            time.sleep(1)
        yield f"127.0.0.1:{grpc_port}", f"127.0.0.1:{rest_port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module", params=["stand-in", "real", "real, batching"])
def server(request):
    kind, _, batching = request.param.partition(", ")
    if kind == "real" and not REAL:
        pytest.skip("not run: TF_MODEL_SERVER names no server")
    model, folder, _ = exported()
    with _real_server(folder, batching) if kind == "real" else loopback.serve(folder) as (grpc_address, rest_address):
        yield model, [GrpcClient(grpc_address, timeout=120), RestClient(rest_address, timeout=120)], rest_address


def test_rest_rows_and_columns_as_curl_sends_them(server):
    model, _, address = server
    inputs = request(model, rows=2)
    context = inputs["context"].tolist()

    def post(**body):
        data = json.dumps(body).encode()
        with urllib.request.urlopen(f"http://{address}/v1/models/svg:predict", data, timeout=120) as answer:
            return json.load(answer)

    expected = model.generate(inputs["context"], LIMITS.horizon, LIMITS.n_samples)
    rows = post(instances=[{"context": row} for row in context])["predictions"]
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    np.testing.assert_allclose(post(inputs={"context": context})["outputs"], expected, atol=1e-5)
    rows = post(signature_name="future", instances=[{"context": row, "seed": 3} for row in context])["predictions"]
    assert np.shape(rows) == (2, LIMITS.horizon, 32, 32, 1)


@pytest.mark.parametrize("signature", ["futures", "future", "futures_png"])
def test_futures_of_a_clip(server, signature):
    model, clients, _ = server
    clip = np.random.default_rng(0).integers(0, 256, [3, 32, 32, 1], np.uint8)
    expected = rollout.generate(model, clip[np.newaxis], LIMITS.horizon, np.array([[5, 6, 7]])).frames[0]
    for client in clients:
        frames = draw_futures(client, clip, [5, 6, 7], signature=signature)
        np.testing.assert_allclose(frames, expected, atol=0.5 / 255 + 1e-5 if signature == "futures_png" else 1e-6)
        assert client.shape() == ModelShape((3, 32, 32, 1), LIMITS.horizon)


def test_an_answer_of_more_than_grpcs_default_limit_arrives(server):
    model, clients, _ = server
    answer = clients[0].predict("futures", request(model, rows=1, samples=64, horizon=17))["frames"]
    assert answer.nbytes > 2**22


def test_wrong_requests_get_a_sentence_and_the_next_request_an_answer(server):
    model, clients, _ = server
    inputs = request(model)
    wrong = {
        "not compatible|incompatible|shape": {**inputs, "context": inputs["context"][:, :2]},
        "finite numbers": {**inputs, "context": inputs["context"] * np.nan},
        "at most 1100 frames": {**inputs, "horizon": np.full(2, 10**9, np.int32)},
        "seeds|inputs|input": {"context": inputs["context"]},
    }
    for client in clients:
        for message, bad in wrong.items():
            with pytest.raises(ExportError, match=f"refused the request: .*({message})"):
                client.predict("futures", bad)
        with pytest.raises(ExportError, match="nothing"):
            client.predict("nothing", inputs)
        with pytest.raises(ExportError, match="has no model other"):
            type(client)(client._server, "other").shape()
        answer = client.predict("futures", inputs)
        assert answer["frames"].shape == (2, 3, 4, 32, 32, 1) and answer["prior_stddev"].shape == (2, 3, 4, 3)


@pytest.mark.parametrize("client", [GrpcClient, RestClient])
def test_a_server_that_is_not_there_or_does_not_answer_in_time(client):
    address = f"127.0.0.1:{_free_port()}"
    with pytest.raises(ExportError, match=f"no server answers at {address}"):
        client(address, timeout=5).shape()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(ExportError, match=f"no answer from {address} within 0.3 s|no server answers"):
            client(address, timeout=0.3).shape()


def test_grpc_without_its_package(monkeypatch):
    for name in ("tensorflow_serving", "tensorflow_serving.apis"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportError, match="gRPC needs tensorflow-serving-api .* or use REST"):
        GrpcClient("localhost:8500")


def test_the_servers_configuration_is_valid_and_agrees_with_the_export():
    configs = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2")
    from google.protobuf import text_format

    message = text_format.Parse((CONFIG / "models.config").read_text(), configs.ModelServerConfig())
    (model,) = message.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("svg", "/models/svg", "tensorflow")
    batching = (CONFIG / "batching.config").read_text()
    assert re.search(r"max_batch_size { value: (\d+) }(?s:.*)sizes: \1\nbatch_timeout", batching)
    compose = (CONFIG / "docker-compose.yml").read_text()
    assert "/export:/models/svg:ro" in compose and "latest" not in compose
