import json
import socket
import threading
import time

import pytest

from svg_tf.config import ConfigError
from svg_tf.training import rendezvous
from svg_tf.training.rendezvous import Cluster, PeerError

TERMS = {"beta": 0.1, "the latest checkpoint": None}


def _free_port():
    with socket.create_server(("", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def clusters():
    """Three processes on free ports, as each of them sees it."""
    addresses = tuple(f"localhost:{_free_port()}" for _ in range(3))
    return [Cluster(addresses, index) for index in range(3)]


def _meet_in_threads(parties, *timeouts):
    """What each (cluster, terms) ends with: None or the error's words. Timeouts: one each, or one for all."""
    results = [None] * len(parties)

    def one(place, cluster, terms):
        try:
            rendezvous.meet(cluster, terms, timeouts[place % len(timeouts)])
        except PeerError as error:
            results[place] = str(error)

    threads = [threading.Thread(target=one, args=(place, *party)) for place, party in enumerate(parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_all_go_as_soon_as_the_last_is_there(clusters):
    arrived = []

    def late():
        time.sleep(1.0)
        arrived.append(time.monotonic())
        rendezvous.meet(clusters[2], TERMS, 30)

    thread = threading.Thread(target=late)
    thread.start()
    assert _meet_in_threads([(cluster, TERMS) for cluster in clusters[:2]], 30) == [None, None]
    assert time.monotonic() >= arrived[0]
    thread.join()


def test_a_process_alone_does_not_wait():
    rendezvous.meet(Cluster(("localhost:1",), 0), TERMS, 30)


def test_who_did_not_come_is_named(clusters):
    host, other = _meet_in_threads([(cluster, TERMS) for cluster in clusters[:2]], 1.5, 20)
    assert host.startswith(f"process 2 ({clusters[0].addresses[2]}) did not come within 1.5 s; start all processes")
    assert other == f"process 0 says: process 2 ({clusters[0].addresses[2]}) did not come"


def test_without_process_0_the_others_give_up_in_words(clusters):
    (result,) = _meet_in_threads([(clusters[1], TERMS)], 1)
    assert result.startswith(f"process 0 ({clusters[0].addresses[0]}) was not reached within 1 s; start all processes")


def test_a_process_that_is_about_to_do_something_else_stops_all_and_is_named(clusters):
    parties = [(clusters[0], TERMS), (clusters[1], TERMS), (clusters[2], TERMS | {"beta": 0.5})]
    results = _meet_in_threads(parties, 5)
    assert results[0].startswith("process 2 has beta=0.5, but process 0 has beta=0.1; start all with the same flags")
    assert results[2] == f"process 0 says: {results[0]}"


def test_a_process_that_left_while_it_waited_is_waited_for_again(clusters):
    def impatient():
        with socket.create_connection(("localhost", int(clusters[0].addresses[0].split(":")[1])), timeout=5) as peer:
            rendezvous._send(peer, {"process": 1, "terms": TERMS})
            time.sleep(0.5)

    results = []
    threads = [threading.Thread(target=lambda: results.extend(_meet_in_threads([(clusters[0], TERMS)], 3)))]
    threads[0].start()
    time.sleep(0.5)
    impatient()
    (other,) = _meet_in_threads([(clusters[2], TERMS)], 1)
    threads[0].join()
    assert "process 1 (" in results[0] and "did not come" in results[0]
    assert other is not None


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\n\r\n", b'{"process": 7}\n', b'{"process": "1"}\n', b"[1]\n"])
def test_a_stranger_at_the_port_does_not_disturb(clusters, words):
    cluster = [Cluster(clusters[0].addresses[:2], index) for index in range(2)]
    results = []
    thread = threading.Thread(target=lambda: results.extend(_meet_in_threads([(cluster[0], TERMS)], 10)))
    thread.start()
    time.sleep(0.3)
    with socket.create_connection(("localhost", int(cluster[0].addresses[0].split(":")[1])), timeout=5) as stranger:
        stranger.sendall(words)
        assert _meet_in_threads([(cluster[1], TERMS)], 10) == [None]
    thread.join()
    assert results == [None]


def test_a_port_that_is_taken_is_told(clusters):
    port = int(clusters[0].addresses[0].split(":")[1])
    with socket.create_server(("", port)):
        (result,) = _meet_in_threads([(clusters[0], TERMS)], 1)
    assert result.startswith(
        f"TF_CONFIG gives process 0 the port {port}, which cannot be used: Address already in use"
    )


def _config(cluster, job="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})


def test_the_chief_comes_before_the_workers(monkeypatch):
    cluster = {"worker": ["a:1", "b:1"], "chief": ["c:1"]}
    for job, index, place in (("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)):
        monkeypatch.setenv("TF_CONFIG", _config(cluster, job, index))
        assert Cluster.from_environment() == Cluster(("c:1", "a:1", "b:1"), place)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "needs the environment variable TF_CONFIG, which is '', to be like"),
        ("{", "needs the environment variable TF_CONFIG, which is '{', to be like"),
        ("[]", "to be like"),
        ('{"cluster": {"worker": ["a:1"]}}', "to be like"),
        ('{"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}', "to be like"),
        (
            _config({"worker": ["a:1"], "ps": ["b:1"]}),
            "has the jobs worker, ps, but there are workers and at most one",
        ),
        (_config({"worker": ["a:1"], "chief": ["b:1", "c:1"]}), "at most one chief"),
        (_config({"worker": ["a:1"]}, index=1), "says that this is worker 1, but its cluster is"),
        (_config({"worker": ["a:1"]}, index="0"), "says that this is worker '0'"),
        (_config({"worker": ["a:1"]}, job="chief"), "says that this is chief 0"),
        (_config({"worker": ["a"]}), "has the address 'a', but each must be a host:port of its own"),
        (_config({"worker": ["a:99999"]}), "has the address 'a:99999'"),
        (_config({"worker": ["a:1", "a:1"]}), "has the address 'a:1'"),
    ],
)
def test_a_wrong_tf_config_is_told_in_a_sentence(monkeypatch, text, message):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text is not None:
        monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(ConfigError) as error:
        Cluster.from_environment()
    assert message in str(error.value)
