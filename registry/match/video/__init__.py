"""What matching does differently for a video: frames that vote, alignment in time, segments.

It knows videos only. What stills and videos share (retrieval, evidence, ranking, words) stands in `match`.
"""
