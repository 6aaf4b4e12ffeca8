"""Checkpoint files as docs/checkpoint_format.md defines them, read and forged in Python: what the program would write had
something else been in its memory. A check on the format's page as well: this knows nothing but the page."""

import ctypes
import struct
from pathlib import Path

MAGIC = b"EAUDEQN\x1a"


def _xxh3(data: bytes) -> int:
    library = ctypes.CDLL("libxxhash.so.0")
    library.XXH3_64bits.restype = ctypes.c_uint64
    library.XXH3_64bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    return library.XXH3_64bits(data, len(data))


def read(file: Path) -> dict:
    """{section: bytes} in file order; every checksum is checked."""
    data = file.read_bytes()
    version, count, table_size, size, checksum = struct.unpack_from("<IIQQQ", data, 8)
    assert data[:8] == MAGIC and version == 1 and size == len(data)
    assert checksum == _xxh3(data[:32] + data[40 : 40 + table_size])
    sections, at = {}, 40
    for _ in range(count):
        (length,) = struct.unpack_from("<I", data, at)
        name = data[at + 4 : at + 4 + length].decode()
        offset, bytes_, sum_ = struct.unpack_from("<QQQ", data, at + 4 + length)
        sections[name] = data[offset : offset + bytes_]
        assert _xxh3(sections[name]) == sum_, name
        at += 4 + length + 24
    return sections


def write(file: Path, sections: dict) -> None:
    names = {name: name.encode() for name in sections}
    table_size = sum(len(encoded) + 28 for encoded in names.values())
    offset, table = 40 + table_size, b""
    for name, content in sections.items():
        table += struct.pack("<I", len(names[name])) + names[name] + struct.pack("<QQQ", offset, len(content), _xxh3(content))
        offset += len(content)
    head = MAGIC + struct.pack("<IIQQ", 1, len(sections), table_size, offset)
    file.write_bytes(head + struct.pack("<Q", _xxh3(head + table)) + table + b"".join(sections.values()))


def forge(file: Path, **changes) -> None:
    """Replaces sections; a change is a function of the old bytes. `__` in a name stands for `/`."""
    sections = read(file)
    for name, change in changes.items():
        name = name.replace("__", "/")
        sections[name] = change(sections[name])
    write(file, sections)
