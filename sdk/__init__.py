"""What a publisher or a platform installs: sign, register, match, and verify offline."""

from sdk.answers import verify_answer
from sdk.async_client import AsyncClient
from sdk.client import Client
from sdk.errors import SdkError
from sdk.verify import verify_receipt

__all__ = ["AsyncClient", "Client", "SdkError", "verify_answer", "verify_receipt"]
