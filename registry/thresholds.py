"""Where the lines are drawn, and the measurement on which each line stands (docs/thresholds.md).

The defaults can be replaced by a TOML file (TRUEPRINT_THRESHOLDS), for a bank of pictures of another kind.
Handed to the rules, never read inside an algorithm.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from indexer.fingerprints.kinds import AHASH, COLORHASH, CROP_RESISTANT, DHASH, WHASH
from registry.errors import BadThresholds
from sdk.flaws import fault_in_words, flaws_in_words

PDQ_BITS = 256
Bits = Annotated[int, Field(ge=0, le=PDQ_BITS)]
HashBits = Annotated[int, Field(ge=0, le=64)]
Features = Annotated[float, Field(ge=4, le=1024)]  # four fix a homography; more are not extracted
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=3600)]
Rate = Annotated[float, Field(gt=0, le=1)]
# Each of these rises, or stays: a weaker word never asks for more than a stronger one.
ASCENDING = (
    ("pdq_identical_bits", "pdq_same_bits", "pdq_candidate_bits"),
    ("descriptor_match_rate", "descriptor_possible_rate"),
    ("inliers_weak", "inliers_moderate", "inliers_strong", "inliers_very_strong"),
    ("least_spread", "full_spread"),
)


class Thresholds(BaseModel):
    """Distances in bits, rates and shares 0..1, features by their number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    pdq_same_bits: Bits = 31
    """The same picture, even where features fail. Meta's own radius for PDQ; none of 64,261 unrelated
    pairs lies within it.
    """
    pdq_coarse_agreeing: Share = 0.50
    """Where the pictures are at hand, this share of their windows at PDQ's own size must agree too, since a
    value can be forged. 0.77 or more agree in 141 copies within 31 bits, 0.18 at most in 16 forged ones.
    """
    pdq_identical_bits: Bits = 10
    """No more than a re-encode. Implementations of PDQ may differ by so much (decision 004)."""
    pdq_candidate_bits: Bits = 80
    """Retrieval only: beyond `pdq_same_bits` nothing is believed before the pictures are compared. One of
    64,261 unrelated pairs lies within it.
    """
    second_look_rate: Rate = 3e-4
    """Pictures are joined by other means than features only where so small a share of unrelated pairs is
    as similar, or PDQ lies within `pdq_candidate_bits`. Of 360 edited copies five need it, and all five
    reach it; of 735 candidates of strangers 2 % do.
    """
    descriptor_possible_rate: Rate = 1e-4
    """Where no picture can be compared: possibly related, when so small a share of unrelated pairs is as
    similar. Measured in the calibration of the descriptor.
    """
    descriptor_match_rate: Rate = 1e-6
    """Where no picture can be compared: a moderate match. Extrapolated in the calibration of the
    descriptor; none of 64,261 unrelated pairs is as similar.
    """
    ahash64_bits: HashBits = 1
    """Hashes of others' lists, alone a suspicion at most: `ahash64.v1` within this. Four of 280,260
    unrelated pairs are.
    """
    dhash64_bits: HashBits = 8
    """The same for `dhash64.v1`. One of 280,260 unrelated pairs lies within it."""
    whash64_bits: HashBits = 1
    """The same for `whash64.v1`, whose distances are even. One of 280,260 unrelated pairs is within it."""
    colorhash_bits: HashBits = 0
    """The same for `colorhash.v1`, of values with five shares above zero or more. Two of 280,260 unrelated
    pairs have the same one; most pictures have no such value.
    """
    crop_resistant_bits: HashBits = 6
    """The same for `crop-resistant.v1`: two segments, each within this. One of 280,260 unrelated pairs."""
    inliers_weak: Features = 8
    """Agreeing features of a weak match. Ten of 8,596 unrelated pairs are weak."""
    inliers_moderate: Features = 13
    """Agreeing features of a moderate match. 0.964 of 360 true pairs have as many; none of 8,596 unrelated
    pairs is moderate or stronger.
    """
    inliers_strong: Features = 18
    """Agreeing features of a strong match. Drawn on the development set."""
    inliers_very_strong: Features = 45
    """Agreeing features of a very strong match. Drawn on the development set."""
    full_spread: Annotated[Share, Field(gt=0)] = 0.10
    """Features that span a smaller share of what both pictures show count in proportion. In 95 of 100 true
    pairs they span 0.27 or more (decision 006).
    """
    least_spread: Share = 0.03
    """Features that span less prove a common logo, not a common picture, however many agree. They span 0.04
    or more in true pairs, 0.0015 to 0.034 where only a logo is shared (decision 006).
    """
    inliers_least: Features = 6
    """So few features confirm where `agreeing_confirms` is met too. Three of some 2,500 unrelated pairs
    have as many (decision 009).
    """
    agreeing_confirms: Share = 0.70
    """Share of windows that must agree where few features do. Those three pairs agree on 0.15 of the
    windows at most (decision 009).
    """
    different_capture_agreeing: Share = 0.60
    """A different capture of one scene agrees on a smaller share of windows. Eight of 14 such pairs agree
    on 0.29 to 0.59, 95 of 100 true pairs on 0.78 or more (decision 009).
    """
    different_capture_disagreeing: Share = 0.25
    """A different capture of one scene also disagrees on a larger share. The same eight disagree on 0.27 to
    0.56, 95 of 100 true pairs on 0.12 or less (decision 009).
    """
    different_capture_mostly: Share = 0.45
    """Pictures that disagree on a larger share have only a part in common, whatever agrees. Copies of which
    half is mirrored disagree on 0.42 at most (decision 020).
    """
    different_capture_inlier_share: Share = 0.60
    """And it keeps fewer of its features in place: 0.52 at most in 19 such pairs. Copies of which half is
    covered or mirrored keep 0.69 or more (decision 020).
    """
    displaced: Share = 0.01
    """And this share of its windows seems to be elsewhere: 0.02 to 0.31 in the same 19. Under patterns,
    snow and lines it is 0.009 at most (decision 020).
    """
    moved: Share = 0.008
    """Share of windows that are in another place, there and back; twice as much says by itself that
    something moved. It is 0.009 to 0.22 in takes before a fixed camera, 0.002 or less in 90 copies under
    patterns, snow, lines and words (decision 020).
    """
    moved_agreeing: Share = 0.85
    """Where more windows agree, nothing is said to have moved: it may be a copy with a new face. Different
    captures agree on 0.83 at most (decision 009).
    """
    moved_inlier_share: Share = 0.80
    """Share of its features that a copy keeps in place, although something moved (decision 009)."""
    moved_far_inlier_share: Share = 0.50
    """The same share, where twice `moved` has moved (decision 009)."""
    displaced_in_part: Share = 0.014
    """Such a share also counts as moved, before the way back is asked for: 0.019 to 0.31 in takes before a
    fixed camera (decision 020).
    """
    moved_people_inlier_share: Share = 0.75
    """With faces in the picture, share of its features that a copy keeps although so much is elsewhere.
    Frames of one video keep 0.63 to 0.72 (decision 020).
    """
    moved_fine: Share = 0.60
    """Correlation of the finest detail that a copy keeps, although something moved (decision 009)."""
    outside_faces_agreeing: Share = 0.90
    """With faces left out, a copy with a new face agrees on a larger share of windows. The 59 pairs of
    different captures agree on 0.85 at most (decision 010).
    """
    outside_faces_disagreeing: Share = 0.04
    """With faces left out, a copy with a new face disagrees on a smaller share (decision 010)."""
    outside_faces_moved: Share = 0.03
    """With faces left out, a smaller share has moved (decision 010)."""
    different_frame_moved: Share = 0.010
    """Two frames of one video: share of windows outside faces that moved. It is 0.011 to 0.09 in such
    pairs, 0 in copies whose face was driven and that keep the grain (decision 020).
    """
    different_frame_fine: Share = 0.50
    """Two frames of one video: correlation of the finest detail of what stood still. It is 0.62 to 0.85,
    and 0.45 at most where a network re-enacts a head (decision 010).
    """
    other_content_inlier_share: Share = 0.72
    """Share of its features that another instance of a layout keeps in place, at most (decision 019)."""
    another_moment_inlier_share: Share = 0.78
    """The same, where windows differ as they do in two captures: 0.76 at most in photographs that were
    taken from one place a moment apart; copies of which half is mirrored keep 0.80 or more (decision 020).
    """
    other_content_pairs: Features = 100
    """Features with a partner, from which on that share counts; below, `out_of_place_inlier_share` does. A
    face swap of 59 keeps 0.71 in place (decision 019).
    """
    other_content_replaced: Share = 0.035
    """Share of the detail that is another one of the same sort, from which on it is other content. In
    copies, whatever was laid over them, it is 0.005 at most (decision 019).
    """
    other_fields_replaced: Share = 0.005
    """The same share, where it lies in two fields or more (decision 019)."""
    other_content_fine: Annotated[float, Field(ge=-1, le=1)] = 0.25
    """Correlation of the finest detail, below which a small share says nothing: 0.01 to 0.18 in four
    blurred or noisy copies. In 831 strangers this line lets none pass (decision 019).
    """
    other_fields_disagreeing: Share = 0.02
    """Share of the windows that must disagree before the content is compared although the features are in
    place. Copies of layouts without anything over them have 0.013 at most (decision 019).
    """
    other_fields_inlier_share: Share = 0.80
    """Features in place, above which nobody asks. Of two logos that share a brand mark, 0.74 and 0.76 are
    (decision 019).
    """
    other_content_some: Share = 0.02
    """The same share, where more differs besides (decision 019)."""
    other_content_differing: Share = 0.055
    """Share of the detail that differs in its place, of whatever sort (decision 019)."""
    out_of_place_inlier_share: Share = 0.58
    """Share of the features in place, up to which they speak against a copy. In copies with stickers it is
    0.62 or more (decision 019).
    """
    other_content_place_share: Share = 0.80
    """Share of the places with a partner that agree, at most, where less must differ. In copies with
    letters or stickers over them it is 0.91 or more (decision 019).
    """
    other_content_little: Share = 0.01
    """Share of the detail that is another one of the same sort, where so few places agree. In copies it is
    0.004 at most (decision 019).
    """
    other_content_far_apart: Share = 0.10
    """Share of the detail that differs or was exchanged, where so few places agree (decision 019)."""
    straightened_agreeing: Share = 0.90
    """Of an upload that was made straight, at least so many windows agree: 0.91 or more in 21 copies that
    were bent, 0.88 at most in 13 pairs of another moment that a polynomial follows (decision 019).
    """
    straightened_disagreeing: Share = 0.04
    """And at most so many disagree: 0.02 at most in the same copies, 0.06 or more in the other pairs
    (decision 019).
    """
    one_sided_least: Share = 0.08
    """Share of the detail that only one of the two has, from which on a pattern may lie over the same
    content. Under hatching it is 0.17 (decision 019).
    """
    one_sided_rest: Share = 0.03
    """Share of that, which the other may have instead. Under hatching it is 0.002, in a copy that shines
    through another picture 0.023; in 38 pairs of a layout of which one has so much, it is 0.04 or more
    (decision 019).
    """
    same_frame_agreeing: Share = 0.95
    """Of frames of videos: where more windows agree, no other content stands there. A painting whose face
    is re-enacted agrees on 0.953 to 0.997; coding makes its fine detail another one (decision 019).
    """
    same_picture_coverage: Share = 0.9
    """A query that shows this share of the reference, and little else, is the same picture. A definition,
    not a measurement.
    """
    same_sound_least_s: Seconds = 3.0
    """Where two videos only sound alike, less is not mentioned; more is a suspicion, whatever its length. A
    definition: fingerprints do not tell a known speech from a tune that many use.
    """
    insert_most_share: Share = 0.75
    """Two videos share no more than an insert (an opener, a sting, a stock clip) only where it fills no
    larger share of either. Of 98 strangers with an insert five are a match, of 38 clips three are not
    (docs/quality.md).
    """
    insert_most_s: Seconds = 12.0
    """A longer stretch that two videos share is no insert, wherever it stands."""
    insert_sure_below_s: Seconds = 1.5
    """So short a stretch is an insert, whatever lies around it."""

    @property
    def hash_list_bits(self) -> dict[str, int]:
        """The radius of every kind of hash that lists of others hold, by the kind's name."""
        return {
            AHASH.name: self.ahash64_bits,
            DHASH.name: self.dhash64_bits,
            WHASH.name: self.whash64_bits,
            COLORHASH.name: self.colorhash_bits,
            CROP_RESISTANT.name: self.crop_resistant_bits,
        }

    @model_validator(mode="after")
    def _ascend(self) -> Self:
        for names in ASCENDING:
            values = [getattr(self, name) for name in names]
            if values != sorted(values):
                raise ValueError(f"{', '.join(names)} must ascend in this order")
        return self


def load_thresholds(file: Path | None) -> Thresholds:
    """The lines of a TOML file over the defaults. Raises BadThresholds."""
    if file is None:
        return Thresholds()
    try:
        return Thresholds.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise BadThresholds(f"{file}: {fault_in_words(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadThresholds(f"{file} is not TOML: {error}") from error
    except ValidationError as error:
        reasons = "; ".join(
            f"{'.'.join(map(str, place))}: {words}".removeprefix(": ")
            for place, words in flaws_in_words(error.errors())
        )
        raise BadThresholds(f"{file}: {reasons}") from error
