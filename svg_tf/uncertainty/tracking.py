"""Where known digits are in a frame: template matching of all of them together."""

import itertools

import numpy as np

FOUND = 0.5  # the least normalised cross-correlation of a digit that counts as found
_SWEEPS = 2  # of each search; more changed nothing on overlapping digits of MNIST
_MOVES = list(itertools.product((-1, 0, 1), repeat=2))
_AT_ONCE = 500  # frames; bounds the memory


def locate(frames: np.ndarray, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the places at which the digits, summed and cut off at 1 as the data is, come nearest to the frame.

    Nearest in squared error, by coordinate descent: each digit in turn goes where it correlates best with what the
    others leave of the frame. Every order of the digits is a start, and the best end wins. Then each is moved by a
    pixel as long as that helps, because correlation does not know of the cut. No frame knows of another, so a motion
    is measured and not assumed.

    Args:
        frames: float32 [F, W, W] in [0, 1].
        digits: float32 [F, N, D, D] in [0, 1], the digits in each frame; D below W.

    Returns:
        Top left corners (y, x), int64 [F, N, 2] in 0..W-D; for each digit the normalised (zero-mean)
        cross-correlation with what the others leave of its place, float32 [F, N] in [-1, 1].
    """
    parts = [slice(first, first + _AT_ONCE) for first in range(0, len(frames), _AT_ONCE)]
    places, scores = zip(*(_locate(frames[part], digits[part]) for part in parts), strict=True)
    return np.concatenate(places), np.concatenate(scores)


def _locate(frames: np.ndarray, digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count, width = digits.shape[1], frames.shape[-1]
    best_error = np.full(len(frames), np.inf)
    best = np.zeros([len(frames), count, 2], np.int64)
    layers = np.zeros([len(frames), count, width, width], np.float32)  # each digit alone on black
    spectra = [np.conj(np.fft.rfft2(digits[:, n], s=frames.shape[1:])) for n in range(count)]
    for order in itertools.permutations(range(count)):
        places, trial = np.zeros_like(best), np.zeros_like(layers)
        for n in order * (_SWEEPS if count > 1 else 1):
            left_over = frames - np.minimum(_others(trial, n), 1)
            places[:, n] = _best_place(left_over, spectra[n], digits.shape[-1])
            trial[:, n] = _paste(digits[:, n], places[:, n], width)
        error = _error(frames, trial.sum(axis=1))
        better = error < best_error
        best[better], layers[better], best_error[better] = places[better], trial[better], error[better]
    if count > 1:
        _refine(frames, digits, best, layers, best_error)
    left_over = (frames - np.minimum(_others(layers, n), 1) for n in range(count))
    scores = [_agreement(image, digits[:, n], best[:, n]) for n, image in enumerate(left_over)]
    return best, np.stack(scores, axis=1)


def _refine(frames: np.ndarray, digits: np.ndarray, places: np.ndarray, layers: np.ndarray, error: np.ndarray) -> None:
    """Moves digits by a pixel where the error falls, in place: each digit as often as it is swept."""
    largest = frames.shape[-1] - digits.shape[-1]
    for n in list(range(digits.shape[1])) * _SWEEPS:
        others, start = _others(layers, n), places[:, n].copy()
        for move in _MOVES:
            moved = np.clip(start + move, 0, largest)
            layer = _paste(digits[:, n], moved, frames.shape[-1])
            moved_error = _error(frames, others + layer)
            better = moved_error < error
            places[better, n], layers[better, n], error[better] = moved[better], layer[better], moved_error[better]


def _others(layers: np.ndarray, n: int) -> np.ndarray:
    return layers.sum(axis=1) - layers[:, n]


def _error(frames: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    return np.square(frames - np.minimum(drawn, 1)).sum(axis=(1, 2))


def _best_place(images: np.ndarray, spectra: np.ndarray, size: int) -> np.ndarray:
    """Where the squared error is least: where the correlation is largest, as a digit is never cut by the border."""
    places = images.shape[-1] - size + 1
    correlation = np.fft.irfft2(np.fft.rfft2(images) * spectra, s=images.shape[1:])[:, :places, :places]  # no wrapping
    flat = correlation.reshape(len(images), -1).argmax(axis=1)
    return np.stack(np.unravel_index(flat, (places, places)), axis=-1)


def _windows(places: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The index of the size x size windows at places [F, 2] in images [F, W, W]."""
    rows, columns = (places[:, axis, np.newaxis] + np.arange(size) for axis in (0, 1))
    return np.arange(len(places))[:, np.newaxis, np.newaxis], rows[:, :, np.newaxis], columns[:, np.newaxis, :]


def _paste(digits: np.ndarray, places: np.ndarray, width: int) -> np.ndarray:
    images = np.zeros([len(digits), width, width], np.float32)
    images[_windows(places, digits.shape[-1])] = digits
    return images


def _agreement(images: np.ndarray, digits: np.ndarray, places: np.ndarray) -> np.ndarray:
    seen = images[_windows(places, digits.shape[-1])]
    seen, known = (x - x.mean(axis=(1, 2), keepdims=True) for x in (seen, digits))
    norms = np.sqrt(np.square(seen).sum(axis=(1, 2)) * np.square(known).sum(axis=(1, 2)))
    return (seen * known).sum(axis=(1, 2)) / np.maximum(norms, 1e-6)
