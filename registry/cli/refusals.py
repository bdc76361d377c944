"""Why settings cannot be used, as an operator reads it."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from registry.settings import Settings
from sdk.flaws import flaw_in_words


def refusals_of(error: ValidationError) -> str:
    """The reasons, a line each. Values are left out: they may be secrets."""
    return "\n".join(_refusal(flaw) for flaw in error.errors())


def _refusal(flaw: ErrorDetails) -> str:
    reason = flaw_in_words(flaw)
    if not flaw["loc"]:  # the reason is about several settings, and names them
        return reason + "."
    name = str(flaw["loc"][0])
    meaning = Settings.model_fields[name].description
    return f"TRUEPRINT_{name.upper()} cannot be used: {reason}. It says: {meaning}."
