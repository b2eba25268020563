"""Protocol buffers' wire format, as much of it as is needed without generated classes.

https://protobuf.dev/programming-guides/encoding/: a message is a list of fields, each a key (its number and how its
value is laid out) and the value. Text, bytes and messages inside messages are a length and as many bytes.
"""

from collections.abc import Iterator
from typing import Any

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def field(number: int, value: int | str | bytes) -> bytes:
    """One field of a message: an integer of 0 or more, or text, or bytes, or a message that is encoded already."""
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message in order: numbers, and values as integers or bytes, by the message's definition.

    Raises:
        ValueError: this is no message.
    """
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        layout = key & 7
        if layout == _VARINT:
            value, place = _read_varint(message, place)
            yield key >> 3, value
            continue
        if layout == _BYTES:
            length, place = _read_varint(message, place)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(layout, len(message))
        if place + length > len(message):
            raise ValueError("a message is cut short, or is none")
        yield key >> 3, message[place : place + length]
        place += length


def values(message: bytes, number: int) -> list[Any]:
    """The values of all fields of a number."""
    return [value for found, value in fields(message) if found == number]


def entries(message: bytes, number: int) -> dict[str, bytes]:
    """The map with text keys and messages as values that a field holds."""
    pairs = (dict(fields(entry)) for entry in values(message, number))
    return {pair.get(1, b"").decode(): pair.get(2, b"") for pair in pairs}


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; a set eighth bit says that another follows."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if place >= len(message) or shift > 63:
            raise ValueError("a message is cut short, or is none")
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
