"""An index that is searched on a device while the device can, and on the CPU when it cannot.

The rows on the CPU are the ones that are kept on disk; the device holds a copy. A device that is full or
fails is given up with a warning, and the same searches go on without it.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial

from indexer.fingerprints.kinds import Kind
from indexer.index.device import Device
from indexer.index.gpu_index import GpuIndex
from indexer.index.port import Hit, Ids, Values
from indexer.index.segmented_index import SegmentedIndex

_log = logging.getLogger(__name__)


class DeviceIndex:
    """See Index."""

    kind: Kind

    def __init__(self, host: SegmentedIndex, device: Device, rows_per_segment: int | None = None) -> None:
        """`host`: nothing that makes it fast is built for it as long as the device answers."""
        self.kind, self.host = host.kind, host
        host.accelerates = False
        self._device = device
        more = {} if rows_per_segment is None else {"rows_per_segment": rows_per_segment}
        self._copy: GpuIndex | None = GpuIndex(host.kind, device.name, memory=device.memory, **more)

    @property
    def is_on_device(self) -> bool:
        """Whether the device answers."""
        return self._copy is not None

    def __len__(self) -> int:
        return len(self.host)

    def fill(self) -> None:
        """Copy what the host holds already; once, at start."""
        for block in self.host.blocks():
            self._on_device(partial(_add, block))

    def add(self, ids: Ids, values: Values) -> None:
        """See Index."""
        self.host.add(ids, values)
        self._on_device(partial(_add, (ids, values)))

    def remove(self, ids: Ids) -> None:
        """See Index."""
        self.host.remove(ids)
        self._on_device(lambda copy: copy.remove(ids))

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        return self._search(("within", radius), queries, lambda index, asked: index.within(asked, radius))

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        return self._search(("nearest", k), queries, lambda index, asked: index.nearest(asked, k))

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        return self.host.blocks()

    def _search(
        self,
        what: tuple[str, float],
        queries: Values,
        search: Callable[[GpuIndex | SegmentedIndex, Values], list[Hit]],
    ) -> list[Hit]:
        copy = self._copy
        if copy is not None and len(queries):
            try:
                return self._device.search((id(self), *what), queries, lambda asked: search(copy, asked))
            except RuntimeError as error:  # as torch and DeviceFull are
                self._give_up(error)
        return search(self.host, queries)

    def _on_device(self, work: Callable[[GpuIndex], None]) -> None:
        copy = self._copy
        if copy is None:
            return
        try:
            self._device.run(lambda: work(copy))
        except RuntimeError as error:
            self._give_up(error)

    def _give_up(self, error: RuntimeError) -> None:
        copy, self._copy = self._copy, None
        if copy is not None:
            _log.warning("%s is searched on the CPU from now on: %s", self.kind.name, error)
            self._device.run(copy.release)
            self.host.accelerates = True  # in the background; until then its rows are scanned


def _add(block: tuple[Ids, Values], copy: GpuIndex) -> None:
    copy.add(*block)
