import re
from pathlib import Path

import exported_model
import pytest
from test_export_client import run

SERVING = Path(__file__).resolve().parents[1] / "export" / "serving"


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("saved_model.py", ["--run_dir=nowhere"], "is not a run: it has no config.json"),
        ("saved_model.py", [], "run_dir"),
        ("saved_model.py", ["--run_dir=x", "--version=-1"], "version"),
        ("saved_model.py", ["--run_dir=x", "--recalibrate_over=all"], "clips|rollouts|both"),
        ("load_test.py", ["--run_dir=nowhere"], "has no version to load; export the run"),
        ("load_test.py", ["--run_dir=nowhere", "--clients=1,many"], "clients is 1,many"),
    ],
)
def test_a_wrong_flag_is_told_in_a_sentence(script, arguments, message):
    told = run(script, *arguments)
    assert told.returncode != 0 and message in told.stderr and "Traceback" not in told.stderr


def test_a_run_is_exported_by_one_command(tmp_path):
    config, _ = exported_model.make_run(tmp_path / "a run ü")
    made = run(
        "saved_model.py", f"--run_dir={config.run_dir}", "--checkpoint=latest", "--max_samples=7", "--horizon=3"
    )
    assert made.returncode == 0, made.stderr
    assert (
        "export/1 from " in made.stdout and "rollout_uncertainty" in made.stdout and "at most 7 samples" in made.stdout
    )


@pytest.mark.slow
def test_an_export_is_tried_under_load_by_one_command():
    pytest.importorskip("tensorflow_serving", reason="not run: needs the package tensorflow-serving-api")
    run_dir = exported_model.artefact().config.run_dir
    loaded = run("load_test.py", f"--run_dir={run_dir}", "--clients=1,4", "--requests=8", "--wrong_every=2")
    assert loaded.returncode == 0, loaded.stderr + loaded.stdout
    for target in ("C++ runtime", "gRPC", "REST", "gRPC, merging"):
        assert len(re.findall(rf"^{re.escape(target)} +[14] ", loaded.stdout, re.M)) == 2
    assert "every client got its own frames" in loaded.stdout


def test_the_servers_configuration_can_be_read_and_names_what_is_there():
    reason = "not run: needs the package tensorflow-serving-api"
    configs = pytest.importorskip("tensorflow_serving.config.model_server_config_pb2", reason=reason)
    from google.protobuf import text_format

    message = text_format.Parse((SERVING / "models.config").read_text(), configs.ModelServerConfig())
    (model,) = message.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("svg", "/models/svg", "tensorflow")
    compose = (SERVING / "docker-compose.yml").read_text()
    assert "/export:/models/svg:ro" in compose
    for name in re.findall(r"/config/(\S+)", compose):
        assert (SERVING / name).is_file()
