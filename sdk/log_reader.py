"""Reads a log that is served as C2SP tlog-tiles: from an address, or from a folder that mirrors one.

Nothing that is read is believed here: lengths are bounded, and whoever asks compares hashes.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import httpx2

from sdk.checkpoint import MAXIMUM_NOTE_BYTES
from sdk.errors import SdkError, Unreachable
from sdk.flaws import fault_in_words
from sdk.merkle import HASH_SIZE
from sdk.tiles import (
    MAXIMUM_BUNDLE_BYTES,
    TILE_WIDTH,
    ReadTile,
    published_width,
    split_bundle,
    tile_path,
)

CHECKPOINT = "checkpoint"
TIMEOUT_S = 30.0  # without a byte
WHOLE_WITHIN_S = 120.0  # a resource that comes drop by drop must not hold whoever follows the log


class NotServed(SdkError):
    """The log does not serve what its checkpoint says it has."""


class BadResource(SdkError):
    """What is served is no checkpoint, no tile or no bundle of entries."""


class Source(Protocol):
    """Where the resources of a log lie."""

    def read(self, path: str, most: int) -> bytes:
        """Reads `checkpoint` or `tile/...`, of at most `most` bytes.

        Raises NotServed, BadResource (it is longer), Unreachable.
        """

    def close(self) -> None:
        """Lets go of what is open."""


class LogReader:
    """Reads checkpoint, hashes and entries of one log."""

    def __init__(self, source: Source, named: str) -> None:
        self._source = source
        self.named = named  # as people know it: an address or a folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()

    def checkpoint(self) -> str:
        """Reads the newest checkpoint, a signed note. Raises NotServed, BadResource, Unreachable."""
        try:
            return self._source.read(CHECKPOINT, MAXIMUM_NOTE_BYTES).decode()
        except UnicodeDecodeError:
            raise BadResource(f"{self.named}: the checkpoint is no text") from None

    def entries(self, number: int, size: int) -> list[bytes]:
        """Reads bundle `number` as far as a tree of `size` entries goes: at most 256 entries.

        Raises NotServed, BadResource, Unreachable.
        """
        width = published_width(None, number, size)
        bundle = self._widest(None, number, width, MAXIMUM_BUNDLE_BYTES)
        try:
            return split_bundle(bundle)[:width]
        except ValueError:
            raise BadResource(
                f"{self.named}: bundle {number} is not as many entries as it should be"
            ) from None

    def tile_reader(self, size: int) -> ReadTile:
        """Makes a reader of the tiles of a tree of `size` entries, which reads each of them once."""
        seen: dict[tuple[int, int], bytes] = {}

        def read(level: int, number: int) -> bytes:
            if (level, number) not in seen:
                width = published_width(level, number, size)
                tile = self._widest(level, number, width, TILE_WIDTH * HASH_SIZE)
                if len(tile) < width * HASH_SIZE:
                    raise BadResource(f"{self.named}: tile {tile_path(level, number)} is too short")
                seen[level, number] = tile
            return seen[level, number]

        return read

    def _widest(self, level: int | None, number: int, width: int, most: int) -> bytes:
        """A partial tile may be gone once the full one is there (c2sp.org/tlog-tiles, Partial tiles)."""
        try:
            return self._source.read(f"tile/{tile_path(level, number, width)}", most)
        except NotServed:
            if width == TILE_WIDTH:
                raise
            return self._source.read(f"tile/{tile_path(level, number)}", most)


class HttpSource:
    """A log below an address. Redirects are not followed: a log has one address."""

    def __init__(
        self,
        prefix: str,
        transport: httpx2.BaseTransport | None = None,
        whole_within_s: float = WHOLE_WITHIN_S,
    ) -> None:
        self._prefix = prefix.rstrip("/")
        self._transport, self._whole_within_s = transport, whole_within_s
        self._http = self._client()

    def _client(self) -> httpx2.Client:
        return httpx2.Client(timeout=TIMEOUT_S, transport=self._transport)

    def read(self, path: str, most: int) -> bytes:
        """See `Source`."""
        address = f"{self._prefix}/{path}"
        if self._http.is_closed:
            self._http = self._client()
        # The client's own limits start anew with each byte, also of the headers.
        ended = threading.Timer(self._whole_within_s, self._http.close)
        ended.daemon = True
        ended.start()
        try:
            with self._http.stream("GET", address) as response:
                if response.status_code in (404, 410):
                    raise NotServed(f"{address} is not there")
                if response.status_code != 200:
                    raise Unreachable(f"{address} is answered with status {response.status_code}")
                content = b""
                for piece in response.iter_bytes():
                    content += piece
                    if len(content) > most:
                        raise BadResource(f"{address} is longer than such a resource can be")
                return content
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError, RuntimeError) as error:
            if self._http.is_closed:
                raise Unreachable(
                    f"{address} was not answered as a whole within {self._whole_within_s:g} s"
                ) from error
            raise Unreachable(f"no answer from {address}: {fault_in_words(error)}") from error
        finally:
            ended.cancel()

    def close(self) -> None:
        """See `Source`."""
        self._http.close()


class FolderSource:
    """A mirror of a log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str, most: int) -> bytes:
        """See `Source`."""
        file = self._folder / path
        try:
            with file.open("rb") as opened:
                content = opened.read(most + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NotServed(f"{file} is not there") from None
        except OSError as error:
            raise Unreachable(f"{file}: {error.strerror}") from error
        if len(content) > most:
            raise BadResource(f"{file} is longer than such a resource can be")
        return content

    def close(self) -> None:
        """See `Source`."""


def open_log(place: str, connect: Callable[[str], Source] = HttpSource) -> LogReader:
    """Opens the log at an address, which may be that of its registry, or in a folder.

    Raises NotServed, Unreachable.
    """
    if "://" not in place:
        return LogReader(FolderSource(Path(place)), place)
    prefix = place.rstrip("/")
    reader = LogReader(connect(prefix), prefix)
    try:
        reader.checkpoint()
    except NotServed:
        reader = LogReader(connect(f"{prefix}/log"), f"{prefix}/log")
        reader.checkpoint()
    return reader
