"""One examination from beginning to end: this machine first, then the exchange, then the strategy."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from hummingbot_valr import doctor_hummingbot as local
from hummingbot_valr.doctor import Check, Status, error, unknown
from hummingbot_valr.doctor_account import Account, AccountFileError, check_key_file, read_account, stored_url
from hummingbot_valr.installation import Hummingbot


async def examine(
    hummingbot: Hummingbot,
    *,
    domain: str,
    config: Path | None,
    workspace: Path,
    password: str | None,
    deadline: float,
    say: Callable[[str], object],
) -> list[Check]:
    """Return every check, in the order in which they are read.

    :param domain: ``valr`` or ``valr_loopback``
    :param config: a strategy's configuration, to be examined as well
    :param password: the workspace's, None if it is not known
    :param deadline: seconds that each question to the exchange may take
    :param say: is told what is being done
    """
    checks = examine_hummingbot(hummingbot, workspace, sys.path)
    if any(check.status is Status.ERROR for check in checks if check.name in ("Connector", "Hooks")):
        # The questions to VALR are asked with the connector's own rooms.
        return [*checks, unknown("VALR", "needs the connector")]
    say("Unlocking the keys")
    account: Account | None = None
    try:
        account = read_account(workspace, domain, password)
        checks.append(check_key_file(account, workspace, domain))
    except AccountFileError as problem:
        checks.append(problem.check)
    # Only here: where the connector is missing, it cannot be imported.
    from hummingbot_valr.doctor_exchange import examine_exchange

    return checks + await examine_exchange(
        domain, stored_url(workspace, domain), account, config=config, workspace=workspace, deadline=deadline, say=say
    )


def examine_hummingbot(hummingbot: Hummingbot, workspace: Path, search_path: list[str]) -> list[Check]:
    """Return the checks of this machine: Hummingbot, the connector in it, and the workspace's folders."""
    checks = [local.check_release(hummingbot)]
    try:
        settings = importlib.import_module("hummingbot.client.settings")
        known = set(settings.AllConnectorSettings.get_connector_settings())
    except Exception as problem:  # noqa: BLE001 - whatever a broken Hummingbot raises is the finding
        found = f"Hummingbot does not start: {type(problem).__name__}: {problem}"
        to_do = "Install it anew, or mend what it says; the connector itself may be the cause."
        return [*checks, error("Connector", found, to_do)]
    return [
        *checks,
        local.check_connector(hummingbot, known),
        local.check_hooks(),
        local.check_copies(hummingbot, search_path),
        local.check_folders(workspace),
        local.check_key_files(workspace, known),
    ]
