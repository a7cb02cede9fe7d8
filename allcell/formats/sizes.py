"""Width and height of coded pictures from their headers, for codecs that cannot be asked."""

from __future__ import annotations

_SIZ = b"\xff\x4f\xff\x51"
_MAX_COMPONENTS = 4


def jpeg2000_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG 2000 file or codestream (T.800 A.5.1).

    Raises:
        ValueError: If it is damaged or has more than four components.
    """
    start = data.find(_SIZ, 0, 65536) + len(_SIZ)
    body = data[start + 4 : start + 38]
    if start < len(_SIZ) or len(body) < 34:
        raise ValueError("no size in a JPEG 2000 codestream")
    right, bottom, left, top = (int.from_bytes(body[i : i + 4]) for i in range(0, 16, 4))
    if int.from_bytes(body[32:34]) > _MAX_COMPONENTS:
        raise ValueError("too many components")
    return right - left, bottom - top


def jpegxl_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG XL codestream, in a container or not (ISO/IEC 18181-1, D.2).

    Raises:
        ValueError: If it is damaged.
    """
    start = 0
    if data.startswith(b"\x00\x00\x00\x0cJXL "):
        start = data.find(b"jxlc", 0, 65536) + 4
        if start < 4:
            raise ValueError("no codestream that is whole")
    if data[start : start + 2] != b"\xff\x0a":
        raise ValueError("no JPEG XL codestream")
    bits = int.from_bytes(data[start + 2 : start + 14], "little")

    def take(n: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << n) - 1), bits >> n
        return value

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    if ratio == 0:
        return side(), height
    up, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * up // down, height
