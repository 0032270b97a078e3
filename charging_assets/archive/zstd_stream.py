"""Read a zstd frame from front to back, with bounded memory, by lines and by exact sizes.

A damaged or hostile frame raises zstandard.ZstdError, never more: the end of the frame is located
before anything is decompressed, so that neither a cut nor an appended byte goes unnoticed, and no
size that the content states makes the reader allocate more than the frame can contain.
"""

from __future__ import annotations

from collections.abc import Iterator

import zstandard
from zstandard import ZstdError

# Lines of format 2 are padded to a multiple of this many bytes, their line ends included, so that
# they are read without a byte of the body that follows them.
LINE_UNIT = 512
# Lines of format 1 contain bodies: up to 1 GiB, which escaping may double.
_MAX_LINE_BYTES = 5 << 29
_LARGE_UNIT = 1 << 18
_PIECE_BYTES = 1 << 20
_BLOCK_BYTES = 128 << 10
_MAGIC = b"\x28\xb5\x2f\xfd"


class FrameReader:
    """The content of one zstd frame, decompressed as it is read.

    Raises:
        ZstdError: the frame is damaged, is cut, or is followed by other bytes.
    """

    def __init__(self, frame: bytes | memoryview, max_window_bytes: int = 0) -> None:
        self._left = _content_limit(frame)
        decompressor = zstandard.ZstdDecompressor(max_window_size=max_window_bytes)
        self._stream = decompressor.stream_reader(frame)
        self._buffer, self._position = b"", 0

    def line(self) -> bytes | None:
        """The next line with its end; None at the end of the content.

        Raises:
            ZstdError: the content ends within the line.
        """
        if self._position < len(self._buffer):
            end = self._buffer.find(b"\n", self._position) + 1
            if end:
                line = self._buffer[self._position : end]
                self._position = end
                return line
        else:
            # Nearly always: a line of one unit, and nothing else.
            block = self._stream.read(LINE_UNIT)
            self._left -= LINE_UNIT
            if block.find(b"\n") == LINE_UNIT - 1:
                return block
            self._buffer, self._position = block, 0
        parts, block = [], self._buffer[self._position :]
        length = 0
        while block:
            end = block.find(b"\n") + 1
            if end:
                self._buffer, self._position = block, end
                parts.append(block[:end])
                return b"".join(parts)
            parts.append(block)
            length += len(block)
            if length > _MAX_LINE_BYTES:
                raise ZstdError(f"a line has more than {_MAX_LINE_BYTES:,} bytes")
            block = self._read(LINE_UNIT if length < 64 * LINE_UNIT else _LARGE_UNIT)
        if length:
            raise ZstdError("the content ends within a line")
        return None

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes; ZstdError if the content ends before."""
        buffered = len(self._buffer) - self._position
        if size - buffered > self._left:
            self._check_size(size - buffered)
        if not buffered:
            content = self._stream.read(size)
            self._left -= size
        else:
            content = self._buffer[self._position : self._position + size]
            self._position += len(content)
            if len(content) < size:
                content += self._read(size - len(content))
        if len(content) != size:
            raise ZstdError("the content ends within a body")
        return content

    def pieces(self, size: int) -> Iterator[bytes]:
        """Exactly `size` bytes in pieces of at most 1 MiB."""
        self._check_size(size - (len(self._buffer) - self._position))
        while size > 0:
            piece = self.read(min(size, _PIECE_BYTES))
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """All that was not read yet, in pieces of at most 1 MiB."""
        if self._position < len(self._buffer):
            yield self._buffer[self._position :]
        self._buffer, self._position = b"", 0
        while piece := self._read(_PIECE_BYTES):
            yield piece

    def _check_size(self, size: int) -> None:
        if size > self._left:
            raise ZstdError(f"it states {size:,} more bytes than it can contain")

    def _read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        return content


def _content_limit(frame: bytes | memoryview) -> int:
    """The most bytes that a frame can contain, by its blocks (RFC 8878, section 3.1.1).

    Raises:
        ZstdError: it is no frame, is cut, or is followed by other bytes.
    """
    if frame[:4] != _MAGIC:
        raise ZstdError("it is not zstd")
    parameters = zstandard.get_frame_parameters(frame)
    position, limit, is_last = zstandard.frame_header_size(frame), 0, False
    while not is_last:
        header = int.from_bytes(frame[position : position + 3], "little")
        if position + 3 > len(frame):
            raise ZstdError("its end is missing")
        is_last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        if kind == 3:
            raise ZstdError("a block has an unknown type")
        # A raw block states its size, an RLE block that of its content.
        limit += _BLOCK_BYTES if kind == 2 else min(size, _BLOCK_BYTES)
        position += 3 + (1 if kind == 1 else size)
    if position + 4 * parameters.has_checksum != len(frame):
        raise ZstdError("its end is missing or belongs to another object")
    return limit
