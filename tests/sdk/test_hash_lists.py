from pathlib import Path

import pytest

from sdk.hash_lists import BadHashList, read_hash_list


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"kind,value\n\xff\xfe,1\n", "it is not text in UTF-8"),
        (b"value\n1\n", "must name the columns"),
        (b'kind,value\n"a,1\n', "unexpected end of data"),
    ],
)
def test_a_file_that_is_no_list_is_refused_in_plain_words(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(BadHashList, match=says):
        list(read_hash_list(path))
