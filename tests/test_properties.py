"""Properties of every configuration: what is refused, and what survives the way to flags, to disk and to a model."""

import dataclasses

import numpy as np
import pytest
from absl import flags
from conftest import SMALL
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from svg_tf.cli import flags as config_flags
from svg_tf.config import Config, ConfigError

FIELDS = {field.name: field for field in dataclasses.fields(Config)}
# Derandomized: a failure is everybody's, and what passes here passes there.
fast = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
few = settings(fast, max_examples=3)
many = settings(fast, max_examples=5_000)

WILD_NUMBERS = (
    st.integers()
    | st.sampled_from([0, 1, -1, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 10**400, -(10**400)])
    | st.floats()
    | st.sampled_from([-0.0, 5e-324, 1e-50, 1e39, 1.7e308, float("nan"), float("inf"), float("-inf")])
)
WILD_TEXT = st.text() | st.sampled_from(
    ["", " ", "\0", "a\0b", "\ud800", "\udcff", "é" * 3, "x" * 5_000, "a\nb", "../../..", "~", "--seed=3", "learned "]
)
WILD = (
    WILD_NUMBERS
    | WILD_TEXT
    | st.none()
    | st.booleans()
    | st.binary(max_size=9)
    | st.complex_numbers()
    | st.lists(st.integers(), max_size=4)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
    | st.sampled_from(
        [np.int64(3), np.float32(0.5), np.zeros([2, 2]), np.str_("fixed"), object(), int, [[0] * 99] * 9]
    )
)


def plausible(name):
    """Values of a field, most of which can work."""
    field = FIELDS[name]
    if field.metadata["choices"]:
        return st.sampled_from(sorted(field.metadata["choices"]))
    if field.type is bool:
        return st.booleans()
    if field.type is float:
        return st.floats(0, 1, width=32) | st.integers(0, 2)
    if field.type is str:
        letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
        return st.text(letters, min_size=name == "run_dir", max_size=12)
    if name == "image_width":
        return st.sampled_from([32, 64, 128, 256])
    if name == "channels":
        return st.sampled_from([1, 3])
    return st.integers(0, 12) | st.integers(0, 2**31 - 1)


def configs():
    """Configurations of a few fields that were changed and can work with the others."""
    changed = st.lists(st.sampled_from(sorted(FIELDS)), max_size=6, unique=True)
    changes = changed.flatmap(lambda names: st.fixed_dictionaries({name: plausible(name) for name in names}))
    return changes.map(made).filter(lambda config: config is not None)


def made(changes):
    try:
        return Config(**changes)
    except ConfigError:
        return None


def check_sentence(text):
    """One line of a bearable length."""
    assert text and "\n" not in text and len(text) < 400, text


def check_any_value(name, value):
    try:
        config = Config(**{name: value})
    except ConfigError as error:
        check_sentence(str(error))
        assert name in str(error)
        return
    kept = getattr(config, name)
    assert type(kept) is FIELDS[name].type and kept == value


def from_flags(arguments):
    values = flags.FlagValues()
    config_flags.define_config_flags(values)
    values(["program", *arguments])
    return config_flags.config_from_flags(values)


@pytest.mark.parametrize("name", sorted(FIELDS))
@settings(fast, max_examples=30)
@given(value=WILD)
@example(value=10**400)
@example(value=-(10**400))
@example(value=-0.0)
@example(value=float("nan"))
@example(value="a\0b")
@example(value="\ud800")
def test_any_value_of_a_field_makes_a_configuration_or_one_sentence_that_names_the_field(name, value):
    check_any_value(name, value)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_number_of_more_digits_than_python_prints_is_refused_in_words(name):
    check_any_value(name, 10**5_000)


@pytest.mark.slow
@many
@given(name=st.sampled_from(sorted(FIELDS)), value=WILD)
def test_any_value_of_a_field_many_times(name, value):
    check_any_value(name, value)


@fast
@given(changes=st.dictionaries(st.sampled_from(sorted(FIELDS)), WILD_NUMBERS | WILD_TEXT, max_size=8))
def test_any_values_together_make_a_configuration_or_one_sentence(changes):
    try:
        Config(**changes)
    except ConfigError as error:
        check_sentence(str(error))
        assert any(name in str(error) for name in FIELDS)


@fast
@given(number=st.integers(-5, 2**40))
def test_the_value_that_is_refused_is_named(number):
    assume(number < 1 or number >= 2**31)
    with pytest.raises(ConfigError, match=f"batch_size is {number}, but must be at "):
        Config(batch_size=number)


@fast
@given(config=configs())
def test_a_configuration_survives_the_way_to_flags_and_back(config):
    assert from_flags(config_flags.flags_of(config)) == config


@fast
@given(config=configs())
def test_a_configuration_survives_its_flags_in_any_order_and_twice(config):
    said = config_flags.flags_of(config)
    assert from_flags([*reversed(said), *said]) == config


@given(config=configs())
@settings(fast, max_examples=60)
def test_a_configuration_survives_the_way_to_disk_and_back(config, tmp_path):
    config.save(str(tmp_path))
    assert Config.load(str(tmp_path)) == config.replace(run_dir=str(tmp_path))


@fast
@given(name=st.sampled_from(sorted(FIELDS)), text=WILD_TEXT | WILD_NUMBERS.map(str))
def test_any_text_of_a_flag_is_parsed_or_refused_by_the_flags_name(name, text):
    try:
        from_flags([f"--{name}={text}"])
    except (flags.Error, ConfigError) as error:
        assert name in str(error)


# What is accepted works.


def tiny():
    """Configurations of tiny models, of which most can work."""
    sizes = {name: st.integers(1, 3) for name in ("base_width", "g_dim", "z_dim", "rnn_size", "n_past", "n_future")}
    layers = {name: st.integers(1, 2) for name in ("predictor_layers", "posterior_layers", "prior_layers")}
    chosen = {
        name: plausible(name) for name in ("backbone", "prior", "skip_frame", "mixed_precision", "remat", "dataset")
    }
    numbers = {"batch_size": st.sampled_from([1, 2]), "accumulation": st.sampled_from([1, 2])}
    numbers |= {"image_width": st.sampled_from([32, 64]), "channels": st.sampled_from([1, 3])}
    numbers |= {"beta": st.sampled_from([0.0, -0.0, 1.0]), "clip_norm": st.sampled_from([0.0, 1e-3])}
    return st.fixed_dictionaries({**sizes, **layers, **chosen, **numbers}).map(
        lambda fields: made({**SMALL, **fields, "n_eval": fields["n_past"] + 1})
    )


def check_it_works(config):
    from svg_tf import noise, rollout
    from svg_tf.training import train as training

    model = training.compiled_model(config)
    shape = (config.batch_size, config.n_frames, config.image_width, config.image_width, config.channels)
    clips = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    loss = model.train_step(clips)["loss"]
    assert np.isfinite(float(loss))
    seeds = noise.sample_seeds(0, range(config.batch_size), 1)
    frames = rollout.generate(model, clips[:, : config.n_past], 1, seeds).frames.numpy()
    assert frames.shape == (1, config.batch_size, 1, *shape[2:]) and np.isfinite(frames).all()


@pytest.mark.slow
@few
@given(config=tiny().filter(lambda config: config is not None))
def test_what_is_accepted_computes_a_loss_and_draws_a_frame(config):
    check_it_works(config)


@pytest.mark.slow
@settings(fast, max_examples=60)
@given(config=tiny().filter(lambda config: config is not None))
def test_what_is_accepted_computes_a_loss_and_draws_a_frame_many_times(config):
    check_it_works(config)
