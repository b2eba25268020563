import numpy as np

from svg_tf import evaluation


def _numbered_samples():
    """Three samples of two clips whose error is known: sample s of clip b is off by errors[s, b] everywhere."""
    errors = np.array([[0.3, 0.1], [0.1, 0.2], [0.2, 0.4]], np.float32)
    future = np.full([2, 4, 16, 16, 1], 0.5, np.float32)
    return future, future + errors[:, :, np.newaxis, np.newaxis, np.newaxis, np.newaxis], errors


def test_the_best_sample_is_chosen_for_each_clip():
    future, samples, _ = _numbered_samples()
    np.testing.assert_array_equal(evaluation.best_samples(future, samples), [1, 0])


def test_scores_of_a_hand_computed_case():
    future, samples, errors = _numbered_samples()
    scores = evaluation.score(np.full([2, 3, 16, 16, 1], 0.25, np.float32), future, samples)
    np.testing.assert_allclose(scores.best["PSNR"], -10 * np.log10(0.1**2), rtol=1e-5)
    np.testing.assert_allclose(scores.mean["PSNR"], -10 * np.log10(np.mean(errors**2)), rtol=1e-5)
    np.testing.assert_allclose(scores.copy_last["PSNR"], -10 * np.log10(0.25**2), rtol=1e-5)
    np.testing.assert_allclose(scores.black["PSNR"], -10 * np.log10(0.5**2), rtol=1e-5)
    assert scores.best["SSIM"] > scores.mean["SSIM"]
