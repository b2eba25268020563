"""The KTH actions (Schuldt, Laptev and Caputo, ICPR 2004) as a data set of TensorFlow Datasets, kth_actions.

Importing this module registers it:

    import svg_tf.data.kth_actions
    config = tfds.download.DownloadConfig(manual_dir="folder of the AVIs")
    tfds.load("kth_actions/64", download_and_prepare_kwargs={"download_config": config})
"""

import os
import re
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from svg_tf.data import decoding
from svg_tf.data.errors import DataError

URL = "https://www.csc.kth.se/cvap/actions/"
ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
SEQUENCES = "00sequences.txt"
MANUAL = (
    f"the original videos: the six archives {', '.join(f'{action}.zip' for action in ACTIONS)} and {SEQUENCES}, all "
    f"published at {URL}, unpacked into one folder or six"
)

_SIZE = (160, 120)
_VIDEO = re.compile(r"(person(\d\d)_([a-z]+)_d(\d))_uncomp\.avi", re.IGNORECASE)
_LINE = re.compile(r"(person\d\d_[a-z]+_d\d)\s+frames\s+(.*)")
_TEST_PERSONS = range(21, 26)


class KthConfig(tfds.core.BuilderConfig):
    """Width and height of a frame in pixels, and whether videos are trimmed to their sub-sequences."""

    def __init__(self, width: int, trimmed: bool) -> None:
        cut = "sub-sequences of 00sequences.txt" if trimmed else "whole videos"
        name = str(width) if trimmed else f"{width}_whole"
        super().__init__(name=name, description=f"{cut}, squashed to {width}x{width} pixels, grey")
        self.width = width
        self.trimmed = trimmed


class KthActions(tfds.core.GeneratorBasedBuilder):
    """25 persons, 6 actions, 4 scenarios, each an action four times over: 2,391 sub-sequences of 599 videos.

    Frames are squashed from 160x120 by a bicubic filter, as in the published preparations, and stored as plain
    bytes. The splits train (persons 1-20) and test (21-25) hold the persons whose videos there are. Files that
    cannot be used are in the metadata, under skipped: {file: reason}; those that were read under sources.
    """

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [KthConfig(width, trimmed) for trimmed in (True, False) for width in (64, 128)]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"manual_dir must hold {MANUAL}."

    def _info(self) -> tfds.core.DatasetInfo:
        width = self.builder_config.width
        features = {
            "video": tfds.features.Tensor(shape=(None, width, width, 1), dtype=np.uint8, encoding="bytes"),
            "name": tfds.features.Text(doc="person01_boxing_d1, then _ and the number of the sub-sequence if trimmed"),
            "person": np.int64,
            "action": tfds.features.ClassLabel(names=ACTIONS),
            "scenario": np.int64,
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__class__.__doc__,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("video", "action"),
            homepage=URL,
            citation="@inproceedings{schuldt2004recognizing, title={Recognizing human actions: a local SVM approach}, "
            "author={Schuldt, Christian and Laptev, Ivan and Caputo, Barbara}, booktitle={ICPR}, year={2004}}",
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        folder = Path(os.fspath(dl_manager.manual_dir))
        videos = find_videos(folder)
        ranges = read_sequences(folder) if self.builder_config.trimmed else {}
        self.info.metadata["sources"] = sizes(videos)
        self.info.metadata["skipped"] = {}
        test = [name for name in videos if person_of(name) in _TEST_PERSONS]
        splits = {"train": [name for name in videos if name not in test], "test": test}
        return {
            split: self._generate_examples(folder, {name: videos[name] for name in names}, ranges)
            for split, names in splits.items()
            if names
        }

    def _generate_examples(self, folder: Path, videos: dict[str, Path], ranges: dict) -> Iterator:
        def decode(name: str) -> dict[str, np.ndarray] | DataError:
            form = decoding.Form(self.builder_config.width, channels=1, resize="squash")
            try:
                video = np.stack(list(decoding.read(os.fspath(videos[name]), form, size=_SIZE)))  # [T, W, W, 1]
                return _pieces(name, video, ranges) if self.builder_config.trimmed else {name: video}
            except DataError as error:
                return error

        workers, skipped = os.cpu_count() or 1, {}
        with futures.ThreadPoolExecutor(workers) as pool:
            names = list(videos)
            for start in range(0, len(names), 4 * workers):  # not all of them in memory at once
                group = names[start : start + 4 * workers]
                for name, pieces in zip(group, pool.map(decode, group), strict=True):
                    if isinstance(pieces, DataError):
                        file = videos[name].relative_to(folder).as_posix()
                        skipped[file] = str(pieces)
                        continue
                    for piece, frames in pieces.items():
                        yield piece, _example(piece, frames)
        if len(skipped) == len(videos):  # a split cannot be empty
            file, reason = next(iter(skipped.items()))
            raise DataError(f"{folder}: of {len(videos)} videos none can be used; {file} {reason}")
        self.info.metadata["skipped"] |= skipped


def find_videos(folder: Path) -> dict[str, Path]:
    """The original AVIs under a folder, by their names without _uncomp.avi, in the order of the names."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.[aA][vV][iI]")):
        match = _VIDEO.fullmatch(path.name)
        if match and match[3].lower() in ACTIONS:
            found.setdefault(match[1].lower(), path)
    return dict(sorted(found.items()))


def sizes(videos: dict[str, Path]) -> dict[str, int]:
    """The size of each video's file, in bytes."""
    return {name: path.stat().st_size for name, path in videos.items()}


def read_sequences(folder: Path) -> dict[str, list[tuple[int, int]]]:
    """First and last frame, counted from 1, of the sub-sequences of every video, from 00sequences.txt.

    Raises:
        DataError: the file is not under the folder, or is something else.
    """
    path = next(iter(sorted(folder.rglob(SEQUENCES))), None)
    if path is None:
        raise DataError(f"{folder} has no {SEQUENCES}; get it from {URL}{SEQUENCES}, or set --kth_clips=whole")
    ranges = {}
    for line in path.read_text(encoding="latin-1").splitlines():
        match = _LINE.match(line.strip())
        if match:
            pairs = re.findall(r"(\d+)\s*-\s*(\d+)", match[2])
            ranges[match[1]] = [(int(first), int(last)) for first, last in pairs]
    if not ranges:
        raise DataError(f"{path} has no lines such as 'person01_boxing_d1 frames 1-95, 96-185'; get it from {URL}")
    return ranges


def person_of(name: str) -> int:
    """The person in person01_boxing_d1."""
    return int(name[6:8])


def _pieces(name: str, video: np.ndarray, ranges: dict[str, list[tuple[int, int]]]) -> dict[str, np.ndarray]:
    if not ranges.get(name):
        raise DataError(f"has no line in {SEQUENCES}")
    for first, last in ranges[name]:
        if not 1 <= first <= last:
            raise DataError(f"has the frames {first}-{last} in {SEQUENCES}")
    last = max(last for _, last in ranges[name])
    if last > len(video):
        raise DataError(f"is cut short: it has {len(video)} frames, and {SEQUENCES} counts {last}")
    return {f"{name}_{number}": video[a - 1 : b] for number, (a, b) in enumerate(ranges[name], start=1)}


def _example(name: str, frames: np.ndarray) -> dict[str, Any]:
    _, action, scenario = name.split("_")[:3]
    labels = {"person": person_of(name), "action": action, "scenario": int(scenario[1])}
    return {"video": frames, "name": name, **labels}
