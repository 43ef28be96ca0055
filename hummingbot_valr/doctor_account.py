"""The account a workspace has keys of: reads conf/connectors/valr.yml with the workspace's password."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hummingbot_valr.doctor import Check, error, ok, warning

NAME = "API key"


@dataclass(frozen=True)
class Account:
    """Keys of an account, and how it is used; the keys are in no text made of it."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    sub_account_id: str


class AccountFileError(ValueError):
    """The file with the keys cannot be used; carries the check that says so."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.found)
        self.check = check


def read_account(workspace: Path, domain: str, password: str | None) -> Account:
    """Return the account whose keys the workspace keeps for ``domain``.

    :param password: the workspace's, None if it is not known
    :raises AccountFileError: there is none, or it cannot be read
    """
    file = workspace / "conf" / "connectors" / f"{domain}.yml"
    if not file.is_file():
        raise AccountFileError(
            warning(
                NAME, f"none in {file}", f"Run 'hbot connect {domain}' in {workspace}, or name it: --workspace DIR."
            )
        )
    if password is None:
        raise AccountFileError(
            warning(
                NAME, f"in {file}, not unlocked", "Set HBOT_PASSWORD, or run this in a terminal to be asked for it."
            )
        )
    stored = _read(file)
    anew = f"Run 'hbot connect {domain}' again."
    names = (f"{domain}_api_key", f"{domain}_api_secret")
    absent = [name for name in names if not isinstance(stored.get(name), str)]
    if absent:
        raise AccountFileError(error(NAME, f"{file} lacks {' and '.join(absent)}", anew))
    for name in names:
        stored[name] = _decrypted(name, stored[name], file, password)
    try:
        settings = _map_of(domain)(**stored)
    except ValueError as problem:
        raise AccountFileError(error(NAME, f"{file}: {_faults(problem)}", "Correct these lines.")) from None
    key, secret = (getattr(settings, name).get_secret_value().strip() for name in names)
    return Account(key, secret, settings.sub_account_id)


def stored_url(workspace: Path, domain: str) -> str | None:
    """Return the exchange's address that the workspace keeps beside the keys, locked or not; None if it keeps none."""
    try:
        url = _read(workspace / "conf" / "connectors" / f"{domain}.yml").get(f"{domain}_url")
    except AccountFileError:
        return None
    return url if isinstance(url, str) else None


def check_key_file(account: Account, workspace: Path, domain: str) -> Check:
    """Say that the keys can be read, or that what was stored are none."""
    for name, value in (("key", account.key), ("secret", account.secret)):
        if not value.isascii() or not value.isalnum():
            return error(
                NAME, f"the stored {name} is no VALR {name}", f"Run 'hbot connect {domain}' and paste it again."
            )
    return ok(NAME, f"read from {workspace / 'conf' / 'connectors' / domain}.yml")


def _read(file: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stored = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as problem:
        said = problem.strerror if isinstance(problem, OSError) else "it is not YAML"
        raise AccountFileError(error(NAME, f"{file} cannot be read: {said}", "Restore it, or connect again.")) from None
    if not isinstance(stored, dict):
        raise AccountFileError(error(NAME, f"{file} is empty", "Delete it, and connect again."))
    return stored


def _decrypted(name: str, value: str, file: Path, password: str) -> str:
    import hummingbot.client.settings  # noqa: F401 - before the configuration modules, which import each other in a ring
    from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger

    try:
        return str(ETHKeyFileSecretManger(password).decrypt_secret_value(name, value))
    except ValueError as problem:
        if str(problem) == "MAC mismatch":
            check = error(NAME, f"the password does not unlock {file}", "Give the password of this workspace.")
        else:
            check = error(
                NAME, f"{name} in {file} is not what Hummingbot writes", "Delete the file, and connect again."
            )
        raise AccountFileError(check) from None


def _faults(problem: Any) -> str:
    """What pydantic's `ValidationError` found, without its input: that holds the keys."""
    errors = problem.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in errors)


def _map_of(domain: str) -> Any:
    from hummingbot.connector.exchange.valr import valr_constants, valr_utils

    return valr_utils.ValrLoopbackConfigMap if domain == valr_constants.LOOPBACK_DOMAIN else valr_utils.ValrConfigMap
