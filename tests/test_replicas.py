import numpy as np
import pytest
import tensorflow as tf

from svg_tf.models import replicas


class _Context:
    num_replicas_in_sync = 3

    def __init__(self, replica):
        self.replica_id_in_sync_group = tf.constant(replica)


def test_one_replica_has_all_and_exchanges_nothing():
    noise = tf.random.normal([4, 6, 2])
    assert replicas.count() == 1
    assert replicas.own_share(noise, 2) is noise
    assert replicas.average([noise])[0] is noise


@pytest.mark.parametrize("parts", [1, 2])
def test_the_replicas_shares_of_the_parts_make_the_noise_of_the_batch(monkeypatch, parts):
    noise = np.arange(4 * 12 * 2, dtype=np.float32).reshape(4, 12, 2)
    shares = []
    for replica in range(3):
        monkeypatch.setattr(replicas.tf.distribute, "get_replica_context", lambda replica=replica: _Context(replica))
        shares.append(replicas.own_share(tf.constant(noise), parts).numpy())
    assert {share.shape for share in shares} == {(4, 4, 2)}
    by_part = [
        np.concatenate([np.split(share, parts, axis=1)[part] for share in shares], axis=1) for part in range(parts)
    ]
    np.testing.assert_array_equal(np.concatenate(by_part, axis=1), noise)
