"""Configurations and flag files that were edited by hand, damaged or never were any."""

import dataclasses
import json

import pytest
from absl import flags
from hypothesis import given, settings
from hypothesis import strategies as st
from test_properties import FIELDS, check_sentence, fast, from_flags

from svg_tf.cli import flags as config_flags
from svg_tf.config import Config, ConfigError

# config.json, edited by hand.


def load_text(folder, content):
    path = folder / "config.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    try:
        return Config.load(str(folder))
    except ConfigError as error:
        check_sentence(str(error).replace(str(folder), ""))
        assert str(path) in str(error)
        return None


@given(content=st.binary(max_size=200) | st.text(max_size=200))
@settings(fast, max_examples=150)
def test_any_file_in_place_of_a_configuration_is_one_sentence(content, tmp_path):
    assert load_text(tmp_path, content) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(name=st.sampled_from(sorted(set(FIELDS) - {"run_dir"})), value=JSON)
@settings(fast, max_examples=150)
def test_any_json_value_of_a_field_loads_as_it_is_or_is_one_sentence(name, value, tmp_path):
    config = load_text(tmp_path, json.dumps({**dataclasses.asdict(Config()), name: value}))
    assert config is None or getattr(config, name) == value


@given(where=st.integers(0, 10_000), byte=st.integers(1, 255))
@settings(fast, max_examples=150)
def test_a_flipped_byte_of_a_configuration_never_ends_in_another_error(where, byte, tmp_path):
    content = bytearray(Config().to_json().encode())
    content[where % len(content)] ^= byte
    load_text(tmp_path, bytes(content))


@pytest.mark.parametrize("name", sorted(set(FIELDS) - {"run_dir"}))
def test_a_field_that_was_taken_out_is_missed_where_a_run_always_had_it(name, tmp_path):
    values = dataclasses.asdict(Config())
    del values[name]
    config = load_text(tmp_path, json.dumps(values))
    later = {"cache_dir", "frame_stride", "resize", "kth_split", "kth_clips", "accumulation", "remat", "strategy"}
    assert (config is not None) == (name in later | {"connect_timeout"})


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"a":' * 50_000,
        "",
        "null",
        '{"epochs": ' + "9" * 5_000 + "}",
        '{"beta": NaN}',
        b"\xff\xfe{}",
        b"\x00" * 40,
        '{"run_dir": 3, "\\ud800": 1}',
    ],
    ids=lambda content: repr(content[:9]),
)
def test_hostile_json_is_one_sentence(content, tmp_path):
    assert load_text(tmp_path, content) is None


def test_a_folder_in_place_of_the_configuration_is_one_sentence(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ConfigError, match="config.json cannot be read"):
        Config.load(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load(str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="cannot be read"):
        Config.load("a\0b")


# Flag files.


def told(monkeypatch, capsys, *arguments):
    """What the parser of the commands says of some arguments, and ends with."""
    monkeypatch.setattr(config_flags.app, "FLAGS", flags.FlagValues())
    config_flags.define_config_flags(config_flags.app.FLAGS)
    with pytest.raises(SystemExit) as left:
        config_flags._parse(["program", *arguments])
    said = capsys.readouterr().err + (left.value.code if isinstance(left.value.code, str) else "")
    assert left.value.code != 0 and "Traceback" not in said
    return said


def test_flag_files_that_cannot_be_read_are_told(tmp_path, monkeypatch, capsys):
    assert "nowhere.flags" in told(monkeypatch, capsys, "--flagfile=nowhere.flags")
    assert "Is a directory" in told(monkeypatch, capsys, f"--flagfile={tmp_path}")
    binary = tmp_path / "binary.flags"
    binary.write_bytes(b"--seed=3\n\xff\xfe\x00\x80")
    assert "error: a flag file is not text in utf-8" in told(monkeypatch, capsys, f"--flagfile={binary}")
    unknown = tmp_path / "unknown.flags"
    unknown.write_text("--batch_sise=3\n")
    assert "batch_sise" in told(monkeypatch, capsys, f"--flagfile={unknown}")
    nested = tmp_path / "nested.flags"
    nested.write_text(f"--flagfile={tmp_path}/none.flags\n")
    assert "none.flags" in told(monkeypatch, capsys, f"--flagfile={nested}")


def test_a_flag_file_that_names_itself_is_read_once(tmp_path, capsys):
    circle = tmp_path / "circle.flags"
    circle.write_text(f"--seed=3\n--flagfile={circle}\n--run_dir=x y\n")
    config = from_flags([f"--flagfile={circle}"])
    assert (config.seed, config.run_dir) == (3, "x y")
    assert "circular" in capsys.readouterr().err
