"""Register a file: state what it is, sign that, send both."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from sdk.client import Client
from sdk.models import Registration
from sdk.records import AssetClass, new_statement, sign_statement
from sdk.shown_text import with_marks_for_the_rest
from sdk.signers import Signer


def register_file(
    client: Client,
    signer: Signer,
    path: Path,
    asset_class: AssetClass = AssetClass.AUTHENTIC,
    *,
    label: str | None = None,
    preview: bool = True,
    intimate: bool = False,
    declared_sources: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    on_progress: Callable[[float], None] | None = None,
) -> Registration:
    """Sign and register one file. Raises SdkError, OSError.

    `declared_sources`: record ids by relation, `derived_from` and `identity_from`.
    `on_progress` is told the share that is done, 0..1.
    """
    content = path.read_bytes()
    statement = new_statement(
        signer.issuer,
        asset_class,
        hashlib.sha256(content).hexdigest(),
        label or label_of(path),
        preview_allowed=preview,
        intimate=intimate,
        **declared_sources,
    )
    return client.register(content, sign_statement(statement, signer.key), on_progress=on_progress)


def label_of(path: Path) -> str:
    """The file's name, as far as it can be shown to strangers."""
    return with_marks_for_the_rest(path.name.encode("utf-8", "replace").decode())
