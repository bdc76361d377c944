"""Finds out what is installed here, from package metadata alone: nothing heavy is imported."""

import platform
import re
from dataclasses import dataclass
from importlib import metadata

DISTRIBUTION = "trueprint"
# These own one folder: with two of them, whichever was written last wins.
FAISS = re.compile(r"faiss[-_]", re.IGNORECASE)
NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Installation:
    """The program and its parts on this machine."""

    version: str
    python: str
    device: str
    faiss: tuple[str, ...]  # packages that bring it; exactly one is right
    missing: tuple[str, ...]  # required packages that are not installed

    @property
    def faults(self) -> tuple[str, ...]:
        """Says what must be mended, and how."""
        found = []
        if self.missing:
            found.append(f"{', '.join(self.missing)} missing: install trueprint again")
        if not self.faiss:
            found.append("no faiss: install trueprint[cpu] or trueprint[gpu]")
        if len(self.faiss) > 1:
            both = " and ".join(self.faiss)
            found.append(f"{both} own the same folder: uninstall all of them, then install one")
        return tuple(found)


def this_installation() -> Installation:
    """Looks at this interpreter's packages."""
    installed = {
        dist.metadata["Name"].lower().replace("_", "-"): dist.version for dist in metadata.distributions()
    }
    faiss = tuple(f"{name} {version}" for name, version in installed.items() if FAISS.match(name))
    missing = tuple(name for name in _required() if name not in installed)
    return Installation(
        version=metadata.version(DISTRIBUTION),
        python=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        device="not known: torch is missing" if "torch" in missing else _device(installed["torch"]),
        faiss=tuple(sorted(faiss)),
        missing=missing,
    )


def _required() -> list[str]:
    """Lists the packages that every installation needs."""
    lines = metadata.requires(DISTRIBUTION) or []
    names = [NAME.match(line) for line in lines if "extra ==" not in line]
    return [name.group().lower().replace("_", "-") for name in names if name]


def _device(torch_version: str) -> str:
    from sdk.local import descriptor_device  # imports torch

    return f"{descriptor_device()} (torch {torch_version})"
