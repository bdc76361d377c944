"""Where the lines are drawn, and on which measurement each line stands (docs/quality.md).

Handed to the rules, never read inside an algorithm.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Distances in bits, similarities 0..1, inliers in features."""

    # Meta's customary radius: "the same picture".
    pdq_same_bits: int = 31
    # Within this the difference is that of a re-encode.
    pdq_identical_bits: int = 10
    # Nominates only; nothing between 31 and this is believed without comparing the pictures.
    pdq_candidate_bits: int = 80
    # Where no pictures can be compared, by how few unrelated pairs are so similar (the descriptor's
    # calibration): possibly related, for a person to look at; and a match, which is extrapolated.
    descriptor_possible_rate: float = 1e-4
    descriptor_match_rate: float = 1e-6
    # Agreeing features, as `rules.agreement` counts them. Calibrated on pairs that do not belong together.
    inliers_weak: int = 8
    inliers_moderate: int = 13
    inliers_strong: int = 18
    inliers_very_strong: int = 45
    # Features that span less than this share of what both pictures show count in proportion ...
    full_spread: float = 0.10
    # ... and below this one they share a logo, not a picture, however many they are.
    least_spread: float = 0.03
    # So few features are enough where so many windows of the warped query agree with the reference:
    # unrelated pictures that agree on six features by chance agree on 0.15 of the windows at most.
    inliers_least: int = 6
    agreeing_confirms: float = 0.70
    # A different capture of one scene agrees on its geometry and differs all over ...
    different_capture_agreeing: float = 0.60
    different_capture_disagreeing: float = 0.25
    # ... or shows the same things in other places: twice this share says it alone, this share only where
    # features found partners elsewhere and the finest detail is not that of a copy.
    moved: float = 0.03
    moved_agreeing: float = 0.85  # where more agrees, little enough moved for a copy with a new face
    moved_inlier_share: float = 0.80
    moved_far_inlier_share: float = 0.50
    moved_fine: float = 0.60
    # Where faces are left out and the alignment is put right, a copy with a new face agrees nearly
    # everywhere; a different frame of one video agrees on 0.85 of the windows.
    outside_faces_agreeing: float = 0.90
    outside_faces_disagreeing: float = 0.04
    # A different frame of one video: bodies move as well, and what stands still has the same grain.
    # Where a network re-enacts a head and moves things around it, the finest detail agrees to at most 0.45.
    different_frame_moved: float = 0.02
    different_frame_fine: float = 0.50
    # A query that shows the whole reference and little else is the same picture.
    same_picture_coverage: float = 0.9
