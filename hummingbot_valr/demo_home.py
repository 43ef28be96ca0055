"""Whether the connector was at home: driven by Hummingbot's own commands, with nothing of Hummingbot's changed."""

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

_BESIDE = ("conf", "data", "logs", "scripts", "controllers")
_CONNECTOR = Path("connector/exchange/valr")


def hummingbot_folder() -> Path:
    """Return where Hummingbot is installed.

    :raises FileNotFoundError: it is not
    """
    found = importlib.util.find_spec("hummingbot")
    if found is None or found.origin is None:
        raise FileNotFoundError("Hummingbot is not installed; run 'make install'.")
    return Path(found.origin).parent


def fingerprint(folder: Path) -> dict[str, str]:
    """Return a hash of each file of Hummingbot, and which folders of a user's files lie beside it.

    Left out are Python's caches and our own connector, which may be linked into the package.
    """
    hashes = {name: "a folder" for name in _BESIDE if (folder.parent / name).exists()}
    for place, folders, files in os.walk(folder):
        here = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if name != "__pycache__" and here / name != _CONNECTOR]
        for name in files:
            with (Path(place) / name).open("rb") as file:
                hashes[str(Path(folder.name) / here / name)] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Say what changed between two fingerprints."""
    return [
        f"{name} was {'created' if name not in before else 'removed' if name not in after else 'changed'}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def keeps_secret(connector_file: Path, secret: str) -> bool:
    """Tell whether `hbot connect` wrote the connector's file, without the secret in clear."""
    return connector_file.exists() and secret not in connector_file.read_text(encoding="utf-8")
