"""A query and a reference that an alignment joins, and their warp, made once for all that is measured.

Verification and derivation are handed the same pair, so that what one of them warped is there for the next.
"""

from indexer.compare.alignment_refinement import PairStatistics
from indexer.compare.geometry import Alignment
from indexer.compare.warping import ScaledCopies, WarpedPair, warp_pair
from indexer.media.images import Pixels

WORKING_SIDE = 512  # px on the reference's long side, for everything but faces


class AlignedPair:
    """Two pictures of one request; only one thread at a time may use them."""

    def __init__(
        self,
        query: Pixels | ScaledCopies,
        reference: Pixels,
        alignment: Alignment,
        *,
        is_inverted: bool = False,
    ) -> None:
        self.copies = query if isinstance(query, ScaledCopies) else ScaledCopies(query)
        self.query = self.copies.pixels  # (h, w, 3) uint8
        self.reference = reference  # (h', w', 3) uint8
        self.alignment = alignment
        self.is_inverted = is_inverted  # the upload's light and dark were exchanged back in `query`
        self._warped: dict[int, WarpedPair] = {}  # by long side; about 2 MB at the working size
        self._statistics: PairStatistics | None = None  # up to 20 MB, kept until `release`

    @property
    def warped(self) -> WarpedPair:
        """Returns the pair at the working size."""
        return self.warped_at(WORKING_SIDE)

    @property
    def statistics(self) -> PairStatistics:
        """Returns what is measured of `warped`, each quantity once."""
        if self._statistics is None:
            self._statistics = PairStatistics(self.warped)
        return self._statistics

    def warped_at(self, long_side: int) -> WarpedPair:
        """Returns the pair with the reference at most `long_side` pixels long."""
        if long_side not in self._warped:
            self._warped[long_side] = warp_pair(self.copies, self.reference, self.alignment, long_side)
        return self._warped[long_side]

    def with_alignment(self, alignment: Alignment) -> "AlignedPair":
        """Returns the same pictures by another alignment."""
        return AlignedPair(self.copies, self.reference, alignment, is_inverted=self.is_inverted)

    def inverted(self) -> "AlignedPair":
        """Returns the pair with light and dark of the query exchanged, for an upload that was inverted."""
        return AlignedPair(
            255 - self.query, self.reference, self.alignment, is_inverted=not self.is_inverted
        )

    def release(self) -> None:
        """Forgets the statistics, smaller copies and all sizes but the working size: they are made anew."""
        self._statistics = None
        self.copies = ScaledCopies(self.query)
        self._warped = {side: kept for side, kept in self._warped.items() if side == WORKING_SIDE}
