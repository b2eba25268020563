"""The same tests on a loopback server, and on TensorFlow Serving where TF_MODEL_SERVER names it.

TF_MODEL_SERVER is a command line to which flags are added: the path of tensorflow_model_server, or a container's, with
the folder of temporary files and this one inside:
`docker run --rm --network=host -v /tmp:/tmp -v $PWD:$PWD --entrypoint=tensorflow_model_server tensorflow/serving`
"""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

import exported_model
import numpy as np
import pytest

from svg_tf import rollout
from svg_tf.serving import picture_files
from svg_tf.serving.error import ExportError

pytest.importorskip("tensorflow_serving", reason="not run: needs the package tensorflow-serving-api")

import loopback  # noqa: E402

from svg_tf.serving.grpc_client import GrpcClient  # noqa: E402
from svg_tf.serving.rest_client import RestClient  # noqa: E402

SERVING = Path(__file__).resolve().parents[1] / "export" / "serving"
SERVERS = ["loopback", "loopback, merging", "tensorflow_model_server", "tensorflow_model_server, batching"]


def _available(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["model_version_status"][0]["state"] == "AVAILABLE"
    except OSError:
        return False


@contextlib.contextmanager
def _real_server(folder, batching):
    command = shlex.split(os.environ["TF_MODEL_SERVER"])
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    command += [f"--port={ports[0]}", f"--rest_api_port={ports[1]}", "--model_name=svg"]
    command += [f"--model_base_path={os.path.dirname(folder)}"]
    if batching:
        command += ["--enable_batching=true", f"--batching_parameters_file={SERVING / 'batching.config'}"]
    process = subprocess.Popen(command)
    try:
        end = time.monotonic() + 180
        while not _available(f"http://127.0.0.1:{ports[1]}/v1/models/svg"):
            assert process.poll() is None and time.monotonic() < end, "the server did not load the model"
            time.sleep(0.5)
        yield f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    made = exported_model.artefact()
    batching = "ing" in request.param.partition(", ")[2]
    if not request.param.startswith("loopback"):
        if not os.environ.get("TF_MODEL_SERVER"):
            pytest.skip("not run: TF_MODEL_SERVER names no tensorflow_model_server")
        with _real_server(made.folder, batching) as addresses:
            yield made, *addresses, batching
        return
    with loopback.serve(exported_model.runtime(), batching=batching) as addresses:
        yield made, *addresses, batching


@pytest.fixture
def clients(server):
    _, grpc_address, rest_address, _ = server
    with contextlib.closing(GrpcClient(grpc_address, "svg", 120)) as client:
        yield [client, RestClient(rest_address, "svg", 120), RestClient(rest_address, "svg", 120, rows=True)]


def _expected(made, inputs, horizon=4):
    frames = rollout.generate(made.model, inputs["context"], horizon, inputs["seeds"]).frames
    return np.swapaxes(frames, 0, 1)


def test_frames_by_grpc_and_by_rest_in_columns_and_rows(server, clients):
    inputs = exported_model.request(server[0].config)
    expected = _expected(server[0], inputs)
    for client in clients:
        np.testing.assert_allclose(client.predict("serving_default", inputs)["frames"], expected, atol=1e-6)


def test_several_outputs_and_a_horizon_for_each_row(server, clients):
    inputs = exported_model.request(server[0].config)
    expected = _expected(server[0], inputs)
    for client in clients:
        answer = client.predict("rollout", {**inputs, "horizon": np.array([2, 4], np.int32)})
        np.testing.assert_array_equal(answer["length"], [2, 4])
        np.testing.assert_allclose(answer["frames"][1], expected[1], atol=1e-6)
        np.testing.assert_allclose(answer["frames"][0, :, :2], expected[0, :, :2], atol=1e-6)
        assert not answer["frames"][0, :, 2:].any()


def test_pictures_travel_as_bytes(server, clients):
    inputs = exported_model.request(server[0].config)
    pictures = np.round(255 * inputs["context"]).astype(np.uint8)
    files = np.empty(pictures.shape[:2], object)
    for index in np.ndindex(files.shape):
        files[index] = picture_files.encode(pictures[index])
    expected = _expected(server[0], {**inputs, "context": pictures / np.float32(255)})
    for client in clients:
        answer = client.predict("rollout_png", {"context_bytes": files, "seeds": inputs["seeds"]})["frames_bytes"]
        assert answer.shape == (2, 3, 4)
        decoded = picture_files.decode(answer[1, 2, 3], 1)
        assert np.abs(decoded - 255 * expected[1, 2, 3]).max() < 0.501


def test_the_model_is_described(server, clients):
    for client in clients:
        assert client.context_shape() == (3, 32, 32, 1)


def test_an_answer_of_many_megabytes_arrives(server, clients):
    inputs = exported_model.request(server[0].config, rows=1, samples=60)
    answer = clients[0].predict("rollout", {**inputs, "horizon": np.array([30], np.int32)})["frames"]
    assert answer.nbytes > 7e6 and answer[0, -1, -1].any()


def test_wrong_requests_get_sentences_and_the_next_an_answer(server, clients):
    inputs = exported_model.request(server[0].config)
    wrong = {
        "not compatible|incompatible|shape": {**inputs, "context": inputs["context"][:, :2]},
        "finite numbers": {**inputs, "context": inputs["context"] * np.nan},
        "1 to 100 samples": {**inputs, "seeds": np.zeros([2, 1000], np.int64)},
        "seeds|inputs|input": {"context": inputs["context"]},
    }
    for client in clients:
        for message, request in wrong.items():
            with pytest.raises(ExportError, match=f"refuses the request: .*({message})"):
                client.predict("serving_default", request)
        with pytest.raises(ExportError, match="PNG"):
            garbage = np.full([2, 3], b"garbage", object)
            client.predict("rollout_png", {"context_bytes": garbage, "seeds": inputs["seeds"]})
        with pytest.raises(ExportError, match="horizon must be 1 to 30"):
            client.predict("rollout", {**inputs, "horizon": np.array([2, 10**9], np.int32)})
        with pytest.raises(ExportError, match="nothing"):
            client.predict("nothing", inputs)
        assert client.predict("serving_default", inputs)["frames"].shape == (2, 3, 4, 32, 32, 1)


def test_a_model_that_is_not_served_is_told(server):
    _, grpc_address, rest_address, _ = server
    for client in (GrpcClient(grpc_address, "other", 60), RestClient(rest_address, "other", 60)):
        with pytest.raises(ExportError, match="has no model other to serve"):
            client.context_shape()


def test_clients_at_once_get_their_own_frames(server, clients):
    made = server[0]
    requests = [exported_model.request(made.config, rows=1, samples=2, seed=seed) for seed in range(12)]
    expected = [_expected(made, request) for request in requests]
    answers = [None] * len(requests)

    def ask(number):
        client = clients[number % 3]
        answers[number] = client.predict("serving_default", requests[number])["frames"]

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer, frames in zip(answers, expected, strict=True):
        np.testing.assert_allclose(answer, frames, atol=1e-6)


def test_a_server_that_is_not_there_is_told():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    for client in (GrpcClient(address, "svg", 5), RestClient(address, "svg", 5)):
        with pytest.raises(ExportError, match=f"no server answers at {address}"):
            client.context_shape()


def test_a_server_that_does_not_answer_in_time_is_told():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        for client in (GrpcClient(address, "svg", 0.3), RestClient(address, "svg", 0.3)):
            with pytest.raises(ExportError, match=f"no answer from {address} within 0.3 s|no server answers"):
                client.context_shape()
