"""Hummingbot's own command line and client, run as processes in directories of the test."""

import hashlib
import json
import os
import pty
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from hummingbot.cli import output
from hummingbot.client.config.config_crypt import ETHKeyFileSecretManger
from hummingbot_valr import engine, hbot
from hummingbot_valr.command import app
from hummingbot_valr.connector_files import ConnectorFileError, check_connector_files
from hummingbot_valr.engine_lock import EngineLock, EngineRunsError
from hummingbot_valr.shutdown import ADVICE, read_report, write_report
from hummingbot_valr.workspace import FOLDERS, WorkspaceError, create_folders
from test.clients.pseudo_terminal import in_a_terminal

Environment = dict[str, str]

IDLE_SCRIPT = """
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


class IdleConfig(StrategyV2ConfigBase):
    script_file_name: str = "idle.py"
    note: str = ""

    def update_markets(self, markets):
        return markets


class Idle(StrategyV2Base):
    def format_status(self) -> str:
        return f"idle with {self.config.note}"
"""


AS_THE_FIRST_OF_A_TERMINAL = """
import fcntl, os, signal, sys, termios

signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.fixture
def environment(offline_environment: Environment) -> Environment:
    return offline_environment | {"HBOT_PASSWORD": "password of the test"}


def run_python(
    *arguments: str, environment: Environment, folder: Path, stdin: str = ""
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=folder,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Workspace:
    """A directory in which `hbot` is run."""

    def __init__(self, path: Path, environment: Environment) -> None:
        self.path = path
        self.environment = environment
        path.mkdir()

    def hbot(self, *arguments: str, stdin: str = "", code: int = 0) -> str:
        return self.run(*arguments, stdin=stdin, code=code).stdout

    def run(self, *arguments: str, stdin: str = "", code: int = 0) -> "subprocess.CompletedProcess[str]":
        command = ("-m", "hummingbot_valr.hbot", *arguments)
        finished = run_python(*command, environment=self.environment, folder=self.path, stdin=stdin)
        assert finished.returncode == code, f"hbot {arguments}: {finished.stdout}{finished.stderr}"
        return finished

    def create_idle_bot(self, note: str) -> None:
        create_folders(self.path)
        (self.path / "scripts" / "idle.py").write_text(IDLE_SCRIPT)
        self.hbot("create", "idle", "--name", "bot.yml", "--set", f"note={note}")

    def start_idle_bot(self, note: str) -> None:
        self.create_idle_bot(note)
        assert "running" in self.hbot("start")


def run_engine(module: str, environment: Environment, workspace: Path) -> "subprocess.CompletedProcess[str]":
    """Run what takes the place of Hummingbot's engine: a module in the workspace."""
    arguments = ("-m", "hummingbot_valr.engine", str(workspace), module)
    return run_python(*arguments, environment=environment, folder=workspace)


def tree(root: Path) -> dict[str, tuple[int, str]]:
    """Every file below `root` by size and, where it is text, by content; links are not followed."""
    state = {}
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in files:
            path = Path(folder, name)
            small = path.suffix in {".py", ".yml", ".json"} and not path.is_symlink()
            state[str(path.relative_to(root))] = (
                path.lstat().st_size,
                hashlib.sha256(path.read_bytes()).hexdigest() if small else "",
            )
    return state


def installed_hummingbot() -> dict[str, tuple[int, str]]:
    """Hummingbot's package, and the names beside it where an unmoved Hummingbot would put its files."""
    site = Path(sysconfig.get_path("purelib"))
    beside = {name: (0, "") for name in ("conf", "data", "logs", "scripts", "controllers") if (site / name).exists()}
    return tree(site / "hummingbot") | beside


@pytest.fixture
def two_workspaces(tmp_path: Path, environment: Environment) -> Iterator[tuple[Workspace, Workspace]]:
    pair = Workspace(tmp_path / "one", environment), Workspace(tmp_path / "two", environment)
    yield pair
    for workspace in pair:
        pid = workspace.path / "data" / "bot" / "bot.pid"
        if pid.exists():
            workspace.hbot("stop", "--force")


def test_a_question_leaves_no_folders(tmp_path: Path, environment: Environment) -> None:
    workspace = Workspace(tmp_path / "empty", environment)
    shown = workspace.hbot("--help")
    assert "Usage: hbot" in shown
    assert "A first bot:" in shown
    assert "connect" in shown
    assert list(workspace.path.iterdir()) == []


@pytest.mark.parametrize(("command", "code"), [("status", 0), ("stop", 2), ("logs", 2), ("history", 2)])
def test_a_wrong_folder_stays_empty_and_is_named(
    command: str, code: int, tmp_path: Path, environment: Environment
) -> None:
    workspace = Workspace(tmp_path / "wrong", environment)
    said = workspace.run(command, code=code).stderr
    assert f"{workspace.path} is no folder of a bot" in said
    assert list(workspace.path.iterdir()) == []


def test_two_bots_in_two_directories(two_workspaces: tuple[Workspace, Workspace]) -> None:
    before = installed_hummingbot()
    one, two = two_workspaces

    one.hbot("config", "tick_size", "1.0")
    assert "no strategy config loaded" in one.hbot("status")
    assert all((one.path / folder).is_dir() for folder in FOLDERS)
    assert not list((two.path).iterdir())
    two.hbot("config", "tick_size", "0.5")

    with ThreadPoolExecutor() as threads:
        list(threads.map(Workspace.start_idle_bot, (one, two), ("the first note", "the second note")))
        first, second = threads.map(Workspace.hbot, (one, two), ("status", "status"))
    assert "idle with the first note" in first
    assert "idle with the second note" in second

    (one.path / "data" / "bot" / "bot.pid").rename(one.path / "bot.pid")  # as if it had never been written
    refused = one.run("start", code=1).stderr
    assert f"(pid {(one.path / 'bot.pid').read_text()})" in refused
    (one.path / "bot.pid").rename(one.path / "data" / "bot" / "bot.pid")

    assert "- live orders: none" in two.hbot("stop")
    assert "idle with the first note" in one.hbot("status"), "the other bot runs on"
    assert "Strategy idle started successfully" in one.hbot("logs")
    assert "password unlocks the keystore" in one.hbot("doctor")
    assert json.loads(one.hbot("stop", "--json")) == {"stopped": True, "killed": False, "live_orders": {}}

    assert "tick_size: 0.5" in (two.path / "conf" / "conf_client.yml").read_text()
    assert "tick_size: 1.0" in (one.path / "conf" / "conf_client.yml").read_text()
    assert (one.path / "data" / "bot.sqlite").exists()
    assert installed_hummingbot() == before


def test_the_bot_in_the_foreground_uses_the_workspace_and_stops_with_its_terminal(
    tmp_path: Path, environment: Environment
) -> None:
    workspace = Workspace(tmp_path / "foreground", environment)
    workspace.create_idle_bot("in front")
    screen, terminal = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    command = [sys.executable, "-c", AS_THE_FIRST_OF_A_TERMINAL, "-m", "hummingbot_valr.hbot"]
    command += ["start", "bot.yml", "--foreground"]
    with subprocess.Popen(command, env=environment, cwd=workspace.path, start_new_session=True, **streams) as bot:
        os.close(terminal)
        try:
            status = workspace.path / "data" / "bot" / "status.json"
            deadline = time.monotonic() + 60
            while not status.exists() and time.monotonic() < deadline and bot.poll() is None:
                time.sleep(0.1)
            assert "idle with in front" in workspace.hbot("status")
            with pytest.raises(EngineRunsError, match=rf"\(pid {bot.pid}\)"):
                EngineLock.take(workspace.path)
        finally:
            os.close(screen)
        assert bot.wait(timeout=30) == 0
    assert read_report(workspace.path) == {}
    assert "started successfully" in (workspace.path / "logs" / "logs_bot.log").read_text()


def test_the_interactive_client_starts_and_leaves(tmp_path: Path, environment: Environment) -> None:
    dialog = [("Useful Commands", "exit\r")]
    code, _ = in_a_terminal("hummingbot_valr.command client", environment, tmp_path, dialog)
    assert code == 0
    assert (tmp_path / "conf" / ".password_verification").exists()
    assert (tmp_path / "logs" / "logs_hummingbot.log").exists()


def test_without_a_password_the_client_asks_for_one_and_can_be_left(
    tmp_path: Path, offline_environment: Environment
) -> None:
    cancel = "\t\t\r"
    dialog = [("Welcome to", "\r"), ("READ THIS", "\r"), ("SECURE", "\r"), ("your new password", cancel)]
    code, _ = in_a_terminal("hummingbot_valr.client", offline_environment, tmp_path, dialog)
    assert code == 0
    assert not (tmp_path / "conf" / ".password_verification").exists()


def test_the_engine_is_sent_through_the_workspace() -> None:
    command = ["python", "-m", "hummingbot.cli.engine", "--name", "bot"]
    sent = hbot.engine_command(command, Path("/workspace"))
    assert sent == ["python", "-m", "hummingbot_valr.engine", "/workspace", "hummingbot.cli.engine", "--name", "bot"]


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(WorkspaceError, match="starts its engine in an unknown way"):
        hbot.engine_command(["python", "-m", "hummingbot.engine"], Path("/workspace"))


def test_the_engine_without_a_workspace_says_how_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["engine"])
    with pytest.raises(SystemExit, match="usage"):
        engine.main()


def test_a_bot_that_is_just_being_started_keeps_others_from_starting(tmp_path: Path, environment: Environment) -> None:
    """As when somebody else starts one while the password is typed: nothing of that bot's is written over."""
    workspace = Workspace(tmp_path / "raced", environment)
    workspace.create_idle_bot("late")
    with TakenBySomebodyElse(workspace.path) as other:
        files = workspace.path / "data" / "bot"
        for name in ("meta.json", "status.json", "bot.pid", "bot.log"):
            (files / name).write_text(f'"{name} of the other"')
        refused = workspace.run("start", "bot.yml", code=1)
        assert f"a bot already runs in {workspace.path}, or Hummingbot's client does (pid {other.pid})" in (
            refused.stderr
        )
        assert "running" not in refused.stdout
        for name in ("meta.json", "status.json", "bot.pid", "bot.log"):
            assert (files / name).read_text() == f'"{name} of the other"'


def test_what_a_crashed_engine_said_last_starts_no_bot(tmp_path: Path, environment: Environment) -> None:
    workspace = Workspace(tmp_path / "crashed", environment)
    workspace.create_idle_bot("never seen")
    (workspace.path / "scripts" / "idle.py").write_text("raise SystemExit(3)")
    status = workspace.path / "data" / "bot" / "status.json"
    status.parent.mkdir(exist_ok=True)
    status.write_text('{"pid": 1, "running": true, "engine": {"strategy_running": true}}')
    failed = workspace.run("start", "bot.yml", code=1)
    assert "bot exited during startup" in failed.stderr
    assert "running" not in failed.stdout
    assert not status.exists()
    assert not (workspace.path / "data" / "bot" / "bot.pid").exists()


def test_the_engine_runs_nothing_where_another_runs(tmp_path: Path, environment: Environment) -> None:
    (tmp_path / "trades.py").write_text("open('traded', 'w')")
    with TakenBySomebodyElse(tmp_path) as other:
        refused = run_engine("trades", environment, tmp_path)
    assert refused.returncode == 1
    assert f"(pid {other.pid})" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "traded").exists()


def test_the_client_starts_only_where_no_bot_runs(tmp_path: Path, environment: Environment) -> None:
    with TakenBySomebodyElse(tmp_path) as other:
        code, screen = in_a_terminal("hummingbot_valr.client", environment, tmp_path, [])
    assert code == 1
    assert f"(pid {other.pid})" in screen
    assert "Traceback" not in screen


def test_while_the_client_runs_no_bot_is_started(tmp_path: Path, environment: Environment) -> None:
    workspace = Workspace(tmp_path / "client", environment)
    workspace.create_idle_bot("beside")
    refused: list[str] = []

    def start_one_and_leave() -> str:
        refused.append(workspace.run("start", "bot.yml", code=1).stderr)
        return "exit\r"

    dialog = [("Useful Commands", start_one_and_leave)]
    code, _ = in_a_terminal("hummingbot_valr.client", environment, workspace.path, dialog)
    assert code == 0
    assert "or Hummingbot's client does (pid" in refused[0]
    assert "running" in workspace.run("start", "bot.yml").stdout
    workspace.run("stop")


@pytest.mark.parametrize("program", ["hbot", "client"])
def test_keys_of_another_password_are_named(program: str, tmp_path: Path, environment: Environment) -> None:
    """As when the file was copied from another bot's folder."""
    workspace = Workspace(tmp_path / "copied", environment)
    create_folders(workspace.path)
    keys = ETHKeyFileSecretManger("another password")
    file = workspace.path / "conf" / "connectors" / "valr.yml"
    names = ("valr_api_key", "valr_api_secret")
    lines = [f"{name}: {keys.encrypt_secret_value(name, 'k' * 64)}" for name in names]
    file.write_text("\n".join(["connector: valr", *lines]))
    if program == "hbot":
        shown = workspace.run("balance", code=1).stderr
    else:
        code, shown = in_a_terminal("hummingbot_valr.client", environment, workspace.path, [])
        assert code == 1
    assert f"{file} cannot be decrypted with this workspace's password (MAC mismatch)" in shown
    assert "Traceback" not in shown
    assert "k" * 64 not in shown


def test_a_lock_is_free_when_the_last_that_has_it_is_dead(tmp_path: Path) -> None:
    lock = EngineLock.take(tmp_path)
    heir = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        env=os.environ | lock.environment,
        pass_fds=(lock.descriptor,),
        stdout=subprocess.PIPE,
    )
    with heir:
        assert heir.stdout is not None
        assert heir.stdout.readline() == b"held\n"
        lock.leave()
        with pytest.raises(EngineRunsError, match=rf"\(pid {heir.pid}\)"):
            EngineLock.take(tmp_path)
        heir.kill()
    EngineLock.take(tmp_path).leave()


@pytest.mark.parametrize("told", ["none", "9999", "0"])
def test_another_file_is_not_taken_for_the_lock(told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUMMINGBOT_VALR_LOCK", told)
    lock = EngineLock.take(tmp_path)
    assert lock.descriptor != 0
    assert "HUMMINGBOT_VALR_LOCK" not in os.environ
    with pytest.raises(EngineRunsError, match=rf"\(pid {os.getpid()}\)"):
        EngineLock.take(tmp_path)
    lock.leave()


def test_where_nothing_can_be_locked_a_bot_starts_all_the_same(tmp_path: Path) -> None:
    loaded = (
        "import sys; sys.modules['fcntl'] = None; from pathlib import Path; from hummingbot_valr import engine_lock"
    )
    code = f"{loaded}; engine_lock.EngineLock.take(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60, check=True)


class TakenBySomebodyElse:
    """A process that holds the lock of a workspace."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace

    def __enter__(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", HOLD, str(self._workspace)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"held\n"
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


HOLD = """
import signal, sys
from pathlib import Path
from hummingbot_valr.engine_lock import EngineLock

lock = EngineLock.take(Path(sys.argv[1]))
print("held", flush=True)
signal.pause()
"""

LEFT = {"valr": ["one", "two"]}
STOPS = [
    ({}, False, "- live orders: none", "", 0),
    (LEFT, False, "- live orders: one two at valr", "Nothing proves yet that these orders are cancelled. Look at", 1),
    (None, False, "- live orders: not known", "The bot ended before it could say whether all its orders are", 1),
    (LEFT, True, "- live orders: not known", "The bot ended before it could say whether all its orders are", 1),
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(("left", "killed", "said", "complained", "code"), STOPS)
def test_stop_tells_which_orders_may_be_live(
    left: dict[str, list[str]] | None,
    killed: bool,
    said: str,
    complained: str,
    code: int,
    as_json: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = own_output()
    hbot.tell_live_orders(command, tmp_path)
    if left is not None:
        write_report(tmp_path, left)
    with pytest.raises(typer.Exit) if code else nullcontext() as end:
        command.emit({"stopped": True, "killed": killed}, "as Hummingbot has it", as_json)
    assert end is None or end.value.exit_code == code
    shown = capsys.readouterr()
    if as_json:
        assert json.loads(shown.out) == {"stopped": True, "killed": killed, "live_orders": None if killed else left}
    else:
        assert said in shown.out
    assert complained in shown.err
    assert bool(complained) == bool(shown.err)


@pytest.mark.parametrize(("code", "is_advised"), [("TIMEOUT", True), ("NOT_RUNNING", False)])
def test_a_stop_that_takes_long_says_what_to_do(
    code: str, is_advised: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = own_output()
    hbot.tell_live_orders(command, tmp_path)
    with pytest.raises(typer.Exit) as end:
        command.fail("the bot did not stop", output.ExitCode[code])
    assert end.value.exit_code == output.ExitCode[code]
    assert ("run `hbot stop --timeout 90`" in capsys.readouterr().err) == is_advised


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (None, "the bot is not running; it ended before it could say whether all its orders are cancelled. Look at"),
        ({}, "the bot is not running"),
        (LEFT, "nothing proved yet that these were cancelled: one two at valr. Look at your open orders"),
    ],
)
def test_a_bot_that_has_ended_meanwhile_tells_what_it_left(
    left: dict[str, list[str]] | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a `hbot stop` that gave up waiting."""
    if left is not None:
        write_report(tmp_path, left)
    command = own_output()
    hbot.tell_live_orders(command, tmp_path)
    with pytest.raises(typer.Exit):
        command.fail("the bot is not running", output.ExitCode.NOT_RUNNING)
    told = capsys.readouterr().err
    assert said in told
    assert (ADVICE in told) == (left != {})


def own_output() -> ModuleType:
    """A command module of Hummingbot's with its own functions for output, as far as `stop` has them."""
    module = ModuleType("stop")
    vars(module).update(emit=output.emit, fail=output.fail, render_kv=output.render_kv)
    return module


def test_an_engine_that_leaves_orders_says_so_and_fails(tmp_path: Path, environment: Environment) -> None:
    """As after Ctrl-C at a terminal, where nobody reads the report."""
    (tmp_path / "ends.py").write_text(
        f"from hummingbot_valr.shutdown import OrderlyStop\nOrderlyStop.left = {LEFT!r}\nraise SystemExit(0)"
    )
    ended = run_engine("ends", environment, tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Nothing proves yet that these orders are cancelled: one two at valr. Look at your")
    assert read_report(tmp_path) == LEFT


@pytest.mark.parametrize(("code", "report"), [(0, {}), (1, None)])
def test_the_engine_reports_only_a_stop_that_came_to_its_end(
    code: int, report: dict[str, list[str]] | None, tmp_path: Path, environment: Environment
) -> None:
    (tmp_path / "ends.py").write_text(f"raise SystemExit({code})")
    write_report(tmp_path, LEFT)
    assert run_engine("ends", environment, tmp_path).returncode == code
    assert read_report(tmp_path) == report


GOOD_LINES = "connector: valr_loopback\nvalr_loopback_api_key: aa\nvalr_loopback_api_secret: bb\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD_LINES + "order_entry: fax\n", "\n  order_entry: Input should be 'websocket' or 'rest'\n"),
        (GOOD_LINES + "cancel_on_disconect: true\n", "\n  cancel_on_disconect: Extra inputs are not permitted\n"),
        (GOOD_LINES + "metrics_port: 99999\n", "\n  metrics_port: Input should be less than or equal to 65535\n"),
        (GOOD_LINES + "valr_loopback_url: nowhere\n", "\n  valr_loopback_url: Value error, 'nowhere' is not an http"),
        ("connector: valr_loopback\nvalr_loopback_api_key: aa\n", "\n  valr_loopback_api_secret: Field required\n"),
        (GOOD_LINES + "order_entry: [\n", " is not YAML, see line 5. Correct it"),
        ("", " is empty, or not what `hbot connect valr_loopback` writes."),
    ],
)
def test_a_mistake_in_the_options_is_told_in_a_few_lines(text: str, said: str, tmp_path: Path) -> None:
    file = create_folders(tmp_path) / "conf" / "connectors" / "valr_loopback.yml"
    file.write_text(GOOD_LINES)
    check_connector_files(tmp_path)
    file.write_text(text)
    with pytest.raises(ConnectorFileError) as error:
        check_connector_files(tmp_path)
    assert str(error.value).startswith(str(file))
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) <= 3


@pytest.mark.parametrize("module", ["hbot start bot.yml", "client"])
def test_a_mistake_in_the_options_starts_nothing(module: str, tmp_path: Path, environment: Environment) -> None:
    file = create_folders(tmp_path) / "conf" / "connectors" / "valr_loopback.yml"
    file.write_text(GOOD_LINES + "order_entry: fax\n")
    (tmp_path / "conf" / "scripts" / "bot.yml").write_text("script_file_name: idle.py\n")
    failed = run_python("-m", *f"hummingbot_valr.{module}".split(), environment=environment, folder=tmp_path)
    assert failed.returncode == 1
    assert f"{file} has lines that the connector cannot use:\n  order_entry: Input" in failed.stderr
    assert "Traceback" not in failed.stderr


AN_ERROR_WITH_A_SECRET = """
import sys
from pathlib import Path

import typer

# As older releases of typer have it.
typer.Typer.__init__.__kwdefaults__["pretty_exceptions_show_locals"] = True


def fails():
    password = "hunter2 in clear"
    raise ArithmeticError(len(password))


from hummingbot_valr import hbot
from hummingbot_valr.command import app

if sys.argv[1] == "hbot":
    hbot.use_workspace(Path.cwd())
    from hummingbot.cli.main import app as hummingbot

    hbot.use_workspace = lambda path: path
    hummingbot.command("fails")(fails)
    hbot.main(["fails"])
else:
    app.command("fails")(fails)
    app(["fails"])
"""


@pytest.mark.parametrize("command", ["hbot", "hummingbot-valr"])
def test_an_error_shows_no_secret(command: str, tmp_path: Path, environment: Environment) -> None:
    failed = run_python("-c", AN_ERROR_WITH_A_SECRET, command, environment=environment, folder=tmp_path)
    assert failed.returncode == 1
    assert "ArithmeticError: 16" in failed.stderr
    assert "hunter2 in clear" not in failed.stderr.replace('password = "hunter2 in clear"', "")


@pytest.mark.parametrize("arguments", [["hbot", "status"], ["client"], ["workspace", "here"]])
def test_without_hummingbot_every_command_says_so(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "Hummingbot is not installed" in str(result.exception)


def test_the_engine_without_hummingbot_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["engine", str(tmp_path), "hummingbot.cli.engine"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="Hummingbot is not installed"):
        engine.main()


def test_the_command_prepares_a_workspace(tmp_path: Path, environment: Environment) -> None:
    command = ("-m", "hummingbot_valr.command", "workspace", str(tmp_path / "new"), "--quiet-offline")
    finished = run_python(*command, environment=environment, folder=tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "Prepared" in finished.stdout
    assert (tmp_path / "new" / "conf" / "conf_client.yml").exists()
