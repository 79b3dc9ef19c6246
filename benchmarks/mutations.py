"""Ways to damage a small valid file: bits, lengths, pieces; the structure of JSON, CSV, zip, gzip, PNG, safetensors."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

LENGTHS = (0, 1, 7, 8, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
NUMBERS: tuple[Any, ...] = (
    -1,
    0,
    1,
    2,
    63,
    10**9,
    2**31,
    2**63,
    10**30,
    -(2**63),
    0.5,
    -0.0,
    1e308,
    float("nan"),
    float("inf"),
)
TEXTS = (
    "", " ", ".", "..", "../../outside", "/etc/passwd", "a\\b", "con", "nul.png", "-rf", "--help", "=1+1", "+1", "-1",
    "@SUM(A1)", "\t=1", "\r=1", "'=1", "a\x00b", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202ecod.exe", "\u200b",
    "e\u0301", "\u00e9", "\u0430", "<b>", "<script>alert(1)</script>", "{{7*7}}", "${HOME}", "%s%n", "x" * 255,
    "x" * 70_000, "\ufeff", "\u2028", "😀", "NaN", "null", "1e999", "9" * 5000, "<U1000000000", "(1000000,1000000)i4",
    "O", "V9", "M8[s]", "float65", "own", "resnet", "first", "rows", "\ud800",
)  # fmt: skip
MOST_BYTES = 3_000_000  # of a piece of JSON that is repeated
SPLICES = (
    b"",
    b"\x00",
    b"\xff" * 16,
    b"\xef\xbb\xbf",
    b"\xfe\xff",
    b"\r",
    b"\r\n",
    b"\n\n",
    b'"',
    b"\x80\x04\x95",
    b"PK\x03\x04",
    b"[" * 5000,
)
Mutation = Callable[[bytes, Random], bytes]


def flip_bits(data: bytes, chance: Random) -> bytes:
    """Turn one to eight bits."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncate(data: bytes, chance: Random) -> bytes:
    """Keep the beginning."""
    return data[: chance.randrange(len(data) + 1)]


def splice(data: bytes, chance: Random) -> bytes:
    """Put a piece of the file, or something that readers take for a mark, elsewhere in the file."""
    first = chance.randrange(len(data) + 1)
    piece = data[first : first + chance.randint(1, 64)] if chance.random() < 0.6 else chance.choice(SPLICES)
    at, width = chance.randrange(len(data) + 1), chance.choice((0, len(piece)))
    return data[:at] + piece * chance.choice((1, 1, 2, 50)) + data[at + width :]


def cut_out(data: bytes, chance: Random) -> bytes:
    """Leave out a piece in the middle."""
    first = chance.randrange(len(data) + 1)
    return data[:first] + data[first + chance.randint(1, 200) :]


def change_lengths(data: bytes, chance: Random) -> bytes:
    """Overwrite what may be a length or an offset: 2, 4 or 8 bytes in either order."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 2)):
        code = chance.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
        size = struct.calcsize(code)
        if len(changed) >= size:
            at = chance.randrange(min(len(changed) - size + 1, chance.choice((64, 512, 10**9))))
            struct.pack_into(code, changed, at, chance.choice(LENGTHS) % 2 ** (8 * size))
    return bytes(changed)


ANY: tuple[Mutation, ...] = (flip_bits, truncate, splice, cut_out, change_lengths)


def change_json(data: bytes, chance: Random) -> bytes:
    """Replace, delete, rename or repeat one to three entries of a JSON file."""
    content = json.loads(data)
    for _ in range(chance.randint(1, 3)):
        content = _changed(content, chance)
    return json.dumps(content).encode("utf-8", "surrogatepass")


def _changed(content: Any, chance: Random) -> Any:
    places = list(itertools.islice(_places(content), 5_000))
    if not places or chance.random() < 0.03:
        return _strange(chance)
    holder, key = chance.choice(places)
    action = chance.random()
    if action < 0.15:
        del holder[key]
    elif action < 0.25 and isinstance(holder, dict):
        holder[chance.choice(TEXTS[:40])] = holder[key]
    elif action < 0.35 and isinstance(holder[key], list):
        times = chance.choice((0, 2, 3, 20_000))
        holder[key] = holder[key] * min(times, MOST_BYTES // len(json.dumps(holder[key])))
    elif action < 0.6 and isinstance(holder[key], (int, float)):
        holder[key] = chance.choice(NUMBERS)
    elif action < 0.7:
        other, source = chance.choice(places)
        holder[key] = json.loads(json.dumps(other.get(source) if isinstance(other, dict) else holder[key]))
    else:
        holder[key] = _strange(chance)
    return content


def _places(content: Any) -> Iterable[tuple[Any, Any]]:
    """All entries below, as pairs of what holds them and their key."""
    keys = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in list(keys):
        yield content, key
        yield from _places(content[key])


def _strange(chance: Random) -> Any:
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: chance.choice(NUMBERS),
        lambda: chance.choice(TEXTS),
        lambda: chance.choice(
            (None, True, False, [], {}, [[]], {"": {}}, {"foreign": "os.system"}, {"pairs": [[1, 2]]})
        ),
        lambda: {
            "axis": chance.choice(("networks", "head", "method", "evolution", "os")),
            "name": chance.choice(TEXTS),
        },
        lambda: _nested(chance.choice((10, 150, 500, 900)), chance),
    )
    return chance.choice(kinds)()


def _nested(depth: int, chance: Random) -> Any:
    value: Any = 0
    wrap: Callable[[Any], Any] = chance.choice((lambda inner: [inner], lambda inner: {"a": inner}))
    for _ in range(depth):
        value = wrap(value)
    return value


def nest_json(data: bytes, chance: Random) -> bytes:
    """Put brackets around a JSON file, thousands of them."""
    depth = chance.choice((300, 5_000, 100_000))
    return b"[" * depth + data + b"]" * chance.choice((0, depth))


def change_cells(data: bytes, chance: Random) -> bytes:
    """Replace cells of a table, change its separators and line ends, repeat or drop lines."""
    lines = data.decode().splitlines()
    for _ in range(chance.randint(1, 3)):
        row = chance.randrange(len(lines))
        cells = lines[row].split(",")
        action = chance.randrange(6)
        if action < 3:
            cells[chance.randrange(len(cells))] = chance.choice(TEXTS)
        elif action == 3:
            cells = cells * chance.choice((0, 2))
        elif action == 4:
            cells.append(chance.choice(('"', '"open', "\x00", "x" * 200_000)))
        else:
            lines.append(lines[row])
        lines[row] = ",".join(cells)
    end = chance.choice(("\n", "\n", "\r\n", "\r", "\n\n", "\n\r"))
    text = chance.choice(("", "", "\ufeff")) + end.join(lines)
    return text.encode(chance.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-32")), "surrogatepass")


def change_zip(data: bytes, chance: Random) -> bytes:
    """Change a member of a zip archive and pack it again, with right checksums; or repeat, rename, nest members."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    at = chance.randrange(len(members))
    name, content = members[at]
    action = chance.randrange(5)
    if action == 0:
        members[at] = (chance.choice(TEXTS[:40]) or "x", content)
    elif action == 1:
        members.append(chance.choice(members))
    elif action == 2:
        members[at] = (name, data)
    else:
        members[at] = (name, _change_npy(content, chance) if action == 3 else chance.choice(ANY)(content, chance))
    buffer = io.BytesIO()
    packing = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        for member, inside in members:
            archive.writestr(member.encode("utf-8", "replace").decode().replace("\x00", "_"), inside)
    packed = buffer.getvalue()
    return chance.choice(ANY)(packed, chance) if chance.random() < 0.2 else packed


def _change_npy(content: bytes, chance: Random) -> bytes:
    """Change shape, type or order in the header of an .npy file."""
    end = content.index(b"\n") + 1
    shapes = (
        "(1000000000000000,)",
        "(3, 8, 8)",
        "(-1,)",
        "()",
        "(0, 8, 8)",
        "(4611686018427387904, 4)",
        "(2, 8, 8, 0)",
        "(" * 300,
    )
    types = (
        "|O",
        "<f8",
        ">u2",
        "<U1000000",
        "|V4",
        "<M8[s]",
        "<c16",
        "|b1",
        "(3,)i4",
        "[('a','|O')]",
        "|S5",
        "|u1' + '",
    )
    header = (
        f"{{'descr': '{chance.choice(types)}', 'fortran_order': {chance.choice(('False', 'True', '7'))}, "
        f"'shape': {chance.choice(shapes)}, }}\n"
    ).encode()
    return content[:8] + struct.pack("<H", len(header)) + header + content[end:]


def change_gzip(data: bytes, chance: Random) -> bytes:
    """Change what is packed and pack it again, with right checksums."""
    inside = gzip.decompress(data)
    return gzip.compress(chance.choice(ANY)(inside, chance), mtime=0)


def change_png(data: bytes, chance: Random) -> bytes:
    """Change a chunk of a PNG, and make its checksum right."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    place = chance.randrange(len(chunks))
    kind, content = chunks[place]
    extra = chance.choice(
        ((b"eXIf", b"II*\x00\x08\x00\x00\x00\xff\xff"), (b"zTXt", b"a\x00\x00" + zlib.compress(bytes(3_000_000))))
    )
    chunks[place] = (kind, chance.choice(ANY)(content, chance))
    if chance.random() < 0.3:
        chunks.insert(1, extra)
    parts = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return data[:8] + b"".join(parts)


def change_safetensors(data: bytes, chance: Random) -> bytes:
    """Change the header of a safetensors file, with its length made right."""
    (length,) = struct.unpack_from("<Q", data)
    mutation = chance.choice((change_json, change_json, change_json, nest_json, flip_bits, splice))
    header = mutation(data[8 : 8 + length], chance)
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def change_numbers(data: bytes, chance: Random) -> bytes:
    """Change the numbers that a checkpoint holds as JSON in its header, with all lengths made right."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    mutation = chance.choice((change_json, change_json, change_json, nest_json))
    numbers = mutation(header["__metadata__"]["numbers"].encode(), chance)
    header["__metadata__"]["numbers"] = numbers.decode("utf-8", "surrogatepass")
    packed = json.dumps(header).encode()
    return struct.pack("<Q", len(packed)) + packed + data[8 + length :]


def poison_floats(data: bytes, chance: Random) -> bytes:
    """Write NaN, infinities and huge numbers over the numbers of a safetensors file."""
    (length,) = struct.unpack_from("<Q", data)
    changed = bytearray(data)
    for _ in range(chance.choice((1, 100))):
        at = chance.randrange((len(data) - 8 - length) // 4) * 4
        value = chance.choice((float("nan"), float("inf"), float("-inf"), 3e38, 1e-45))
        struct.pack_into("<f", changed, 8 + length + at, value)
    return bytes(changed)
