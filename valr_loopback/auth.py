"""API keys, signatures and sub-accounts (valr-api.md 2)."""

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha512
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from random import Random

from valr_loopback.accounts import Accounts
from valr_loopback.errors import RefusalError, address_not_allowed, bad_signature, missing_key
from valr_loopback.messages import Json
from valr_loopback.times import iso

KEY_HEADER = "X-VALR-API-KEY"
SIGNATURE_HEADER = "X-VALR-SIGNATURE"
TIMESTAMP_HEADER = "X-VALR-TIMESTAMP"
SUB_ACCOUNT_HEADER = "X-VALR-SUB-ACCOUNT-ID"

VIEW = "View access"
TRADE = "Trade"
ALL_PERMISSIONS = (VIEW, TRADE, "Transfer", "Withdraw", "Link Bank Account")
CLOCK_WINDOW_MS = 30_000


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key and its secret, and what it may do on which account."""

    key: str
    secret: str
    account_id: str
    permissions: tuple[str, ...]
    label: str
    added_ms: int
    is_sub_account: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed a request, and the account the request is about."""

    api_key: ApiKey
    account_id: str

    def demand(self, permission: str) -> None:
        """Insist on a permission of the key.

        Raises:
            RefusalError: 401 -11273 without it.
        """
        if permission not in self.api_key.permissions:
            raise RefusalError(401, -11273, f"API key does not have the required permission: {permission}")


def sign(secret: str, timestamp: str, verb: str, path: str, body: str = "", sub_account_id: str = "") -> str:
    """Return the hex HMAC-SHA512 of a request; ``path`` includes the query exactly as sent (2.1)."""
    message = f"{timestamp}{verb.upper()}{path}{body}{sub_account_id}"
    return hmac.new(secret.encode(), message.encode(), sha512).hexdigest()


class Keys:
    """All API keys of the exchange."""

    def __init__(self, accounts: Accounts, random: Random) -> None:
        self._accounts = accounts
        self._random = random
        self._keys: dict[str, ApiKey] = {}

    def add(
        self, account_id: str, now_ms: int, permissions: Collection[str] = ALL_PERMISSIONS, label: str = "loopback"
    ) -> ApiKey:
        """Make a key for an account."""
        key, secret = (f"{self._random.getrandbits(256):064x}" for _ in range(2))
        is_sub_account = bool(self._accounts.get(account_id).parent_id)
        api_key = ApiKey(key, secret, account_id, tuple(permissions), label, now_ms, is_sub_account)
        self._keys[key] = api_key
        return api_key

    def verify(
        self, headers: Mapping[str, str], verb: str, path: str, body: str, now_ms: int, permission: str
    ) -> Identity:
        """Check the headers of a request.

        Raises:
            RefusalError: 403 -11268 without a key; 401 -11252 for an unknown key, a stale or unreadable timestamp, a
                wrong signature or a sub-account the key may not speak for; 401 -11273 without the permission.
        """
        key = headers.get(KEY_HEADER)
        if not key:
            raise missing_key()
        api_key = self._keys.get(key)
        timestamp = headers.get(TIMESTAMP_HEADER, "")
        sub_account_id = headers.get(SUB_ACCOUNT_HEADER)
        if api_key is None or not _is_fresh(timestamp, now_ms):
            raise bad_signature()
        expected = sign(api_key.secret, timestamp, verb, path, body, sub_account_id or "")
        if not hmac.compare_digest(expected.encode(), headers.get(SIGNATURE_HEADER, "").encode()):
            raise bad_signature()
        identity = Identity(api_key, self._account(api_key, sub_account_id))
        identity.demand(permission)
        return identity

    def account_of(self, headers: Mapping[str, str]) -> str:
        """Return the account a request says it is about, whoever sent it; empty if it names none that could be."""
        api_key = self._keys.get(headers.get(KEY_HEADER, ""))
        try:
            return "" if api_key is None else self._account(api_key, headers.get(SUB_ACCOUNT_HEADER))
        except RefusalError:
            return ""

    def _account(self, api_key: ApiKey, sub_account_id: str | None) -> str:
        if sub_account_id is None:
            return api_key.account_id
        children = (account.id for account in self._accounts.children(api_key.account_id))
        if api_key.is_sub_account or sub_account_id not in children:
            raise bad_signature()
        return sub_account_id


def _is_fresh(timestamp: str, now_ms: int) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit()) or len(timestamp) > 20:
        return False
    return abs(now_ms - int(timestamp)) <= CLOCK_WINDOW_MS


class IpLists:
    """From which addresses keys may be used, where they are bound to any (2.1).

    They belong to the run and not to the exchange's state: a start can bind the demo key, and the next one need not.
    """

    def __init__(self) -> None:
        self._networks: dict[str, IPv4Network | IPv6Network] = {}

    def bind(self, key: str, cidr: str) -> None:
        """Let a key be used from an address, or a network in CIDR notation, and from nowhere else.

        Raises:
            ValueError: if it is neither.
        """
        self._networks[key] = ip_network(cidr, strict=False)

    def demand(self, key: str, address: str) -> None:
        """Insist on an address that the key may be used from.

        Raises:
            RefusalError: 401 -11272 from another one.
        """
        network = self._networks.get(key)
        if network is not None and ip_address(address) not in network:
            raise address_not_allowed()

    def row(self, key: str) -> Json:
        """What ``/v1/account/api-keys/current`` says of it."""
        return {"allowedIpAddressCidr": str(self._networks[key])} if key in self._networks else {}


def key_row(api_key: ApiKey) -> Json:
    """The answer of ``/v1/account/api-keys/current``."""
    return {
        "label": api_key.label,
        "permissions": list(api_key.permissions),
        "addedAt": iso(api_key.added_ms),
        "isSubAccount": api_key.is_sub_account,
    }
