"""What a program is: the file program.json of its folder."""

import dataclasses
import hashlib
import os
from typing import Any

from . import parts
from .parts import ProgramError

LOSSES = "losses"
LOSS_NAMES = ("loss", "reconstruction_loss", "kl")
UPDATES = "model/svg/updates"
CODE, DESCRIPTION, STATE, INPUTS = "program.stablehlo", "program.json", "state", "inputs"
_FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """A program's interface and what is known of it.

    Attributes:
        kind: step (the batch is an argument) or train (the program draws its clips itself).
        steps_per_call: updates that a call makes, at most.
        total_steps: updates of the whole run; a call stops there.
        arguments: names of the program's arguments in order; of what is among the results it is the state.
        results: names of its results in order: LOSSES float32 [steps_per_call, 3], then the state after the call.
        frames_per_step: clips times frames of a clip.
        flops_per_step: multiplications and additions of a step's convolutions and matrix products.
        expected: the losses of the first steps in TensorFlow on a CPU, [steps, 3].
        config: the run's configuration, by field.
        sha256: of the code.
        versions: of the software that wrote the program.
    """

    kind: str
    steps_per_call: int
    total_steps: int
    arguments: tuple[str, ...]
    results: tuple[str, ...]
    frames_per_step: int
    flops_per_step: float
    expected: tuple[tuple[float, ...], ...]
    config: dict[str, Any]
    sha256: str
    versions: dict[str, str]

    def to_json(self) -> dict:
        """The fields, fit for JSON."""
        return {"format": _FORMAT, **dataclasses.asdict(self)}


def read(folder: str) -> Description:
    """The description of the program in a folder.

    Raises:
        ProgramError: it is missing, damaged or of another version.
    """
    path = os.path.join(folder, DESCRIPTION)
    values = parts.read_json(path)
    if values.pop("format", None) != _FORMAT:
        raise ProgramError(f"{path} is of another version of this runner; use the one in the program's folder")
    try:
        description = Description(**values)
    except TypeError as error:
        raise ProgramError(f"{path} does not describe a program ({error}); copy it again") from None
    arguments, results = (tuple(values[name]) for name in ("arguments", "results"))
    expected = tuple(map(tuple, values["expected"]))
    return dataclasses.replace(description, arguments=arguments, results=results, expected=expected)


def read_code(folder: str, description: Description) -> bytes:
    """The program itself.

    Raises:
        ProgramError: it is missing, damaged or another one.
    """
    path = os.path.join(folder, CODE)
    try:
        with open(path, "rb") as file:
            code = file.read()
    except OSError as error:
        raise ProgramError(f"{path} cannot be read ({error}); copy it from where it was written") from None
    if hashlib.sha256(code).hexdigest() != description.sha256:
        raise ProgramError(f"{path} is damaged, or of another program than program.json; copy both again")
    return code


def read_state(folder: str, description: Description, optional: tuple[str, ...] = ()) -> tuple[parts.Arrays, int]:
    """A program's state that lies in a folder, and the number of updates made.

    Raises:
        ProgramError: a file is missing or damaged, or the state is of another program.
    """
    arrays, info = parts.load(folder, STATE, optional)
    if info.get("program") != description.sha256:
        raise ProgramError(
            f"{os.path.join(folder, STATE)}.json is the state of another program; name another folder by --out"
        )
    return arrays, int(arrays[UPDATES])


def write_state(folder: str, description: Description, arrays: parts.Arrays, part_bytes: int) -> None:
    """Stores a program's state; the one before is kept until this one is whole."""
    step = int(arrays[UPDATES])
    info = {"program": description.sha256, "step": step}
    parts.save(folder, STATE, arrays, info, f"{step:08d}", part_bytes)
