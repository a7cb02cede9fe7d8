"""How a DICOM file begins: by its preamble, by its file meta information, or at once by its data.

Nothing here imports pydicom, which takes time that other pictures need not.
"""

from __future__ import annotations

_PREAMBLE = bytes(128) + b"DICM"
#: Elements with which files begin that lack preamble and meta information (PS3.10, 7.1 asks for
#: both): group length, character set, image type, SOP class, SOP instance.
_FIRST_ELEMENTS = (0x0000, 0x0005, 0x0008, 0x0016, 0x0018)
_TEXT_VRS = (b"CS", b"UI", b"UL")
_LONGEST_VALUE = 128
_EXPLICIT, _IMPLICIT = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0"


def is_dicom(data: bytes) -> bool:
    """Whether a file is DICOM, with a preamble or without.

    Args:
        data: The whole file, or its first 256 bytes.
    """
    return data[128:132] == b"DICM" or _begins_with_meta(data) or _begins_with_data(data)


def with_preamble(data: bytes) -> bytes:
    """The same file as PS3.10 wants it: with preamble and file meta information."""
    if data[128:132] == b"DICM":
        return data
    if _begins_with_meta(data):
        return _PREAMBLE + data
    syntax = _EXPLICIT if data[4:6] in _TEXT_VRS else _IMPLICIT
    meta = b"\x02\x00\x10\x00UI" + len(syntax).to_bytes(2, "little") + syntax
    return _PREAMBLE + meta + data


def _begins_with_meta(data: bytes) -> bool:
    # Its group length or version come first.
    return data[:6] in (b"\x02\x00\x00\x00UL", b"\x02\x00\x01\x00OB")


def _begins_with_data(data: bytes) -> bool:
    if data[:2] != b"\x08\x00" or int.from_bytes(data[2:4], "little") not in _FIRST_ELEMENTS:
        return False
    if data[4:6] in _TEXT_VRS:
        return int.from_bytes(data[6:8], "little") <= _LONGEST_VALUE
    return 0 < int.from_bytes(data[4:8], "little") <= _LONGEST_VALUE and data[4] % 2 == 0
