"""Clips of the KTH actions (Schuldt, Laptev and Caputo, ICPR 2004), whose videos are decoded once into a cache."""

import re
from pathlib import Path

from svg_tf.config import Config
from svg_tf.data import cache
from svg_tf.data.decoding import Form
from svg_tf.data.errors import DataError
from svg_tf.data.windows import SPLITS, Collection, StoredVideo, Windows, divide

URL = "https://www.csc.kth.se/cvap/actions/"
ACTIONS = ("boxing", "handclapping", "handwaving", "jogging", "running", "walking")
SEQUENCES = "00sequences.txt"

# The test persons are published. The publications also train on the validation persons, which select the model here.
PERSONS = {
    "svg": {"train": range(1, 19), "validation": (19, 20), "test": range(21, 26)},
    "savp": {"train": range(1, 15), "validation": (15, 16), "test": range(17, 26)},
    "official": {
        "train": range(11, 19),
        "validation": (1, 4, 19, 20, 21, 23, 24, 25),
        "test": (2, 3, 5, 6, 7, 8, 9, 10, 22),
    },
}

_VIDEO = re.compile(r"(person(\d\d)_([a-z]+)_d(\d))_uncomp\.avi", re.IGNORECASE)
_LINE = re.compile(r"(person\d\d_[a-z]+_d\d)[ \t]+frames[ \t]+(.*)")
_EXPECTED = (
    f"a folder of the original videos: the six archives {', '.join(f'{action}.zip' for action in ACTIONS)} and "
    f"{SEQUENCES}, published at {URL}, unpacked into one folder or six"
)


class KTH(Windows):
    """Clips of the KTH actions: each sub-sequence (or whole video) once per epoch, starting at any frame.

    The first use decodes the AVIs in config.data_dir, which takes minutes. Frames are squashed from 160x120 with a
    bicubic filter, as in the published preparations. See `Windows` for arguments, attributes and errors.
    """

    def __init__(self, config: Config, split: str) -> None:
        collection = prepare(config)
        super().__init__(_split(collection.videos, config, split), config, split, collection)


def prepare(config: Config) -> Collection:
    """Return all usable sub-sequences, or whole videos, sorted by name; decode the AVIs that are not cached."""
    folder = cache.data_folder(config, _EXPECTED)
    paths = find_videos(Path(folder))
    if not paths:
        raise DataError(f"{folder} has no files such as person01_boxing_d1_uncomp.avi; set --data_dir to {_EXPECTED}")
    ranges = read_sequences(Path(folder)) if config.kth_clips == "trimmed" else None

    def cut(video: StoredVideo) -> list[StoredVideo]:
        video = video.part(0, len(video), paths[video.name])
        return [video] if ranges is None else _trim(video, ranges)

    form = Form(config.image_width, channels=1, resize="squash")
    collection = cache.decode(config, folder, list(paths), form, cut=cut)
    return collection._replace(videos=sorted(collection.videos, key=lambda video: video.name))


def find_videos(folder: Path) -> dict[str, str]:
    """Return {path relative to folder: name, such as person01_boxing_d1} of the original AVIs, each name once."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.[aA][vV][iI]")):
        match = _VIDEO.fullmatch(path.name)
        if match and match[3].lower() in ACTIONS and match[1].lower() not in found.values():
            found[str(path.relative_to(folder))] = match[1].lower()
    return found


def read_sequences(folder: Path) -> dict[str, list[tuple[int, int]]]:
    """Return the first and last frame, counted from 1, of the sub-sequences of each video in 00sequences.txt."""
    ranges = {}
    for path in folder.rglob(SEQUENCES):
        for name, frames in _LINE.findall(path.read_text(encoding="latin-1")):
            ranges[name] = [(int(first), int(last)) for first, last in re.findall(r"(\d+)\s*-\s*(\d+)", frames)]
    if not ranges:
        raise DataError(
            f"{folder} has no {SEQUENCES} with lines such as 'person01_boxing_d1 frames 1-95, 96-185'; get it from "
            f"{URL}{SEQUENCES}, or set --kth_clips=whole"
        )
    return ranges


def _trim(video: StoredVideo, ranges: dict[str, list[tuple[int, int]]]) -> list[StoredVideo]:
    if not ranges.get(video.name):
        raise DataError(f"has no line in {SEQUENCES}")
    for first, last in ranges[video.name]:
        if not 1 <= first <= last <= len(video):
            raise DataError(f"is cut short: it has {len(video)} frames, {SEQUENCES} lists {first}-{last}")
    parts = enumerate(ranges[video.name], start=1)
    return [video.part(first - 1, last, f"{video.name}_{number}") for number, (first, last) in parts]


def _split(videos: list[StoredVideo], config: Config, split: str) -> list[StoredVideo]:
    if config.kth_split == "trial":
        return divide(videos, SPLITS[1:])[split]
    persons = PERSONS[config.kth_split][split]
    chosen = [video for video in videos if int(video.name[6:8]) in persons]  # person01_boxing_d1
    if not chosen:
        found = sorted({int(video.name[6:8]) for video in videos})
        raise DataError(
            f"data_dir {config.data_dir} has persons {found}, none of the {split} split of --kth_split="
            f"{config.kth_split}: {list(persons)}. Set --data_dir to {_EXPECTED}, or use --kth_split=trial"
        )
    return chosen
