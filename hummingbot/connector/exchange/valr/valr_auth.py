"""VALR's request signature, for REST and for the socket handshake (valr-api.md 2)."""

import hashlib
import hmac
from collections.abc import Callable, Iterable

from yarl import URL

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.core.web_assistant.auth import AuthBase
from hummingbot.core.web_assistant.connections.data_types import RESTRequest, WSRequest

API_KEY_HEADER = "X-VALR-API-KEY"
SIGNATURE_HEADER = "X-VALR-SIGNATURE"
TIMESTAMP_HEADER = "X-VALR-TIMESTAMP"
SUB_ACCOUNT_HEADER = "X-VALR-SUB-ACCOUNT-ID"


VIEW_PERMISSION = "View access"
TRADE_PERMISSION = "Trade"


def explain_refusal(code: int | None, status: int | None) -> str:
    """Say in words a user can act on why VALR refuses a key; empty if the refusal is not about the key.

    :param code: VALR's error number (valr-api.md 1.5)
    :param status: the HTTP status
    """
    if code == CONSTANTS.ERROR_IP_NOT_ALLOWED:
        return (
            "VALR does not accept the API key from this machine's IP address. Add the address to the key's list on "
            "VALR, or make a key without a list."
        )
    if code == CONSTANTS.ERROR_INVALID_SIGNATURE:
        return (
            "VALR does not accept the signature. The API secret does not belong to the API key, or VALR does not know "
            "the key (connect again with both), or this machine's clock is far off."
        )
    if code == CONSTANTS.ERROR_API_KEY_MISSING:
        return "VALR does not know the API key. Connect again with a key that exists and has not been revoked."
    if status in (401, 403):
        return (
            f"VALR refuses the API key (HTTP {status}). Check on VALR that it exists, that it has the permissions "
            f"{VIEW_PERMISSION} and {TRADE_PERMISSION}, that its IP list (if any) allows this machine, and that it may "
            "act for the sub-account (if one is set)."
        )
    return ""


def explain_permissions(permissions: Iterable[str]) -> str:
    """Say which permission a key lacks for trading and what to do; empty if it lacks none."""
    granted = {permission.lower() for permission in permissions}
    lacking = [each for each in (VIEW_PERMISSION, TRADE_PERMISSION) if each.lower() not in granted]
    if not lacking:
        return ""
    return (
        f"The API key lacks the permission {' and '.join(lacking)}. Make a key with {VIEW_PERMISSION} and "
        f"{TRADE_PERMISSION} on VALR and connect again; until then VALR refuses what it does not permit."
    )


def explain_sub_account(sub_account_id: str) -> str:
    """Say what to do where VALR takes a key for its own account, but not for a sub-account."""
    return (
        f"VALR refuses the API key for sub-account {sub_account_id}, though not for its own account. Set "
        "sub_account_id to a sub-account of the account the key belongs to; leave it empty with a sub-account's own "
        "key."
    )


def sign(secret: str, timestamp_ms: int, verb: str, path: str, body: str = "", sub_account_id: str = "") -> str:
    """Return the lower-case hex HMAC-SHA512 of one request.

    :param secret: the API secret, used as text (never hex-decoded)
    :param timestamp_ms: Unix milliseconds, the same value as in the header
    :param verb: upper-case HTTP verb
    :param path: path with its query string exactly as sent, without host
    :param body: the exact text sent, ``""`` when there is none
    :param sub_account_id: appended last, only when the sub-account header is sent
    """
    message = f"{timestamp_ms}{verb}{path}{body}{sub_account_id}"
    return hmac.new(secret.encode(), message.encode(), hashlib.sha512).hexdigest()


class ValrAuth(AuthBase):
    """Signs REST requests and socket handshakes for one (sub-)account.

    :param time_provider: returns VALR's time in seconds
    """

    def __init__(
        self, api_key: str, api_secret: str, time_provider: Callable[[], float], sub_account_id: str = ""
    ) -> None:
        self._api_key = api_key
        self._api_secret = api_secret
        self._time_provider = time_provider
        self._sub_account_id = sub_account_id

    def __repr__(self) -> str:
        return "ValrAuth(keys hidden)"

    @property
    def has_keys(self) -> bool:
        """Whether both key and secret are present; without them only public data can be had."""
        return bool(self._api_key and self._api_secret)

    @property
    def account_fingerprint(self) -> str:
        """A short name of the (sub-)account that tells nothing about the key."""
        return hashlib.sha256(f"{self._api_key}:{self._sub_account_id}".encode()).hexdigest()[:16]

    async def rest_authenticate(self, request: RESTRequest) -> RESTRequest:
        """Add VALR's headers to ``request``; its ``data`` must already be the exact text to send."""
        url = URL(request.url)
        if request.params:
            url = url.update_query(request.params)
        headers = self.headers(request.method.value, url.raw_path_qs, request.data or "")
        request.headers = {**(request.headers or {}), **headers}
        return request

    async def ws_authenticate(self, request: WSRequest) -> WSRequest:
        """Return ``request`` unchanged: VALR authenticates the handshake (``handshake_headers``), not messages."""
        return request

    def handshake_headers(self, path: str) -> dict[str, str]:
        """Return the headers of the HTTP upgrade of the socket at ``path``."""
        return self.headers("GET", path)

    def headers(self, verb: str, path: str, body: str = "") -> dict[str, str]:
        """Return the signed headers for one request, stamped with the time of this call."""
        timestamp_ms = int(self._time_provider() * 1000)
        signature = sign(self._api_secret, timestamp_ms, verb, path, body, self._sub_account_id)
        headers = {
            API_KEY_HEADER: self._api_key,
            SIGNATURE_HEADER: signature,
            TIMESTAMP_HEADER: str(timestamp_ms),
        }
        if self._sub_account_id:
            headers[SUB_ACCOUNT_HEADER] = self._sub_account_id
        return headers
