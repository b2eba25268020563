import contextlib
import threading
import time

import cpp_runtime
import exported_model
import load
import numpy as np
import pytest
from merging import Merger


def _echo(signature, inputs):
    """A server that answers with the first of the context's numbers and the seeds, for each row."""
    if not np.isfinite(inputs["context"]).all():
        raise ValueError("not finite")
    return {
        "frames": inputs["context"].reshape(len(inputs["context"]), -1)[:, :1, np.newaxis]
        + inputs["seeds"][..., np.newaxis]
    }


def test_clients_of_a_right_server_are_content():
    cases = load.make_cases(_echo, (3, 4, 4, 1), 4, 2)
    result = load.run(_echo, cases, requests=6, wrong_every=3, error=ValueError)
    assert result.clean and result.clients == 4 and result.answered == 4 * 4 and result.frames == 4 * 4 * 2
    assert 0 <= result.p50 <= result.p99 <= result.seconds


def test_answers_for_others_are_noticed():
    cases = load.make_cases(_echo, (3, 4, 4, 1), 2, 2)
    seen = []

    def swapped(signature, inputs):
        seen.append(inputs)
        return _echo(signature, seen[0])

    result = load.run(swapped, cases, requests=3, wrong_every=0, error=ValueError)
    assert result.mixed_up == 3 and not result.clean


def test_lost_answers_and_accepted_wrong_requests_are_noticed():
    cases = load.make_cases(_echo, (3, 4, 4, 1), 2, 2)

    def failing(signature, inputs):
        raise ValueError("no")

    assert load.run(failing, cases, requests=3, wrong_every=0, error=ValueError).lost == 6
    careless = load.run(lambda *_: {"frames": np.zeros([1, 2, 1])}, cases, requests=2, wrong_every=2, error=ValueError)
    assert careless.accepted == 2 and careless.mixed_up == 2


@pytest.mark.parametrize("merging", [False, True])
def test_many_clients_of_the_runtime_get_their_own_frames(merging):
    runtime = exported_model.runtime()
    cases = load.make_cases(runtime.run, (3, 32, 32, 1), 12, 2)
    with contextlib.ExitStack() as stack:
        ask = runtime.run
        if merging:
            merger = stack.enter_context(contextlib.closing(Merger(runtime.run, wait=0.02)))
            ask = merger.run
        wrong_every = 0 if merging else 2
        result = load.run(ask, cases, requests=4, wrong_every=wrong_every, error=cpp_runtime.CppRuntimeError)
        assert result.clean and result.answered == 12 * (4 if merging else 2)
        assert not merging or merger.merged


@contextlib.contextmanager
def _merger(run, wait=0.2):
    with contextlib.closing(Merger(run, wait)) as merger:
        yield merger


def _ask_at_once(merger, requests):
    answers = [None] * len(requests)

    def ask(number):
        try:
            answers[number] = merger.run(*requests[number])
        except ValueError as error:
            answers[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return answers


def test_merged_requests_are_filled_up_and_split_again():
    shapes = []

    def run(signature, inputs):
        shapes.append((signature, inputs["x"].shape))
        time.sleep(0.01)
        return {"y": inputs["x"] * 2}

    with _merger(run) as merger:
        requests = [("a", {"x": np.full([rows, 2], value)}) for value, rows in enumerate([1, 2, 2])]
        requests += [("b", {"x": np.full([1, 2], 7)}), ("a", {"x": np.full([1, 3], 8)})]
        answers = _ask_at_once(merger, requests)
    for (_, inputs), answer in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(answer["y"], inputs["x"] * 2)
    assert ("a", (8, 2)) in shapes and ("b", (1, 2)) in shapes and ("a", (1, 3)) in shapes


def test_more_rows_than_a_batch_holds_run_all_the_same():
    with _merger(lambda _, inputs: inputs, wait=0.001) as merger:
        assert len(merger.run("a", {"x": np.zeros([11, 1])})["x"]) == 11


def test_a_refused_batch_is_told_to_all_in_it_and_the_next_runs():
    def run(signature, inputs):
        if (inputs["x"] < 0).any():
            raise ValueError("negative")
        return inputs

    with _merger(run) as merger:
        answers = _ask_at_once(merger, [("a", {"x": np.array([1.0])}), ("a", {"x": np.array([-1.0])})])
        assert [str(answer) for answer in answers] == ["negative", "negative"]
        assert merger.run("a", {"x": np.array([1.0])})["x"] == 1


def test_scalars_and_unequal_rows_are_no_batch():
    with _merger(lambda _, inputs: inputs) as merger:
        with pytest.raises(ValueError, match=r"input h has shape \(\), but batches need"):
            merger.run("a", {"x": np.zeros([2, 1]), "h": np.array(3)})
        with pytest.raises(ValueError, match="batches need the same first axis"):
            merger.run("a", {"x": np.zeros([2, 1]), "h": np.zeros(3)})
