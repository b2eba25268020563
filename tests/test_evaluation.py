import numpy as np

from svg_tf.evaluation import ClipScores, trivial_predictions


def _numbered_samples():
    """Three samples of two clips whose error is known: sample s of clip b is off by errors[s, b] everywhere."""
    errors = np.array([[0.3, 0.1], [0.1, 0.2], [0.2, 0.4]], np.float32)
    future = np.full([2, 4, 16, 16, 1], 0.5, np.float32)
    return future, future + errors[:, :, np.newaxis, np.newaxis, np.newaxis, np.newaxis], errors


def test_the_best_sample_is_chosen_for_each_clip():
    future, samples, _ = _numbered_samples()
    np.testing.assert_array_equal(ClipScores.of(future, samples).best, [1, 0])


def test_scores_of_a_hand_computed_case():
    future, samples, errors = _numbered_samples()
    scores = ClipScores.of(future, samples)
    np.testing.assert_allclose(scores.mean_of_best()["PSNR"], -10 * np.log10(0.1**2), rtol=1e-5)
    np.testing.assert_allclose(scores.mean()["PSNR"], -10 * np.log10(np.mean(errors**2)), rtol=1e-5)
    np.testing.assert_allclose(scores.mean_of_best()["SSIM"], scores.similarities[[1, 0], [0, 1]].mean())


def test_batches_of_clips_score_as_one():
    future, samples, _ = _numbered_samples()
    parts = [ClipScores.of(future[clips], samples[:, clips]) for clips in (slice(0, 1), slice(1, 2))]
    for one, whole in zip(ClipScores.joined(parts), ClipScores.of(future, samples), strict=True):
        np.testing.assert_allclose(one, whole, rtol=1e-6)


def test_trivial_predictions_are_the_last_context_frame_and_black():
    context = np.random.default_rng(0).random((2, 3, 16, 16, 1), np.float32)
    trivial = trivial_predictions(context, 4)
    for frame in range(4):
        np.testing.assert_array_equal(trivial["copy last"][0, :, frame], context[:, 2])
    assert trivial["black"].shape == (1, 2, 4, 16, 16, 1) and not trivial["black"].any()
