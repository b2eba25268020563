"""Training on two devices and in two processes."""

import concurrent.futures
import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL

from svg_tf.config import Config, ConfigError
from svg_tf.training import checkpoints, distribution
from svg_tf.training import train as training
from svg_tf.training.distribution import PeerError, read_cluster, wait_for_peers

ROOT = Path(__file__).resolve().parents[1]


def _environment(**variables):
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": paths, **variables}


def _steps_on_one_and_two_devices(folder, *configs):
    """Return, for each configuration, the results on one device and on two by name; see two_devices.py."""
    path = str(folder / "steps.npz")
    command = [sys.executable, str(ROOT / "tests" / "two_devices.py"), path, *(config.to_json() for config in configs)]
    result = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr[-3000:]
    found = [({}, {}) for _ in configs]
    with np.load(path) as archive:
        for name in archive.files:
            index, devices, what = name.split("/", 2)
            found[int(index)][int(devices) - 1][what] = archive[name]
    return found


def _assert_near(one, two, pattern, share, at_least=1):
    """Check that arrays whose names match differ by less than a share of their largest value."""
    names = [name for name in one if re.search(pattern, name)]
    assert len(names) >= at_least
    for name in names:
        np.testing.assert_allclose(two[name], one[name], rtol=0, atol=share * np.abs(one[name]).max(), err_msg=name)


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Results of three steps on the same batches, on one device and on two."""
    # The gradient is clipped to a tenth of its norm, so the updates show whether the norm is that of the whole batch.
    changes = {"batch_size": 4, "beta": 0.01, "clip_norm": 0.1, "learning_rate": 1e-5, "validation_steps": 2}
    return _steps_on_one_and_two_devices(tmp_path_factory.mktemp("steps"), Config(**SMALL | changes))[0]


def test_two_devices_compute_losses_metrics_and_statistics_of_one(steps):
    one, two = steps
    _assert_near(one, two, "^loss |^validation/|^step 3/metrics/", 1e-4)
    for name in ("model/svg/step", "optimizer/adam/iteration", "metrics/loss/count"):
        assert one[f"step 3/{name}"] == two[f"step 3/{name}"] == 3
    names = [name for name in one if re.search("^step [13]/.*moving_(mean|variance)$", name)]
    assert len(names) == 2 * 2 * 7
    for name in names:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_two_devices_compute_the_clipped_gradient_of_one(steps):
    momentum = re.compile("^step 1/.*_momentum$")
    one, two = ({name: found[name] for name in sorted(found) if momentum.match(name)} for found in steps)
    first = [np.concatenate([value.ravel() for value in found.values()]) / 0.1 for found in (one, two)]
    np.testing.assert_allclose([np.linalg.norm(gradient) for gradient in first], 0.1, rtol=1e-4)
    assert np.linalg.norm(first[1] - first[0]) < 1e-5 * np.linalg.norm(first[0])
    large = {name: value for name, value in one.items() if np.abs(value).max() > 1e-6}  # not biases before a norm
    _assert_near(large, two, "", 1e-3)


def test_both_devices_hold_the_same_numbers(steps):
    copies = {name: value for name, value in steps[1].items() if name.startswith("copies/")}
    assert len(copies) > 100
    for name, (first, second) in copies.items():
        np.testing.assert_array_equal(first, second, err_msg=name)


@pytest.mark.slow
def test_two_devices_train_vgg_in_float16_with_accumulation_and_remat_as_one(small, tmp_path):
    changes = {"gradient_accumulation_steps": 2, "remat": True, "mixed_precision": "float16", "backbone": "vgg"}
    config = small(batch_size=8, prior="fixed", learning_rate=1e-5, **changes)
    after = small(batch_size=8, prior="none", learning_rate=1e-5)
    (one, two), (one_after, two_after) = _steps_on_one_and_two_devices(tmp_path, config, after)
    _assert_near(one_after, two_after, "^loss ", 1e-4)  # a second run of the same process
    _assert_near(one, two, "^loss ", 2e-2)
    for name in ("dynamic_scale", "step_counter"):
        assert one[f"step 3/optimizer/loss_scale/{name}"] == two[f"step 3/optimizer/loss_scale/{name}"]
    assert two["step 3/optimizer/adam/iteration"] == 6  # training steps, two for each update


class _Strategy:
    num_replicas_in_sync = 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 3}, "batch_size is 3; it must be a multiple of 2, for 2 devices"),
        ({"batch_size": 6, "gradient_accumulation_steps": 2}, "batch_size is 6; it must be a multiple of 4, for 2"),
        ({"jit_compile": "true"}, "jit_compile=true does not work with the 2 devices of strategy=mirrored"),
    ],
)
def test_a_configuration_that_does_not_fit_two_devices_is_an_error(small, monkeypatch, changes, message):
    monkeypatch.setattr(distribution, "_mirrored", _Strategy)
    with pytest.raises(ConfigError, match=f"^{message}"):
        distribution.make_strategy(small(strategy="mirrored", **changes))


def test_auto_compiles_the_step_on_one_gpu_only(small, monkeypatch):
    assert not training.use_jit(small())
    monkeypatch.setattr(training.tf.config, "list_physical_devices", lambda kind: [kind])
    assert training.use_jit(small())
    monkeypatch.setattr(training.tf.distribute, "has_strategy", lambda: True)
    assert not training.use_jit(small())


def _tf_config(worker, index=0):
    return json.dumps({"cluster": {"worker": worker}, "task": {"type": "worker", "index": index}})


@pytest.mark.parametrize(
    "text",
    ["", "text", "{}", "[]", _tf_config(["a:1"], 1), _tf_config(["a"]), _tf_config([1])],
)
def test_a_malformed_tf_config_is_an_error(small, monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError, match="^TF_CONFIG is .*; strategy=multi_worker needs this environment variable"):
        training.train(small(strategy="multi_worker"))


def _addresses(host, count):
    servers = [socket.create_server(("", 0)) for _ in range(count)]
    addresses = [f"{host}:{server.getsockname()[1]}" for server in servers]
    for server in servers:
        server.close()
    return addresses


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_a_process_waits_until_the_others_have_started(host):
    addresses = _addresses(host, 2)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(wait_for_peers, addresses, 0, 60)
        time.sleep(0.5)
        assert not first.done()
        with socket.create_server(("", int(addresses[1].split(":")[-1])), family=socket.AF_INET6, dualstack_ipv6=True):
            first.result()


def test_an_error_names_the_processes_that_did_not_start_or_the_port_in_use():
    addresses = _addresses("localhost", 3)
    names = rf"^process 0 \({addresses[0]}\), process 2 \({addresses[2]}\) did not start within 0.5 s"
    with pytest.raises(PeerError, match=names):
        wait_for_peers(addresses, 1, 0.5)
    port = int(addresses[1].split(":")[1])
    with socket.create_server(("", port)), pytest.raises(PeerError, match=f"^Port {port} of this process .* not free"):
        wait_for_peers(addresses, 1, 0.5)


@pytest.mark.parametrize(
    ("heading", "beginning", "host"),
    [("Kubernetes", "- |\n", "svg-{}.svg:2222"), ("Slurm", "```bash\n", "node{}:2222")],
)
def test_the_scripts_of_the_scaling_page_make_a_tf_config(tmp_path, monkeypatch, heading, beginning, host):
    text = (ROOT / "docs" / "scaling.md").read_text().split(f"### {heading}")[1].split(beginning)[1]
    script = textwrap.dedent(re.split(r"```|\n *resources:", text)[0])
    programs = {"svg-tf": 'echo "$TF_CONFIG"', "srun": '"$@"', "scontrol": 'printf "node%d\\n" 0 1 2 3'}
    for name, body in programs.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    variables = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_JOB_NODELIST": "node[0-3]"}
    variables |= {"JOB_COMPLETION_INDEX": "2", "SLURM_PROCID": "2"}
    result = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=True)
    monkeypatch.setenv("TF_CONFIG", result.stdout)
    assert read_cluster() == ([host.format(index) for index in range(4)], 2)


@pytest.fixture
def start():
    """Start both processes of a run on this machine; kill them if the test fails."""
    started = []

    def start_both(config):
        addresses = _addresses("localhost", 2)
        flags = [f"--{name}={value}" for name, value in json.loads(config.to_json()).items()]
        for index in range(2):
            environment = _environment(TF_CONFIG=_tf_config(addresses, index), CUDA_VISIBLE_DEVICES="")
            command = [sys.executable, str(ROOT / "bin" / "train.py"), *flags]
            log = open(f"{config.run_dir}.{len(started)}.log", "w+")  # noqa: SIM115, closed below
            started.append((subprocess.Popen(command, env=environment, stderr=log), log))
        return started[-2:]

    yield start_both
    for process, log in started:
        process.kill()
        process.wait()
        log.close()


def _printed(log):
    log.seek(0)
    return log.read()


def _wait_for_step(config, step, processes):
    end = time.monotonic() + 300
    while (checkpoints.steps(config.run_dir) or [0])[-1] < step:
        assert all(process.poll() is None for process, _ in processes), [_printed(log)[-3000:] for _, log in processes]
        assert time.monotonic() < end
        time.sleep(0.02)


def _ends(processes):
    return [(process.wait(300), _printed(log)) for process, log in processes]


def _rows(config):
    with open(os.path.join(config.run_dir, "logs", "epochs.csv"), newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_two_processes_survive_a_kill_and_a_signal_and_end_as_one_device_does(small, tmp_path, start):
    whole = small(run_dir=str(tmp_path / "whole"), batch_size=4, steps_per_epoch=30, learning_rate=1e-4)
    training.train(whole)
    cut = whole.replace(run_dir=str(tmp_path / "cut"), checkpoint_every=1, strategy="multi_worker")

    processes = start(cut)
    _wait_for_step(cut, 4, processes)
    processes[1][0].send_signal(signal.SIGKILL)
    (status, text), _ = _ends(processes)
    assert status == 1 and "error: Another process is gone. Start all again" in text and "Traceback" not in text

    killed_at = checkpoints.steps(cut.run_dir)[-1]
    processes = start(cut)
    _wait_for_step(cut, killed_at + 4, processes)
    processes[1][0].send_signal(signal.SIGTERM)
    (other, other_text), (stopped, stopped_text) = _ends(processes)
    stopped_at = checkpoints.steps(cut.run_dir)[-1]
    for text in (other_text, stopped_text):
        assert f"resuming {cut.run_dir} at step {killed_at} of 60" in text
    assert stopped == 0 and f"stopped at step {stopped_at}; repeat the command to continue" in stopped_text
    assert other == 1 and f"error: Another process was stopped, and step {stopped_at} is saved" in other_text

    ends = _ends(start(cut))
    for status, text in ends:
        assert status == 0 and f"resuming {cut.run_dir} at step {stopped_at} of 60" in text and "error: " not in text
    assert "60/60" in ends[0][1] and "60/60" not in ends[1][1]  # one bar, of the process that writes
    assert checkpoints.steps(cut.run_dir)[-1] == 60
    for one, two in zip(_rows(whole), _rows(cut), strict=True):
        assert one["step"] == two["step"]
        for name, tolerance in (("loss", 2e-3), ("kl", 1e-2), ("val_loss", 5e-3), ("val_kl", 1e-2)):
            np.testing.assert_allclose(float(two[name]), float(one[name]), rtol=tolerance, err_msg=name)
