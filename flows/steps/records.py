"""Counts the records of a CSV file by its bytes, without a CSV parser: a second opinion on what a reader found.

The rules are those of RFC 4180 as the reader holds to them: a quote opens a value only at its beginning, a quote within
quotes is doubled, and lines end with LF, CRLF or CR, the same throughout. Empty lines are no records, except in a table
of one column, where they are one without a value.
"""

import mmap
import re
from pathlib import Path

import numpy as np

CHUNK = 1024 * 1024
BOM = b"\xef\xbb\xbf"


def count_records(file: Path, columns: int, delimiter: str = ",", quote: str = '"') -> int:
    """The records of a CSV file after its header; an unclosed quote makes one record of the rest of the file.

    Args:
        file: the file, with a header in its first line.
        columns: how many columns the header has.
        delimiter: what separates values: one ASCII character.
        quote: what values are quoted with: one ASCII character.
    """
    if file.stat().st_size == 0:
        return 0
    with file.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = len(BOM) if content[: len(BOM)] == BOM else 0
        return max(_count(content, start, columns, delimiter.encode(), quote.encode()) - 1, 0)


def _count(content: mmap.mmap, start: int, columns: int, delimiter: bytes, quote: bytes) -> int:
    newline = _newline(content, start)
    counted, size, length = 0, len(content), CHUNK
    while start < size:
        # Always begins with a record: a piece ends with the last line end outside quotes, or with the file.
        piece = content[start : start + length]
        is_last = start + length >= size
        if quote not in piece and not _has_empty_lines(piece, newline):
            # Most files are like that, and there is little to look at.
            end = piece.rfind(newline) + 1
            counted += piece.count(newline)
        else:
            ends = _record_ends(piece, newline, delimiter, quote)
            if ends is None:
                # Quotes in the middle of values: rare, and told apart by reading value by value.
                return counted + _count_slowly(content, start, columns, newline, delimiter, quote)
            end = int(ends[-1]) + 1 if len(ends) else 0
            counted += len(ends) - (0 if columns == 1 else _blank(piece, ends, newline))
        if is_last:
            return counted + (end < len(piece))
        start += end
        length = CHUNK if end else 2 * length
    return counted


def _newline(content: mmap.mmap, start: int) -> bytes:
    """The byte that ends lines: LF, which is that of CRLF too, or CR if the file has no LF."""
    return b"\r" if content.find(b"\n", start) < 0 and content.find(b"\r", start) >= 0 else b"\n"


def _has_empty_lines(piece: bytes, newline: bytes) -> bool:
    """Whether a line of a piece that begins with one is empty."""
    ends = np.frombuffer(piece, dtype=np.uint8) == newline[0]
    begins = np.concatenate(([True], ends[:-1]))
    if (begins & ends).any():
        return True
    return b"\r" in piece and bool((begins & (np.frombuffer(piece, dtype=np.uint8) == ord("\r"))).any())


def _positions(piece: bytes, byte: bytes) -> np.ndarray:
    return np.flatnonzero(np.frombuffer(piece, dtype=np.uint8) == byte[0])


def _record_ends(piece: bytes, newline: bytes, delimiter: bytes, quote: bytes) -> np.ndarray | None:
    """Where the records of a piece end that begins with one; None if a quote is where none should be."""
    ends = _positions(piece, newline)
    if quote not in piece:
        return ends
    quotes = _positions(piece, quote)
    # The first, third, fifth ... opens: after a delimiter or a line end, or again, where it was doubled.
    opening = quotes[::2]
    before = np.frombuffer(piece, dtype=np.uint8)[opening[opening > 0] - 1]
    if not np.isin(before, np.frombuffer(delimiter + quote + b"\r\n", dtype=np.uint8)).all():
        return None
    # A line end is outside quotes if an even number of them comes before it.
    return ends[np.searchsorted(quotes, ends) % 2 == 0]


def _blank(piece: bytes, ends: np.ndarray, newline: bytes) -> int:
    """How many of the lines that end there have nothing in them."""
    if len(ends) == 0:
        return 0
    lengths = np.diff(ends, prepend=-1) - 1
    blank = int((lengths == 0).sum())
    if newline == b"\n":
        short = ends[lengths == 1]
        blank += int((np.frombuffer(piece, dtype=np.uint8)[short - 1] == ord("\r")).sum())
    return blank


def _count_slowly(content: mmap.mmap, start: int, columns: int, newline: bytes, delimiter: bytes, quote: bytes) -> int:
    mark, separator = re.escape(quote), re.escape(delimiter)
    # One blank may stand before a quote that opens, as the reader has it, and any number after one that closes.
    quoted = (
        b" ?" + mark + b"(?:[^" + mark + b"]|" + mark + mark + b")*+" + mark + b" *+(?=[" + separator + rb"\r\n]|\Z)"
    )
    value = b"(?:" + quoted + b"|[^" + separator + rb"\r\n]*+)"
    end = rb"(?:\r?\n|\Z)" if newline == b"\n" else rb"(?:\r|\Z)"
    record = re.compile(value + b"(?:" + separator + value + b")*+" + end)
    counted = 0
    for found in record.finditer(content, start):
        text = found.group()
        if not text:
            continue
        counted += columns == 1 or bool(text.strip(b"\r\n"))
    return counted
