"""Tests of svg_tf/data/dataset.py."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from svg_tf.config import Config
from svg_tf.data.dataset import count_test_clips, make_dataset
from svg_tf.data.moving_mnist import MovingMNIST

MNIST = Path(__file__).resolve().parents[2] / "shared" / "data" / "mnist"
CLIPS = {"n_past": 2, "n_future": 4, "n_eval": 9, "batch_size": 4, "validation_steps": 3}
SMALL = Config(digits="embedded", digit_size=16, image_width=32, **CLIPS)
# SHA-256 of the motion and of the frames of the first 200 test clips with the embedded digits, and of all 1,000 with
# MNIST. If only the frames differ, the resized digits changed, through Pillow's filter or the images.
TEST_CLIPS = {
    Config(digits="embedded"): (
        "316e62bb430f2b623d4e88c2cf00d3dcdaf7296fc9f07a25c996588522281d8f",
        "25cad94a5a6bc98a20e2519b01543ad4cc907eb9ed2b0b90b08c16fbee7dd39e",
    ),
    Config(data_dir=str(MNIST)): (
        "93111589501f5bfc3ef67d94bcdf09a5b63f90cff76b3e493f70d70034c50f01",
        "3b842595a85705ced6c89cb4d478afeefc185c2b3678b9c99d948934c0574d3b",
    ),
}


def batches(count, split="train", **arguments):
    return [batch.numpy() for batch in make_dataset(SMALL, split, **arguments).take(count)]


def hashes(config, count):
    generator = MovingMNIST(config, "test")
    motion, pixels = hashlib.sha256(), hashlib.sha256()
    for start in range(0, count, 100):
        frames, truth = generator.frames_and_truth(tf.range(start, start + 100, dtype=tf.int64))
        for array in (truth.digits, truth.positions):
            motion.update(array.numpy().astype("<i4").tobytes())
        pixels.update(frames.numpy().tobytes())
    return motion.hexdigest(), pixels.hexdigest()


def test_batch_i_holds_the_clips_of_its_number_also_after_a_resume():
    dataset, generator = make_dataset(SMALL, "train"), MovingMNIST(SMALL, "train")
    assert dataset.element_spec == tf.TensorSpec([4, 6, 32, 32, 1], tf.uint8)
    assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    whole = batches(4)
    np.testing.assert_array_equal(whole[1], generator.frames(tf.range(4, 8, dtype=tf.int64)))
    np.testing.assert_array_equal(batches(2, first_step=2), whole[2:])
    step = 180_000_000_000
    expected = generator.frames(tf.range(4 * step, 4 * step + 4, dtype=tf.int64))
    np.testing.assert_array_equal(batches(1, first_step=step)[0], expected)


def test_held_out_splits_have_validation_steps_batches_and_as_many_test_clips_as_requested():
    validation = make_dataset(SMALL, "validation")
    assert validation.cardinality() == 3
    assert validation.element_spec == tf.TensorSpec([4, 6, 32, 32, 1], tf.uint8)
    assert make_dataset(SMALL, "test").cardinality() == 250
    test = batches(9, "test", n_clips=6)
    assert [batch.shape for batch in test] == [(4, 9, 32, 32, 1), (2, 9, 32, 32, 1)]


def test_the_number_of_test_clips_is_limited_by_the_source():
    class Source:
        test_clips = 1_500

    assert [count_test_clips(Source(), n) for n in (None, 7, 9_000)] == [1_000, 7, 1_500]
    assert [count_test_clips(object(), n) for n in (None, 9_000)] == [1_000, 9_000]


@pytest.mark.parametrize("config", TEST_CLIPS, ids=["embedded", "mnist"])
def test_the_test_clips_never_change(config):
    if config.data_dir and not MNIST.is_dir():
        pytest.skip("the real MNIST files are not available")
    motion, frames = TEST_CLIPS[config]
    found = hashes(config, 1_000 if config.data_dir else 200)
    assert found[0] == motion, "the digits or paths of the test clips changed"
    assert found[1] == frames, "paths are unchanged, but the resized digits or their rendering changed"


@pytest.mark.parametrize(("processes", "replicas"), [(1, 2), (2, 4)])
def test_replicas_share_a_batch_in_the_order_of_their_numbers(small, processes, replicas):
    config = small(batch_size=8)
    whole = list(make_dataset(config, "train", 3).take(2).as_numpy_iterator())
    local, shares = replicas // processes, []
    for process in range(processes):
        context = tf.distribute.InputContext(processes, process, replicas)
        shares.append(list(make_dataset(config, "train", 3, context=context).take(2 * local).as_numpy_iterator()))
    for step in range(2):
        by_replica = [share for own in shares for share in own[step * local : (step + 1) * local]]
        assert all(share.shape[0] == 8 // replicas for share in by_replica)
        np.testing.assert_array_equal(np.concatenate(by_replica), whole[step])
