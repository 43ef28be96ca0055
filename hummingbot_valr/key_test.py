"""Tries the keys that `hbot connect` has just stored, and says in words to act on what is wrong with them."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hummingbot_valr.doctor import Check, Status
from hummingbot_valr.doctor_account import Account

DEADLINE = 10.0
KEY_LENGTH = 64


@dataclass(frozen=True)
class Finding:
    """What the exchange says to the keys: whether it takes them for trading, and what to know or to do."""

    is_usable: bool
    sentences: tuple[str, ...]


def are_stored(domain: str, file: Path) -> bool:
    """Tell whether ``file``, read back and decrypted, holds what was connected; Hummingbot's keystore is unlocked."""
    import yaml

    from hummingbot.client.config.config_helpers import load_connector_config_map_from_file
    from hummingbot.client.config.security import Security

    if not file.is_file():
        return False
    try:
        stored = load_connector_config_map_from_file(file)
    except (OSError, ValueError, KeyError, yaml.YAMLError):  # KeyError: it is empty
        return False
    return bool(stored.hb_config.model_dump() == Security.decrypted_value(domain).hb_config.model_dump())


def try_stored_keys(domain: str) -> Finding:
    """Ask the exchange about the keys stored for ``domain``; Hummingbot's keystore is unlocked."""
    from hummingbot.client.config.security import Security

    stored = Security.decrypted_value(domain)
    key, secret = (getattr(stored, f"{domain}_api_{name}").get_secret_value() for name in ("key", "secret"))
    account = Account(key, secret, stored.sub_account_id)
    return asyncio.run(try_keys(account, domain, getattr(stored, f"{domain}_url", None)))


async def try_keys(account: Account, domain: str, url: str | None) -> Finding:
    """Ask the exchange what it permits to these keys, for the sub-account that is set.

    :param url: the exchange's address where it is not the domain's usual one
    """
    # Only now: all of this imports Hummingbot, which may not be there.
    from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
    from hummingbot.connector.exchange.valr.valr_web_utils import Endpoints
    from hummingbot_valr.doctor_exchange import check_account, check_permissions, check_rest
    from hummingbot_valr.doctor_questions import Questions

    ask = Questions(Endpoints.for_domain(domain, url), account, DEADLINE)
    try:
        rest, _ = await check_rest(ask)
        if rest.status is Status.ERROR:
            return Finding(True, ("The keys could not be tried.", _sentence(rest)))
        permissions = await check_permissions(ask, is_play_money=domain == CONSTANTS.LOOPBACK_DOMAIN)
        own_account, _ = await check_account(ask)
    finally:
        await ask.close()
    return judge(account, permissions, own_account)


def judge(account: Account, permissions: Check, own_account: Check) -> Finding:
    """Make sentences of how the exchange took the keys: for themselves, and for the account they trade on."""
    if permissions.status is Status.ERROR and (mistakes := tuple(_mistakes(account))):
        return Finding(False, mistakes)
    checks = [check for check in (permissions, own_account) if check.status is not Status.OK]
    if failed := [check for check in checks if check.status is Status.ERROR]:
        return Finding(False, tuple(map(_sentence, failed)))
    taken = () if permissions in checks else (f"The keys are good. They permit: {permissions.found}.",)
    return Finding(True, taken + tuple(map(_sentence, checks)))


def _mistakes(account: Account) -> Iterator[str]:
    """Yield a sentence for what cannot be a key or a secret of VALR: they have 64 characters (valr-api.md 2.1)."""
    for name, text in (("key", account.key), ("secret", account.secret)):
        if len(text) != KEY_LENGTH:
            yield (
                f"The API {name} has {len(text)} characters where VALR's have {KEY_LENGTH}: it was probably not copied"
                " completely. Copy it again, and connect again."
            )
    if account.key == account.secret:
        yield "The API key and the API secret are the same text. Copy each of them again, and connect again."


def _sentence(check: Check) -> str:
    return f"{check.name}: {check.found}" + (f"\n  → {check.to_do}" if check.to_do else "")
