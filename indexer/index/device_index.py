"""An index that is searched on a device as long as the device works, and on the CPU otherwise.

The index on the CPU is the one whose rows are kept on disk; the device holds a copy. A device that is full
or fails is given up with a warning, and the same searches go on without it.
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
    """See Index. Thread-safe as `SegmentedIndex` and `Device` are."""

    kind: Kind

    def __init__(self, host: SegmentedIndex, device: Device, rows_per_segment: int | None = None) -> None:
        """`host`: the index on the CPU, which gets no accelerators as long as the device works."""
        self.kind, self.host = host.kind, host
        host.accelerates = False
        self._device = device
        more = {} if rows_per_segment is None else {"rows_per_segment": rows_per_segment}
        self._copy: GpuIndex | None = GpuIndex(host.kind, device.name, memory=device.memory, **more)

    @property
    def is_on_device(self) -> bool:
        """Whether the device answers searches."""
        return self._copy is not None

    def __len__(self) -> int:
        return len(self.host)

    def fill(self) -> None:
        """Copy the rows that the host holds already; once, at the start."""
        for block in self.host.blocks():
            self._on_device(partial(_add_block, block))

    def add(self, ids: Ids, values: Values) -> None:
        """See Index."""
        self.host.add(ids, values)
        self._on_device(partial(_add_block, (ids, values)))

    def remove(self, ids: Ids) -> None:
        """See Index."""
        self.host.remove(ids)
        self._on_device(lambda copy: copy.remove(ids))

    def within(self, queries: Values, radius: float) -> list[Hit]:
        """See Index."""
        return self._search(("within", radius), queries, lambda index, batch: index.within(batch, radius))

    def nearest(self, queries: Values, k: int) -> list[Hit]:
        """See Index."""
        return self._search(("nearest", k), queries, lambda index, batch: index.nearest(batch, k))

    def blocks(self) -> Iterator[tuple[Ids, Values]]:
        """See Index."""
        return self.host.blocks()

    def _search(
        self,
        key: tuple[str, float],
        queries: Values,
        search: Callable[[GpuIndex | SegmentedIndex, Values], list[Hit]],
    ) -> list[Hit]:
        copy = self._copy
        if copy is not None and len(queries):
            try:
                return self._device.search((id(self), *key), queries, lambda batch: search(copy, batch))
            except RuntimeError as error:  # torch raises it, and DeviceFull is one
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
            self.host.accelerates = True  # compaction builds them; until then the rows are scanned


def _add_block(block: tuple[Ids, Values], copy: GpuIndex) -> None:
    copy.add(*block)
