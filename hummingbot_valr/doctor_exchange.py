"""What the doctor finds out about VALR, or the loopback exchange: reachability, clock, key, sub-account, both sockets.

The questions are independent of each other; all but the first, which sets the clock, go out at once.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from hummingbot.connector.exchange.valr import valr_constants as CONSTANTS
from hummingbot.connector.exchange.valr.valr_auth import (
    TRADE_PERMISSION,
    VIEW_PERMISSION,
    explain_permissions,
    explain_refusal,
)
from hummingbot.connector.exchange.valr.valr_messages import (
    parse_balances,
    parse_exchange_status,
    parse_key_permissions,
)
from hummingbot.connector.exchange.valr.valr_web_utils import (
    Endpoints,
    ValrRateLimitedError,
    ValrRefusedError,
    ValrRequestError,
)
from hummingbot_valr.doctor import Check, error, ok, unknown, warning
from hummingbot_valr.doctor_account import Account
from hummingbot_valr.doctor_configuration import check_configuration
from hummingbot_valr.doctor_questions import Questions, no_answer
from hummingbot_valr.doctor_strategy import (
    Balances,
    ConfigurationError,
    check_strategy,
    read_configuration,
    wanted_of,
)

CLOCK_TOLERANCE = 1.0
REST = "REST"
SUB_ACCOUNT = "Sub-account"
PERMISSIONS = "Permissions"
_NEEDS_KEY = "needs the API key"


async def examine_exchange(
    domain: str,
    url: str | None,
    account: Account | None,
    *,
    config: Path | None,
    workspace: Path,
    deadline: float,
    say: Callable[[str], object],
) -> list[Check]:
    """Return every check of the exchange and, with a configuration, of each of its pairs.

    :param url: the exchange's address where it is not the domain's usual one
    :param account: whose keys are used; None leaves out what needs them
    :param deadline: seconds that each question may take
    :param say: is told what is being done
    """
    endpoints = Endpoints.for_domain(domain, url)
    say(f"Asking {endpoints.rest_url}")
    ask = Questions(endpoints, account, deadline)
    is_play_money = domain == CONSTANTS.LOOPBACK_DOMAIN
    try:
        rest, clock = await check_rest(ask)
        permissions, (own_account, balances), account_socket, trade_socket = await asyncio.gather(
            check_permissions(ask, is_play_money=is_play_money),
            check_account(ask),
            check_account_socket(ask),
            check_trade_socket(ask),
        )
        checks = [rest, clock, permissions, own_account, account_socket, trade_socket]
        if config is not None:
            checks += await _examine_strategy(ask, config, workspace, domain, balances)
        return checks
    finally:
        await ask.close()


async def _examine_strategy(
    ask: Questions, config: Path, workspace: Path, domain: str, balances: Balances
) -> list[Check]:
    try:
        files = read_configuration(config, workspace)
    except ConfigurationError as problem:
        return [error("Strategy", str(problem), "Give the file, or its name in the workspace's conf/.")]
    checks = [each for file, content in files.items() for each in await check_configuration(file, content, workspace)]
    return checks + await check_strategy(ask, config, wanted_of(files.values(), domain), balances)


async def check_rest(ask: Questions) -> tuple[Check, Check]:
    """Whether the exchange answers, how fast, and how far the clocks are apart."""
    try:
        took, offset = await ask.round_trip()
        status = parse_exchange_status(await ask.get(CONSTANTS.STATUS_PATH))
    except (ValrRequestError, ValueError) as problem:
        return _unreachable(ask, problem), unknown("Clock", "needs an answer of VALR")
    found = f"{ask.endpoints.rest_url} answers in {_ms(took)}"
    if status == CONSTANTS.READ_ONLY:
        rest = warning(
            REST, f"{found}, but is in read-only mode", "Orders are refused until VALR's maintenance is over."
        )
    else:
        rest = ok(REST, found)
    return rest, _clock(offset)


def _clock(offset: float) -> Check:
    if abs(offset) <= CLOCK_TOLERANCE:
        return ok("Clock", f"{abs(offset) * 1000:.0f} ms from VALR's")
    return warning(
        "Clock",
        f"this machine's is {abs(offset):.1f} s {'behind' if offset > 0 else 'ahead of'} VALR's",
        "Switch on time synchronisation (NTP). Signatures allow for it; timers and records of Hummingbot do not.",
    )


async def check_permissions(ask: Questions, *, is_play_money: bool = False) -> Check:
    """Whether VALR takes the key, and whether it permits what trading needs, and no more."""
    if ask.account is None:
        return unknown(PERMISSIONS, _NEEDS_KEY)
    try:
        content = await ask.get(CONSTANTS.API_KEY_PATH, signed=True)
        granted = parse_key_permissions(content)
    except (ValrRequestError, ValueError) as problem:
        return _refused(PERMISSIONS, problem)
    found = ", ".join(granted) or "none"
    if content.get("allowedIpAddressCidr"):
        found += f"; from {content['allowedIpAddressCidr']} only"
    if problem_of_key := explain_permissions(granted):
        return error(PERMISSIONS, found, problem_of_key)
    wanted = {VIEW_PERMISSION.lower(), TRADE_PERMISSION.lower()}
    too_many = [permission for permission in granted if permission.lower() not in wanted]
    if too_many and not is_play_money:
        return warning(
            PERMISSIONS,
            found,
            f"{', '.join(too_many)}: trading needs none of it. A bot's key should permit {VIEW_PERMISSION} and"
            f" {TRADE_PERMISSION} only.",
        )
    return ok(PERMISSIONS, found)


async def check_account(ask: Questions) -> tuple[Check, Balances]:
    """Whether the account that the bot would trade on can be read; returns what it holds as well."""
    if ask.account is None:
        return unknown(SUB_ACCOUNT, _NEEDS_KEY), None
    sub_account = ask.account.sub_account_id
    try:
        rows = await ask.get(CONSTANTS.BALANCES_PATH, signed=True, sub_account=True)
        balances = {balance.asset: balance for balance in parse_balances(rows).balances}
    except (ValrRequestError, ValueError) as problem:
        return await _account_refused(ask, sub_account, problem), None
    held = ", ".join(f"{balance.total:f} {asset}" for asset, balance in balances.items() if balance.total)
    which = f"sub-account {sub_account}" if sub_account else "none set: the key's own account"
    if not held:
        return warning(SUB_ACCOUNT, f"{which}; it is empty", "Deposit, or transfer to it, on VALR."), balances
    return ok(SUB_ACCOUNT, f"{which}; it holds {held}"), balances


async def _account_refused(ask: Questions, sub_account: str, problem: Exception) -> Check:
    if not isinstance(problem, ValrRefusedError):
        return unknown(SUB_ACCOUNT, no_answer(problem))
    if not sub_account:
        return unknown(SUB_ACCOUNT, "the key is refused")
    try:
        await ask.get(CONSTANTS.BALANCES_PATH, signed=True)
    except (ValrRequestError, ValueError):
        return unknown(SUB_ACCOUNT, f"{sub_account}: the key is refused altogether")
    return error(
        SUB_ACCOUNT,
        f"VALR refuses the key for sub-account {sub_account} (but not for its own account)",
        "Set sub_account_id in conf/connectors to one of the account the key belongs to; a sub-account's own key"
        " needs it left out.",
    )


async def check_account_socket(ask: Questions) -> Check:
    """Whether the socket over which orders go and come back can be used, and how fast it is."""
    name = "Account socket"
    if ask.account is None:
        return unknown(name, _NEEDS_KEY)
    return await _check_socket(name, ask, CONSTANTS.ACCOUNT_SOCKET_PATH, signed=True)


async def check_trade_socket(ask: Questions) -> Check:
    """Whether the socket over which books come can be used, and how fast it is; it is signed where that is needed."""
    return await _check_socket("Market data socket", ask, CONSTANTS.TRADE_SOCKET_PATH, signed=False)


async def _check_socket(name: str, ask: Questions, path: str, *, signed: bool) -> Check:
    address = ask.endpoints.socket(path)
    started = time.monotonic()
    try:
        async with asyncio.timeout(ask.deadline), ask.socket(path, signed=signed) as socket:
            if path == CONSTANTS.ACCOUNT_SOCKET_PATH:
                await _await_frame(socket, CONSTANTS.AUTHENTICATED)
            opened = time.monotonic()
            await socket.send_json({"type": CONSTANTS.PING})
            await _await_frame(socket, CONSTANTS.PONG)
            took = time.monotonic() - opened
    except aiohttp.WSServerHandshakeError as problem:
        if ask.account is not None and not signed and problem.status in (400, 401, 403):
            return await _check_socket(name, ask, path, signed=True)
        return error(name, f"{address} is refused: HTTP {problem.status}", _why_refused(problem.status))
    except TimeoutError:
        return error(name, f"{address} did not answer within {ask.deadline:g} s", _what_to_ask_oneself(ask))
    except (aiohttp.ClientError, OSError) as problem:
        return error(name, f"{address} cannot be used: {problem}", _what_to_ask_oneself(ask))
    return ok(name, f"{address} opens in {_ms(opened - started)}, answers in {_ms(took)}")


async def _await_frame(socket: aiohttp.ClientWebSocketResponse, wanted: str) -> None:
    """Read until a frame of that type comes.

    :raises aiohttp.ClientError: the socket closes, or says that it will not go on
    """
    async for message in socket:
        kind = _kind(message)
        if kind == wanted:
            return
        if kind in (CONSTANTS.UNAUTHORIZED, CONSTANTS.ERROR):
            raise aiohttp.ClientError(f"it says {kind}")
    raise aiohttp.ClientError(f"it closed (code {socket.close_code})")


def _kind(message: aiohttp.WSMessage) -> str | None:
    """Return the type of a frame; None of whatever has none, which the connector passes over as well."""
    try:
        content = message.json() if message.type is aiohttp.WSMsgType.TEXT else None
    except ValueError:
        return None
    return content.get("type") if isinstance(content, dict) else None


def _what_to_ask_oneself(ask: Questions) -> str:
    if ask.endpoints.rest_url != CONSTANTS.REST_URL:
        return "Does the loopback exchange run ('python -m valr_loopback'), and at that address?"
    return "Is this machine online, and may it reach that address (firewall, proxy)?"


def _unreachable(ask: Questions, problem: Exception) -> Check:
    if isinstance(problem, ValrRateLimitedError):
        return warning(REST, str(problem), "Wait a minute; another program on this address may ask too often.")
    return error(REST, f"{ask.endpoints.rest_url} gives no usable answer: {problem}", _what_to_ask_oneself(ask))


def _refused(name: str, problem: Exception) -> Check:
    if isinstance(problem, ValrRefusedError):
        return error(name, str(problem), explain_refusal(problem.code, problem.status))
    return unknown(name, no_answer(problem))


def _why_refused(status: int) -> str:
    return explain_refusal(None, status) or "Try again in a minute; VALR limits new sockets to 60 a minute."


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"
