"""Hummingbot's `hbot` with the directory it is run in as the workspace: `python -m hummingbot_valr.hbot COMMAND ...`.

All of Hummingbot's commands are here unchanged (`connect`, `create`, `start`, `status`, `logs`, `stop`, `doctor`, ...).
One bot runs per workspace; bots in different workspaces know nothing of each other. Beyond Hummingbot's own, `connect`
tries the keys of VALR that it has stored and keeps the options beside them, `history` reads the client's settings, and
`stop` says whether an order may still be live.
"""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import typer

from hummingbot_valr.connector_files import ConnectorFileError, check_connector_files, explain_foreign_keys
from hummingbot_valr.engine_lock import LOCK, EngineLock, EngineRunsError
from hummingbot_valr.installation import CONNECTOR_NAMES
from hummingbot_valr.shutdown import ADVICE, discard_reports, listed, read_report
from hummingbot_valr.waiting import patient_sleep, waiting
from hummingbot_valr.workspace import WorkspaceError, create_folders, use_workspace

_ENGINE_MODULE = "hummingbot.cli.engine"
_ASKING = {"-h", "--help", "--version"}
_HELP = "Run, control and watch a Hummingbot bot; its files are in this directory, which can have one bot."
_FIRST_STEPS = (
    "A first bot: 'connect valr' (to practise: valr_loopback), 'create pure_market_making', 'start', 'status', 'stop'."
    " Each has a --help of its own. 'hummingbot-valr doctor' says what is wrong with Hummingbot, keys and connection."
)
_READING = {"history", "logs", "status", "stop"}
_UNLOCKING = {"balance", "connect", "deploy", "history", "start"}
"""The commands that read the files with keys; `stop` is not among them, it has to work always."""
_LISTING = {"--fields", "--all"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `hbot` with `arguments` (default: the process's own); ends by `SystemExit` with hbot's exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    is_question = not arguments or _ASKING.intersection(arguments)
    is_reading = not is_question and arguments[0] in _READING
    try:
        workspace = use_workspace(Path.cwd())
        if not is_question and not is_reading:  # a question leaves no folders behind, in a wrong folder neither
            create_folders(workspace)
    except WorkspaceError as error:
        raise SystemExit(str(error)) from error
    if is_reading and not (workspace / "conf").is_dir():
        typer.echo(f"{workspace} is no folder of a bot: it has no conf/. Run this in your bot's folder.", err=True)
    with waiting("Loading Hummingbot"):
        from hummingbot.cli import bot
        from hummingbot.cli.commands import start, stop
        from hummingbot.cli.main import app

        if not is_question and arguments[0] in _UNLOCKING:
            try:
                check_connector_files(workspace)
                explain_foreign_keys()
            except ConnectorFileError as error:
                raise SystemExit(str(error)) from error
        if not is_question and arguments[0] == "history" and (workspace / "conf").is_dir():
            _load_settings()
    vars(bot)["data_path"] = lambda: str(workspace / "data")  # Hummingbot's own makes the folder that it is asked for
    app.pretty_exceptions_show_locals = False  # older releases of typer show them, the password among them
    app.info.help, app.info.epilog = _HELP, _FIRST_STEPS
    start_engine_in(workspace, start)
    show_waiting(start, "Starting the bot (see `hbot logs` for what it does)")
    show_waiting(stop, "Stopping the bot: it cancels its orders first")
    tell_live_orders(stop, workspace)
    run = lambda: app(args=list(arguments), prog_name="hbot")  # noqa: E731
    connector = None if is_question else _connector_to_connect(arguments)
    if connector is None:
        run()
    else:
        _connect(connector, workspace, run)


def start_engine_in(workspace: Path, start: ModuleType) -> None:
    """Have Hummingbot's `start` command module start the engine in `workspace`, and one only.

    Replaces what that one module sees of `login`, the last it does before it writes about the bot that it starts, and
    of `subprocess` and `os`, the two ways it starts the engine (detached and with --foreground); the modules themselves
    stay as they are.
    """
    login = start.login
    locks: list[EngineLock] = []

    def login_and_lock(**options: Any) -> Any:
        known = login(**options)
        # Only now: somebody else may have started a bot while the password was typed.
        try:
            locks.append(EngineLock.take(workspace))
            discard_reports(workspace)
        except EngineRunsError as error:
            start.fail(str(error), start.ExitCode.ERROR)
        except OSError as error:
            start.fail(f"{error.filename or workspace / LOCK}: {error.strerror}", start.ExitCode.ERROR)
        return known

    def popen(command: list[str], env: dict[str, str], **options: Any) -> "subprocess.Popen[bytes]":
        lock = locks.pop()
        engine = subprocess.Popen(
            engine_command(command, workspace), env=env | lock.environment, pass_fds=(lock.descriptor,), **options
        )
        lock.leave()
        return engine

    def execve(path: str, command: list[str], environment: dict[str, str]) -> None:
        lock = locks.pop()
        os.set_inheritable(lock.descriptor, True)
        os.execve(path, engine_command(command, workspace), environment | lock.environment)

    vars(start)["login"] = login_and_lock
    vars(start)["subprocess"] = SimpleNamespace(**(vars(subprocess) | {"Popen": popen}))
    vars(start)["os"] = SimpleNamespace(**(vars(os) | {"execve": execve}))


def show_waiting(command: ModuleType, what: str) -> None:
    """Have one of Hummingbot's command modules say what it waits for: replaces what it sees of `time`."""
    vars(command)["time"] = SimpleNamespace(**(vars(time) | {"sleep": patient_sleep(what)}))


def tell_live_orders(stop: ModuleType, workspace: Path) -> None:
    """Have Hummingbot's `stop` command module say which orders may still be live; the exit code is 1 if any may be.

    Replaces what that module sees of its functions for output, `emit` and `fail`.
    """
    emit, fail, render_kv = stop.emit, stop.fail, stop.render_kv

    def emit_with_orders(record: dict[str, Any], _: str, as_json: bool) -> None:
        left = None if record["killed"] else read_report(workspace)
        words = "not known" if left is None else listed(left) or "none"
        emit(record | {"live_orders": left}, render_kv(record | {"live orders": words}, title="stop"), as_json)
        if left is None:
            typer.echo(f"The bot ended before it could say whether all its orders are cancelled. {ADVICE}", err=True)
        elif left:
            typer.echo(f"Nothing proves yet that these orders are cancelled. {ADVICE}", err=True)
        if left is None or left:
            raise typer.Exit(1)

    def fail_with_advice(message: str, code: Any) -> None:
        if code.name == "TIMEOUT":
            message += (
                ". It may be closing positions and cancelling orders, which takes a minute and a half at most: run"
                " `hbot stop --timeout 90`; to kill it now may leave orders live"
            )
        elif code.name == "NOT_RUNNING":
            # It may have ended after an earlier `hbot stop` had given up waiting, or by itself.
            left = read_report(workspace)
            if left is None:
                message += f"; it ended before it could say whether all its orders are cancelled. {ADVICE}"
            elif left:
                message += f"; when it ended, nothing proved yet that these were cancelled: {listed(left)}. {ADVICE}"
        fail(message, code)

    vars(stop).update(emit=emit_with_orders, fail=fail_with_advice)


def engine_command(command: Sequence[str], workspace: Path) -> list[str]:
    """Hummingbot's command for its engine, sent through `hummingbot_valr.engine`; `WorkspaceError` if it is another."""
    if list(command[1:3]) != ["-m", _ENGINE_MODULE]:
        raise WorkspaceError(
            f"This Hummingbot starts its engine in an unknown way ({' '.join(command)}), which would keep its files"
            " outside the workspace. Use the release of Hummingbot that requirements.in names."
        )
    return [command[0], "-m", "hummingbot_valr.engine", str(workspace), *command[2:]]


def _load_settings() -> None:
    """Load the client's settings, as all commands do but `history`, which would value everything with the default.

    The password, if it is known, lets the rate source find an exchange that listens elsewhere than usual.
    """
    from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger
    from hummingbot.client.config.config_helpers import load_client_config_map_from_file
    from hummingbot.client.config.security import Security

    load_client_config_map_from_file()
    password = os.environ.get("HBOT_PASSWORD") or os.environ.get("CONFIG_PASSWORD")
    if password and not Security.new_password_required():
        Security.login(ETHKeyFileSecretManger(password))


def _connector_to_connect(arguments: Sequence[str]) -> str | None:
    """The connector of ours for which keys are to be stored, if this is what `hbot` is asked to do."""
    if arguments[0] != "connect" or _LISTING.intersection(arguments):
        return None
    return next((name for name in arguments[1:] if name in CONNECTOR_NAMES), None)


def _connect(connector: str, workspace: Path, store: Callable[[], object]) -> None:
    """Store keys, then try them; ends by `SystemExit`, with 1 if they are not stored or cannot be used."""
    file = workspace / "conf" / "connectors" / f"{connector}.yml"
    _keep_options(connector, file)
    before = file.read_bytes() if file.is_file() else None
    failures = _Failures()
    logging.getLogger().addFilter(failures)
    try:
        store()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        logging.getLogger().removeFilter(failures)
    from hummingbot_valr.key_test import are_stored, try_stored_keys

    if not are_stored(connector, file):
        if before is not None:
            with suppress(OSError):  # it may have been emptied
                file.write_bytes(before)
        raise SystemExit(
            f"{file}: nothing was stored: {failures.told or 'it does not hold what was connected'}."
            " See that this file and its folder can be written, and connect again."
        )
    with waiting("Trying the keys"):
        finding = try_stored_keys(connector)
    for sentence in finding.sentences:
        typer.echo(sentence, err=not finding.is_usable)
    if not finding.is_usable:
        typer.echo(
            f"The keys are stored all the same. `hbot connect {connector} --replace` stores others,"
            f" `hummingbot-valr doctor --domain {connector}` looks closer.",
            err=True,
        )
        raise SystemExit(1)
    _recommend_rates(connector)


class _Failures(logging.Filter):
    """Keeps why a file could not be written: Hummingbot only logs that, with a traceback, and goes on."""

    told = ""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], OSError):
            self.told = str(record.exc_info[1])
            return False
        return True


def _keep_options(connector: str, file: Path) -> None:
    """Have the options that the user has set beside the keys written again: Hummingbot would reset them all."""
    if not file.is_file():
        return
    from hummingbot.client.config.config_helpers import ClientConfigAdapter, ConfigValidationError, read_yml_file
    from hummingbot.client.settings import AllConnectorSettings

    stored = read_yml_file(file)
    configuration = ClientConfigAdapter(AllConnectorSettings.get_connector_config_keys(connector))
    for item in configuration.traverse(secure=False):
        data = item.client_field_data
        if data is not None and not data.is_connect_key and item.attr in stored:
            try:
                setattr(configuration, item.attr, stored[item.attr])
            except ConfigValidationError as error:
                raise SystemExit(f"{file}: {item.attr}: {error}. Correct this line, or delete it.") from error


def _recommend_rates(connector: str) -> None:
    from hummingbot.client.config.config_helpers import load_client_config_map_from_file

    source = load_client_config_map_from_file().rate_oracle_source.name
    if source not in CONNECTOR_NAMES:
        typer.echo(
            f"Values in dollars come from {source}. To take them from VALR, which has those of the rand:"
            f" `hbot config rate_oracle_source.name {connector}`."
        )


if __name__ == "__main__":
    main()
