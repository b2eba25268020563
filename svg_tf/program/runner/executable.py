"""A program compiled for a device by JAX's client, and its state on that device."""

import hashlib
import os

import jax
import numpy as np

from .description import LOSSES, Description
from .parts import ProgramError, write_bytes

# JAX makes 32 bits of 64 else, and the counters and the random numbers' seeds have 64.
jax.config.update("jax_enable_x64", True)

State = dict[str, jax.Array]


class Executable:
    """A program ready to run on one device.

    JAX has no public call that compiles StableHLO which it did not write itself; this one uses its client's. Tried
    with JAX 0.10.2 and 0.11.2.

    Args:
        code: the program.
        description: of it.
        device: where it runs; a CPU or a GPU of JAX's.
        cache: folder for the compiled program, which is taken from there the next time; empty: none.

    Raises:
        ProgramError: this version of JAX cannot compile it.
    """

    def __init__(self, code: bytes, description: Description, device: jax.Device, cache: str = "") -> None:
        self.description = description
        self.device = device
        self._executable = _compiled(code, device, cache)

    def put(self, arrays: dict[str, np.ndarray]) -> State:
        """Arrays on the device: those that are arguments."""
        names = frozenset(self.description.arguments)
        return {name: jax.device_put(array, self.device) for name, array in arrays.items() if name in names}

    def call(self, state: State, inputs: State) -> tuple[np.ndarray, State]:
        """Makes steps_per_call updates; returns when they are made.

        Args:
            state: its memory is taken over by the result: it is gone after the call.
            inputs: the batch or the digits.

        Returns:
            losses float32 [steps_per_call, 3], and the state after.
        """
        losses, state = self.launch(state, inputs)
        return np.asarray(losses), state

    def launch(self, state: State, inputs: State) -> tuple[jax.Array, State]:
        """As call, without waiting for it."""
        arguments = state | inputs
        results = self._executable.execute_sharded([arguments[name] for name in self.description.arguments])
        arrays = [shards[0] for shards in results.disassemble_into_single_device_arrays()]
        after = dict(zip(self.description.results, arrays, strict=True))
        return after.pop(LOSSES), state | after

    def memory(self) -> dict[str, int]:
        """Bytes by what they are for, as far as the compiler says."""
        stats = self._executable.get_compiled_memory_stats()
        names = ("argument", "output", "alias", "temp", "generated_code")
        sizes = {name: getattr(stats, f"{name}_size_in_bytes", None) for name in names}
        return {name: size for name, size in sizes.items() if size is not None}

    def costs(self) -> dict[str, float]:
        """The compiler's own count of a call: flops and bytes accessed, a loop's body counted once."""
        costs = self._executable.cost_analysis()
        costs = costs[0] if isinstance(costs, list) else costs
        return {name: float(costs[name]) for name in ("flops", "bytes accessed") if name in costs}


def _compiled(code: bytes, device: jax.Device, cache: str):
    key = hashlib.sha256(code + f"{jax.__version__} {device.device_kind} {device.client.platform_version}".encode())
    path = os.path.join(cache, f"compiled-{key.hexdigest()[:16]}.bin") if cache else ""
    try:
        from jax._src.lib import xla_client

        devices, options = xla_client.DeviceList((device,)), xla_client.CompileOptions()
        if path and (stored := _stored(path, device, devices, options)):
            return stored
        executable = device.client.compile_and_load(portable(code), devices, options)
    except (ImportError, AttributeError, TypeError) as error:
        raise ProgramError(
            f"JAX {jax.__version__} cannot compile a program of another ({error}); try 0.11.2"
        ) from None
    if path:
        os.makedirs(cache, exist_ok=True)
        write_bytes(path, executable.serialize())
    return executable


def portable(code: bytes) -> bytes:
    """The program in StableHLO alone: without the copies of another dialect that TensorFlow leaves in it.

    They do nothing, and a GPU's plugin, to which a program travels as StableHLO of a version, does not know them.
    """
    from jax._src.interpreters import mlir
    from jax._src.lib.mlir import ir

    copies = []

    def collect(operation):
        if operation.name == "mhlo.copy":
            copies.append(operation)
        return ir.WalkResult.ADVANCE

    with mlir.make_ir_context(), ir.Location.unknown():
        module = ir.Module.parse(code)
        module.operation.walk(collect)
        for operation in copies:
            operation.results[0].replace_all_uses_with(operation.operands[0])
            operation.erase()
        return mlir.module_to_bytecode(module)


def _stored(path: str, device: jax.Device, devices, options):
    """The compiled program that lies there; None where there is none that can be used."""
    if not os.path.exists(path):
        return None
    try:
        with open(path, "rb") as file:
            return device.client.deserialize_executable(file.read(), devices, options)
    except Exception as error:  # of the compiler's own kind; the file only saves time
        print(f"{path} cannot be used ({str(error).splitlines()[0]}): compiling again", flush=True)
        return None
