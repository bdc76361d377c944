"""Learns the best linear projection from pairs of pictures and copies: discriminative whitening.

After Radenović et al. (2018), section 3.3, and Mikolajczyk and Matas (2007): directions in which a picture
differs from its own edited copies are shrunk, then the directions in which pictures differ from each other
are kept.
"""

import numpy as np
import numpy.typing as npt

from indexer.fingerprints.copy_network import DIMENSIONS

Pooled = npt.NDArray[np.float64]  # (n, channels)

# Without it, directions that hardly ever vary within pairs would be blown up by their inverse.
SHRINKAGE = 1.0


def learn_projection(clean: Pooled, edited: Pooled, shrinkage: float = SHRINKAGE) -> tuple[Pooled, Pooled]:
    """Learns from (n, c) features of pictures and their copies: mean (c,), projection (c, at most 256)."""
    mean = clean.mean(axis=0)
    within = (clean - edited).T @ (clean - edited) / len(clean)
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    values, vectors = np.linalg.eigh(within)
    whiten = vectors / np.sqrt(values)
    _, _, directions = np.linalg.svd((clean - mean) @ whiten, full_matrices=False)
    return mean, whiten @ directions[:DIMENSIONS].T
