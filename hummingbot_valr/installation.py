"""Finds a Hummingbot on this machine, and asks it what it loads: a source checkout, or an environment with the package.

Whatever is asked, is asked in that Hummingbot's own interpreter; ours may have another Hummingbot, or none.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hummingbot_valr.versions import release_of

CONNECTOR = Path("hummingbot/connector/exchange/valr")
CONNECTOR_NAMES = ("valr", "valr_loopback")
LOWEST_PYTHON = (3, 12)
LOAD_DEADLINE = 180.0

# Hummingbot writes this file itself; a YAML parser may not be there.
_RATE_SOURCE = re.compile(
    rf"^rate_oracle_source:\s*\n(?:[ \t].*\n)*?[ \t]+name:[ \t]*(?:{'|'.join(CONNECTOR_NAMES)})[ \t]*$", re.MULTILINE
)

_MARK = "answer:"
# Of an interpreter that may be any: runs from Python 3.6 on.
_LOCATE = f"""
import importlib.util, json, sys
found = importlib.util.find_spec("hummingbot")
print("{_MARK}" + json.dumps([list(sys.version_info[:2]), found.origin if found else None]))
"""
_LOAD = f"""
import importlib, json, sys
answer = {{"listed": [], "file": None, "problem": None, "path": sys.path}}
try:
    from hummingbot.client.settings import AllConnectorSettings
    answer["listed"] = [name for name in {CONNECTOR_NAMES!r} if name in AllConnectorSettings.get_connector_settings()]
    # The scan passes over a connector in which an import fails, without a word.
    for name in ("valr_utils", "valr_exchange"):
        answer["file"] = importlib.import_module("hummingbot.connector.exchange.valr." + name).__file__
except Exception as error:
    answer["problem"] = type(error).__name__ + ": " + str(error)
print("{_MARK}" + json.dumps(answer))
"""


class InstallationError(RuntimeError):
    """The installation cannot be found or changed; the message says what was wrong and what to do."""


@dataclass(frozen=True)
class Hummingbot:
    """A Hummingbot on this machine.

    ``root`` holds the package `hummingbot`, and conf/ unless the user has a workspace; ``release`` is ``""`` if nothing
    tells it.
    """

    root: Path
    python: Path
    is_checkout: bool
    release: str

    @property
    def connector(self) -> Path:
        """Where the connector lies, or would."""
        return self.root / CONNECTOR

    def describe(self) -> str:
        """Say which Hummingbot this is, in a few words."""
        kind = "checkout" if self.is_checkout else "package"
        return f"Hummingbot {self.release or 'of unknown release'} ({kind} in {self.root})"


@dataclass(frozen=True)
class Loaded:
    """What a Hummingbot makes of the connector when it starts.

    ``problem`` is empty if it loads; ``file`` is the connector's class file, ``path`` where Python looks for packages.
    """

    problem: str
    file: Path | None = None
    path: tuple[Path, ...] = ()


def find_hummingbot(place: Path | None = None, python: Path | None = None) -> Hummingbot:
    """Return the Hummingbot in ``place``, a source checkout, an environment, or an environment's Python.

    Without a place it is that of this process's interpreter, else a checkout in the current directory.

    :param python: runs it, where it is not found beside the checkout
    :raises InstallationError: there is none, or its Python is too old
    """
    if place is None:
        own = _origin(python or Path(sys.executable), Path(sys.prefix))
        if own is not None:
            return _installed(python or Path(sys.executable), own)
        if not _is_checkout(Path.cwd()):
            raise InstallationError(
                f"Hummingbot is not installed for {python or sys.executable}, nor is this directory a checkout of it."
                " Say where it is: --hummingbot DIR."
            )
        place = Path.cwd()
    place = Path(os.path.abspath(place.expanduser()))
    if place.name == "site-packages":
        place = place.parents[2]
    if not place.exists():
        raise InstallationError(f"{place} does not exist.")
    if _is_checkout(place):
        return _in_checkout(place, python)
    interpreter = place if place.is_file() else _interpreter_of(place)
    if interpreter is None:
        raise InstallationError(
            f"{place} is no Hummingbot: neither a source checkout (it would have {CONNECTOR.parent}) nor an"
            " environment (it would have bin/python)."
        )
    origin = _origin(interpreter, interpreter.parent.parent)
    if origin is None:
        raise InstallationError(
            f"There is no Hummingbot in the environment of {interpreter}. Install it there with"
            f" 'uv pip install --python {interpreter} hummingbot' (pip cannot resolve its dependencies)."
        )
    return _installed(interpreter, origin)


def load_connector(hummingbot: Hummingbot) -> Loaded:
    """Have a Hummingbot load the connector as it does when it starts; takes some seconds."""
    try:
        answer = _ask(hummingbot.python, _LOAD, hummingbot.root, LOAD_DEADLINE)
    except InstallationError as error:
        return Loaded(str(error))
    path = tuple(Path(entry or hummingbot.root) for entry in answer["path"])
    file = Path(answer["file"]) if answer["file"] else None
    problem = answer["problem"] or ""
    lacking = [name for name in CONNECTOR_NAMES if name not in answer["listed"]]
    if not problem and lacking:
        problem = f"Hummingbot does not list {' and '.join(lacking)}"
    elif not problem and file is not None and file.parent.parent.resolve() != hummingbot.connector.parent.resolve():
        problem = f"Hummingbot takes the connector from {file.parent}, not from {hummingbot.connector}"
    return Loaded(problem, file, path)


def key_files(hummingbot: Hummingbot, *others: Path) -> list[Path]:
    """Return the files with keys of ours in the conf/ of a Hummingbot and of ``others``.

    Without the connector each of them breaks the login of the Hummingbot that reads it.
    """
    folders = _conf_folders(hummingbot, others)
    files = (folder / "connectors" / f"{name}.yml" for folder in folders for name in CONNECTOR_NAMES)
    return [file for file in files if file.is_file()]


def rate_settings(hummingbot: Hummingbot, *others: Path) -> list[Path]:
    """Return the client's settings that have us as the source of rates, in the same places.

    Without the connector the Hummingbot that reads them does not start.
    """
    files = (folder / "conf_client.yml" for folder in _conf_folders(hummingbot, others))
    return [file for file in files if file.is_file() and _RATE_SOURCE.search(file.read_text(errors="replace"))]


def _conf_folders(hummingbot: Hummingbot, others: tuple[Path, ...]) -> list[Path]:
    places = dict.fromkeys(place.resolve() for place in (hummingbot.root, *others))
    return [place / "conf" for place in places]


def _is_checkout(folder: Path) -> bool:
    return (folder / "hummingbot" / "__init__.py").is_file() and (folder / CONNECTOR.parent).is_dir()


def _in_checkout(root: Path, python: Path | None) -> Hummingbot:
    interpreter = python or _interpreter_for_checkout(root)
    origin = _origin(interpreter, root)
    if origin is None or origin.parent.parent.resolve() != root.resolve():
        raise InstallationError(f"{interpreter}, run in {root}, finds Hummingbot in {origin and origin.parent.parent}.")
    return Hummingbot(root, interpreter, (root / "setup.py").exists(), release_of(root))


def _interpreter_for_checkout(root: Path) -> Path:
    """The checkout's own .venv, else the environment that is active, else the one that runs this."""
    active = [os.environ[name] for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if os.environ.get(name)]
    for environment in (root / ".venv", *map(Path, active)):
        if found := _interpreter_of(environment):
            return found
    return Path(sys.executable)


def _installed(python: Path, origin: Path) -> Hummingbot:
    root = origin.parent.parent
    if not _is_checkout(root):
        raise InstallationError(
            f"{origin.parent} is called hummingbot, but it is not Hummingbot: it has no connectors."
        )
    return Hummingbot(root, python, (root / "setup.py").exists(), release_of(root))


def _interpreter_of(environment: Path) -> Path | None:
    candidates = (environment / name for name in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _origin(python: Path, folder: Path) -> Path | None:
    """Return the `__init__.py` of the Hummingbot that ``python`` finds when run in ``folder``."""
    version, origin = _ask(python, _LOCATE, folder, 30.0)
    # The connector's folder alone makes `hummingbot` importable, as a namespace without a file.
    if origin is None:
        return None
    if tuple(version) < LOWEST_PYTHON:
        raise InstallationError(
            f"{python} is Python {'.'.join(map(str, version))}; the VALR connector needs"
            f" {'.'.join(map(str, LOWEST_PYTHON))} or newer, which Hummingbot runs on as well."
        )
    return Path(origin)


def _ask(python: Path, question: str, folder: Path, deadline: float) -> Any:
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    try:
        finished = subprocess.run(
            [python, "-c", question],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InstallationError(f"{python} did not answer within {deadline:g} s.") from error
    except OSError as error:
        raise InstallationError(f"{python} cannot be run as a Python: {error.strerror or error}.") from error
    for line in reversed(finished.stdout.splitlines()):
        if line.startswith(_MARK):
            return json.loads(line.removeprefix(_MARK))
    said = (finished.stderr or finished.stdout).strip().splitlines() or [f"exit code {finished.returncode}"]
    raise InstallationError(f"{python} did not answer as a Python with Hummingbot does: {said[-1]}")
