"""Looks at the files with keys and options of this connector before Hummingbot does, whose login breaks on a mistake.

No password is needed for that: the keys stay encrypted, and nothing of them is told. Whether they can be decrypted is
learnt at the login.
"""

from pathlib import Path

from hummingbot_valr.installation import CONNECTOR_NAMES


class ConnectorFileError(ValueError):
    """A file of this connector in conf/connectors cannot be used; the message names it, its mistakes and what to do."""


def check_connector_files(workspace: Path) -> None:
    """Look at each file there is of this connector; Hummingbot uses the workspace already.

    :raises ConnectorFileError: the first that cannot be used
    """
    for name in CONNECTOR_NAMES:
        file = workspace / "conf" / "connectors" / f"{name}.yml"
        if file.is_file():
            _check(name, file)


def _check(name: str, file: Path) -> None:
    import yaml
    from pydantic import ValidationError

    from hummingbot.client.settings import AllConnectorSettings

    anew = f"Restore it, or delete it and connect again (`hbot connect {name}`)."
    try:
        stored = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorFileError(f"{file} cannot be read: {error}. {anew}") from None
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = f", see line {place.line + 1}" if place else ""
        raise ConnectorFileError(f"{file} is not YAML{line}. Correct it, or delete it and connect again.") from None
    if not isinstance(stored, dict) or stored.get("connector") != name:
        raise ConnectorFileError(f"{file} is empty, or not what `hbot connect {name}` writes. {anew}")
    try:
        type(AllConnectorSettings.get_connector_config_keys(name)).model_validate(stored)
    except ValidationError as error:
        # Without the input, which may be a key.
        mistakes = error.errors(include_input=False, include_url=False)
        told = "".join(f"\n  {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in mistakes)
        raise ConnectorFileError(
            f"{file} has lines that the connector cannot use:{told}\nCorrect these lines, or delete them: an option"
            " that is missing has its default (docs/user-guide.md, Options)."
        ) from None


def explain_foreign_keys() -> None:
    """Have Hummingbot's login say in one sentence which file's keys it cannot decrypt; it breaks on them as it is.

    Replaces the one step of it that reads a file, of any connector.
    """
    from pydantic import ValidationError

    from hummingbot.client.config.security import Security

    decrypt = Security.decrypt_connector_config

    def decrypt_or_explain(file: Path) -> None:
        try:
            decrypt(file)
        except ValidationError:
            raise
        except ValueError as error:
            raise SystemExit(
                f"{file} cannot be decrypted with this workspace's password ({error}). Was it copied? Then bring"
                " conf/.password_verification along and use the password of that workspace, or delete the file and"
                f" connect again (`hbot connect {file.stem}`)."
            ) from None

    Security.decrypt_connector_config = staticmethod(decrypt_or_explain)
