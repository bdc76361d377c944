"""Lists of hashes that others keep: read row by row, and registered without any picture.

A list is a CSV file in UTF-8 with a header (docs/hash-lists.md): `kind` and `value` are needed, `quality`,
`label`, `class` and `sha256` may be there. Every row becomes one record under the publisher's signature.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sdk.client import Client
from sdk.errors import SdkError
from sdk.flaws import fault_in_words, first_flaw_in_words
from sdk.models import FingerprintValue, Registration
from sdk.records import AssetClass
from sdk.registering import label_of
from sdk.signers import Signer

NEEDED, OPTIONAL = ("kind", "value"), ("quality", "label", "class", "sha256")


class BadHashList(SdkError):
    """The file as a whole is no list of hashes."""


class BadRow(SdkError):
    """A row of the list cannot be registered."""


@dataclass(frozen=True)
class Row:
    """One line of a list, as it stands there."""

    source: Path
    line: int  # of the file, on which the row ends
    fields: dict[str, str]

    @property
    def place(self) -> Path:
        """File and line, as an editor opens them."""
        return self.source.with_name(f"{self.source.name}:{self.line}")


def read_hash_list(path: Path) -> Iterator[Row]:
    """Reads the rows of a list; what is wrong with a row is said when it is registered.

    Raises BadHashList, OSError.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = [name.strip().lower() for name in next(reader, [])]
            _require_columns(path, names)
            for values in reader:
                if values:
                    # A value too many or too few is named by the row itself: its columns are not known.
                    fields = dict(zip(names, values, strict=False)) if len(values) == len(names) else {}
                    yield Row(path, reader.line_num, {name: text.strip() for name, text in fields.items()})
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadHashList(f"{path}, after line {reader.line_num}: {fault_in_words(error)}") from error


def register_row(
    client: Client, signer: Signer, row: Row, *, asset_class: AssetClass | None = None
) -> Registration:
    """Signs and registers one row. Raises BadRow, SdkError.

    `asset_class`: of rows that name none. A row that this publisher registered before is answered with its
    record.
    """
    from sdk.local import local_registration

    if not row.fields:
        raise BadRow("the row has another number of values than the header has names")
    registration = local_registration(
        [_value_of(row)],
        signer.issuer,
        _class_of(row, asset_class),
        row.fields.get("sha256", "").lower() or None,
        row.fields.get("label") or f"{label_of(row.source)}, line {row.line}",
        signer.key,
    )
    return client.register_fingerprints(registration)


def _require_columns(path: Path, names: list[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    unknown = [name for name in names if name not in (*NEEDED, *OPTIONAL)]
    if missing or unknown or len(set(names)) != len(names):
        columns = f"{' and '.join(NEEDED)}; {', '.join(OPTIONAL)} may follow"
        raise BadHashList(f"{path}: the first line must name the columns {columns}, each once")


def _value_of(row: Row) -> FingerprintValue:
    quality = row.fields.get("quality") or None
    try:
        return FingerprintValue.model_validate(
            {"value": f"{row.fields['kind']}:{row.fields['value']}", "quality": quality}
        )
    except ValidationError as error:
        reason = first_flaw_in_words(error.errors(include_input=False, include_url=False))
        raise BadRow(reason) from None


def _class_of(row: Row, default: AssetClass | None) -> AssetClass:
    text = row.fields.get("class")
    if not text and default is not None:
        return default
    try:
        return AssetClass(text or "")
    except ValueError:
        names = ", ".join(one.value for one in AssetClass)
        raise BadRow(f"the class is none of {names}; give it in the row or by --class") from None
