"""Every parser of ours that reads what strangers send, with what must hold whatever they send.

For the fuzzers of `bench.fuzz`, and for a short run of the same in the tests. A parser either refuses, by
the errors that its docstring names, or reads; and what was read and is written again reads as the same.
"""

from samples.parsers import keys, log, media, signed, values
from samples.parsers.contract import Parser, holds

PARSERS: dict[str, Parser] = {
    parser.name: parser for module in (signed, log, keys, values, media) for parser in module.PARSERS
}

__all__ = ["PARSERS", "Parser", "holds"]
