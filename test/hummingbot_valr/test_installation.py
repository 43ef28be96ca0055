"""Putting the connector into a Hummingbot and taking it away again, in small trees that are laid out as the real ones.

Their `settings` searches for connectors as Hummingbot's does; their connector is ours in name and file names only.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hummingbot_valr import command, installation, installation_files
from hummingbot_valr.command import app
from hummingbot_valr.installation import (
    Hummingbot,
    InstallationError,
    find_hummingbot,
    key_files,
    load_connector,
)
from hummingbot_valr.installation_files import RECORD, Kind, present_in, put, take_away
from hummingbot_valr.versions import NEWEST, OLDEST, VERSION
from test.hummingbot_valr.small_hummingbot import make_checkout, make_connector, make_environment


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_connector(tmp_path / "ours" / "hummingbot" / "connector" / "exchange" / "valr")


@pytest.fixture
def checkout(tmp_path: Path) -> Hummingbot:
    return find_hummingbot(make_checkout(tmp_path / "checkout"), Path(sys.executable))


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): os.readlink(path) if path.is_symlink() else path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() or path.is_symlink()
    }


def put_and_be_killed(hummingbot: Hummingbot, source: Path, steps: int, link: bool) -> None:
    """`put` in a process of its own that is killed after so many renamings; the check that it loads comes after two."""
    code = f"""
import os, signal
from pathlib import Path
from hummingbot_valr.installation import Hummingbot, Loaded
from hummingbot_valr.installation_files import put
left, rename = {steps}, Path.rename
def step(action):
    def counted(*arguments):
        global left
        left -= 1
        left < 0 and os.kill(os.getpid(), signal.SIGKILL)
        return action(*arguments)
    return counted
Path.rename, Path.touch = step(Path.rename), step(Path.touch)
hummingbot = Hummingbot(Path({str(hummingbot.root)!r}), Path("python"), True, "")
def load(hummingbot):
    {steps} == 2 and os.kill(os.getpid(), signal.SIGKILL)
    return Loaded("" if {steps} < 2 else "broken")
put(hummingbot, load, link={link}, source=Path({str(source)!r}))
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr


class TestFinding:
    def test_a_checkout_with_its_own_python(self, tmp_path: Path) -> None:
        root = make_checkout(tmp_path / "checkout", release="20260801")
        python = make_environment(root / ".venv") / "bin" / "python"
        found = find_hummingbot(root)
        assert found == Hummingbot(root, python, True, "20260801")
        assert found.connector == root / "hummingbot/connector/exchange/valr"

    @pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
    def test_a_checkout_is_run_by_the_active_environment(
        self, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            monkeypatch.delenv(name, raising=False)
        root = make_checkout(tmp_path / "checkout")
        assert find_hummingbot(root).python == Path(sys.executable)
        environment = make_environment(tmp_path / "active")
        monkeypatch.setenv(variable, str(environment))
        assert find_hummingbot(root).python == environment / "bin" / "python"

    @pytest.mark.parametrize("named", ["", "bin/python", "site-packages"])
    def test_an_environment_by_its_folder_its_python_or_its_packages(self, named: str, tmp_path: Path) -> None:
        environment = make_environment(tmp_path / "venv")
        (site,) = environment.glob("lib/*/site-packages")
        found = find_hummingbot(site if named == "site-packages" else environment / named)
        assert found == Hummingbot(site, environment / "bin" / "python", False, NEWEST)
        assert found.describe() == f"Hummingbot {NEWEST} (package in {site})"

    def test_without_a_place_it_is_the_interpreters_own(self) -> None:
        found = find_hummingbot()
        assert found.python == Path(sys.executable)
        assert found.root.name == "site-packages"
        assert OLDEST <= found.release <= NEWEST

    def test_without_one_of_its_own_it_is_the_current_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bare = tmp_path / "bare"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
        monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
        monkeypatch.setattr(sys, "prefix", str(bare))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InstallationError, match=r"not installed for .*bare.*Say where it is: --hummingbot DIR"):
            find_hummingbot()
        root = make_checkout(tmp_path / "checkout")
        monkeypatch.chdir(root)
        monkeypatch.delenv("VIRTUAL_ENV", raising=False)
        assert find_hummingbot().root == root

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda place: None, "does not exist"),
            (lambda place: place.mkdir(), "neither a source checkout .* nor an environment"),
            (lambda place: place.write_text("text"), "cannot be run as a Python"),
            (
                lambda place: subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True),
                "There is no Hummingbot in the environment of .*uv pip install",
            ),
        ],
        ids=["nothing", "an empty folder", "a text", "an empty environment"],
    )
    def test_what_is_no_hummingbot_is_refused(self, make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
        make(tmp_path / "place")
        with pytest.raises(InstallationError, match=said):
            find_hummingbot(tmp_path / "place")

    def test_a_package_of_that_name_without_connectors_is_refused(self, tmp_path: Path) -> None:
        environment = make_environment(tmp_path / "venv")
        (exchanges,) = environment.glob("lib/*/site-packages/hummingbot/connector")
        shutil.rmtree(exchanges)
        with pytest.raises(InstallationError, match="is not Hummingbot: it has no connectors"):
            find_hummingbot(environment)

    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ("""echo 'answer:[[3, 11], "/x/hummingbot/__init__.py"]'""", r"is Python 3\.11; .* needs 3\.12 or newer"),
            ("""echo 'answer:[[3, 12], "/elsewhere/hummingbot/__init__.py"]'""", "finds Hummingbot in /elsewhere"),
            ("echo 'No module named encodings' >&2; exit 1", "does: No module named encodings"),
            ("exit 3", "does: exit code 3"),
        ],
        ids=["too old", "another Hummingbot", "broken", "silent"],
    )
    def test_a_python_that_will_not_do_is_refused(self, script: str, said: str, tmp_path: Path) -> None:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        with pytest.raises(InstallationError, match=said):
            find_hummingbot(make_checkout(tmp_path / "checkout"), python)


class TestLoading:
    def test_a_connector_that_is_in_place_loads(self, checkout: Hummingbot) -> None:
        make_connector(checkout.connector)
        loaded = load_connector(checkout)
        assert loaded.problem == ""
        assert loaded.file == checkout.connector / "valr_exchange.py"
        assert checkout.root in loaded.path

    @pytest.mark.parametrize(
        ("file", "text", "said"),
        [
            ("valr_utils.py", "import not_there", "ModuleNotFoundError: No module named 'not_there'"),
            ("valr_exchange.py", "from hummingbot import not_there", "ImportError: cannot import name 'not_there'"),
            ("valr_utils.py", "OTHER_DOMAINS = []", "Hummingbot does not list valr_loopback"),
            ("valr_utils.py", "import os; os._exit(4)", "exit code 4"),
        ],
    )
    def test_what_goes_wrong_is_named(self, file: str, text: str, said: str, checkout: Hummingbot) -> None:
        (make_connector(checkout.connector) / file).write_text(text)
        assert said in load_connector(checkout).problem

    def test_one_that_never_ends_is_given_up(
        self, checkout: Hummingbot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\nexec sleep 600\n")
        python.chmod(0o755)
        monkeypatch.setattr(installation, "LOAD_DEADLINE", 0.2)
        loaded = load_connector(Hummingbot(checkout.root, python, True, NEWEST))
        assert loaded.problem == f"{python} did not answer within 0.2 s."

    def test_another_hummingbot_that_comes_first_is_named(self, checkout: Hummingbot, tmp_path: Path) -> None:
        other = make_checkout(tmp_path / "other")
        make_connector(other / "hummingbot/connector/exchange/valr")
        make_connector(checkout.connector)
        code = f"import sys; sys.path[0] = {str(other)!r}; exec(sys.argv[1])"
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$2"\n')
        python.chmod(0o755)
        problem = load_connector(Hummingbot(checkout.root, python, True, NEWEST)).problem
        assert f"takes the connector from {other}/hummingbot" in problem


class TestPutting:
    @pytest.mark.parametrize("link", [False, True])
    def test_it_comes_goes_and_leaves_nothing(self, link: bool, checkout: Hummingbot, source: Path) -> None:
        before = tree(checkout.root)
        assert put(checkout, load_connector, link=link, source=source).kind is Kind.NOTHING
        now = present_in(checkout, source)
        assert (now.kind, now.version) == (Kind.LINK if link else Kind.COPY, VERSION)
        assert now.is_ours_now
        installed = tree(checkout.root)
        assert put(checkout, load_connector, link=link, source=source) == now, "done again, nothing changes"
        assert tree(checkout.root) == installed
        assert take_away(checkout, source=source) == now
        assert tree(checkout.root) == before
        assert take_away(checkout, source=source).kind is Kind.NOTHING
        assert source.exists()

    def test_the_record_names_the_version_and_every_file(self, checkout: Hummingbot, source: Path) -> None:
        (source / "__pycache__").mkdir()
        (source / "__pycache__" / "x.pyc").touch()
        put(checkout, load_connector, source=source)
        record = json.loads((checkout.connector / RECORD).read_text())
        assert record["version"] == VERSION
        assert set(record["files"]) == {path.name for path in source.glob("*.py")}
        assert not (checkout.connector / "__pycache__").exists()

    @pytest.mark.parametrize("link_first", [False, True])
    def test_a_link_and_a_copy_replace_each_other(self, link_first: bool, checkout: Hummingbot, source: Path) -> None:
        put(checkout, load_connector, link=link_first, source=source)
        put(checkout, load_connector, link=not link_first, source=source)
        assert checkout.connector.is_symlink() is not link_first

    def test_an_older_copy_is_replaced_as_a_whole(self, checkout: Hummingbot, source: Path, tmp_path: Path) -> None:
        older = make_connector(tmp_path / "older", "0.0.9")
        (older / "valr_given_up.py").touch()
        put(checkout, load_connector, source=older)
        assert put(checkout, load_connector, source=source).describe() == "a copy, version 0.0.9"
        assert present_in(checkout, source).version == VERSION
        assert not (checkout.connector / "valr_given_up.py").exists()

    def test_a_newer_copy_is_kept_unless_forced(self, checkout: Hummingbot, source: Path, tmp_path: Path) -> None:
        put(checkout, load_connector, source=make_connector(tmp_path / "newer", "99.0.0"))
        with pytest.raises(InstallationError, match=r"has version 99\.0\.0, and this is the older"):
            put(checkout, load_connector, source=source)
        put(checkout, load_connector, source=source, force=True)
        assert present_in(checkout, source).version == VERSION

    @pytest.mark.parametrize("change", ["valr_utils.py", "added.py"])
    def test_what_a_user_changed_is_given_up_only_when_told(
        self, change: str, checkout: Hummingbot, source: Path
    ) -> None:
        put(checkout, load_connector, source=source)
        with (checkout.connector / change).open("a") as file:
            file.write("# mine\n")
        assert present_in(checkout, source).altered == (change,)
        for attempt in (lambda: put(checkout, load_connector, source=source), lambda: take_away(checkout)):
            with pytest.raises(InstallationError, match=f"not as this command put them .{change}"):
                attempt()
        put(checkout, load_connector, source=source, force=True)
        assert present_in(checkout, source).altered == ()

    def test_a_foreign_connector_is_never_touched(self, checkout: Hummingbot, source: Path, tmp_path: Path) -> None:
        other = tmp_path / "foreign"
        other.mkdir()
        (other / "valr_utils.py").touch()
        for make in (lambda: shutil.copytree(other, checkout.connector), lambda: checkout.connector.symlink_to(other)):
            make()
            before = tree(checkout.root)
            assert present_in(checkout, source).kind is Kind.FOREIGN
            for attempt in (
                lambda: put(checkout, load_connector, source=source, force=True),
                lambda: take_away(checkout, force=True),
            ):
                with pytest.raises(InstallationError, match="called valr that is not ours"):
                    attempt()
            assert tree(checkout.root) == before
            shutil.rmtree(checkout.connector, ignore_errors=True)

    @pytest.mark.parametrize("record", [None, "{}", '{"files": []}', "no json"])
    def test_a_copy_made_by_hand_needs_force(self, record: str | None, checkout: Hummingbot, source: Path) -> None:
        make_connector(checkout.connector)
        if record is not None:
            (checkout.connector / RECORD).write_text(record)
        with pytest.raises(InstallationError, match="a copy that this command did not make; --force"):
            put(checkout, load_connector, source=source)
        put(checkout, load_connector, source=source, force=True)
        assert present_in(checkout, source).kind is Kind.COPY

    def test_a_link_to_nowhere_is_replaced(self, checkout: Hummingbot, source: Path, tmp_path: Path) -> None:
        checkout.connector.symlink_to(tmp_path / "gone")
        assert put(checkout, load_connector, source=source).describe() == "a link"
        assert present_in(checkout, source).is_ours_now

    def test_what_belongs_to_a_package_is_left_to_its_manager(self, checkout: Hummingbot, source: Path) -> None:
        make_connector(checkout.connector, "0.0.1")
        metadata = checkout.root / "hummingbot_valr-0.0.1.dist-info"
        metadata.mkdir()
        (metadata / "RECORD").write_text("hummingbot/connector/exchange/valr/__init__.py,,\n")
        with pytest.raises(InstallationError, match=r"package hummingbot-valr 0.0.1: use 'uv pip install --upgrade"):
            put(checkout, load_connector, source=source)
        with pytest.raises(InstallationError, match="use 'uv pip uninstall"):
            take_away(checkout, source=source, force=True)

    def test_what_is_the_source_itself_is_there_already(self, checkout: Hummingbot) -> None:
        own = make_connector(checkout.connector)
        present = put(checkout, load_connector, source=own)
        assert (present.kind, present.is_ours_now) == (Kind.PACKAGE, True)

    @pytest.mark.parametrize("link", [False, True])
    @pytest.mark.parametrize("has_old", [False, True])
    def test_if_it_does_not_load_all_is_as_before(
        self, link: bool, has_old: bool, checkout: Hummingbot, source: Path, tmp_path: Path
    ) -> None:
        if has_old:
            put(checkout, load_connector, source=make_connector(tmp_path / "older", "0.0.9"))
        before = tree(checkout.root)
        (source / "valr_exchange.py").write_text("import not_there\n")
        with pytest.raises(InstallationError, match=r"does not load the connector: .*'not_there'.*left as it was"):
            put(checkout, load_connector, link=link, source=source)
        assert tree(checkout.root) == before

    def test_an_interruption_leaves_all_as_before(self, checkout: Hummingbot, source: Path) -> None:
        before = tree(checkout.root)

        def interrupted(hummingbot: Hummingbot) -> installation_files.Loaded:
            assert hummingbot.connector.exists()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            put(checkout, interrupted, source=source)
        assert tree(checkout.root) == before

    @pytest.mark.parametrize("link", [False, True])
    # With an older one there is a step more, to put it back.
    @pytest.mark.parametrize(
        ("steps", "has_old"), [*((steps, False) for steps in range(3)), *((steps, True) for steps in range(4))]
    )
    def test_what_a_killed_run_left_is_taken_back(
        self, steps: int, has_old: bool, link: bool, checkout: Hummingbot, source: Path, tmp_path: Path
    ) -> None:
        bare = tree(checkout.root)
        if has_old:
            put(checkout, load_connector, source=make_connector(tmp_path / "older", "0.0.9"))
        before, before_it = tree(checkout.root), present_in(checkout, source)
        (source / "valr_new.py").touch()
        put_and_be_killed(checkout, source, steps, link)
        assert installation_files.is_unfinished(checkout)
        # What does not load proves that the older one is back.
        with pytest.raises(InstallationError, match="does not load"):
            put(checkout, lambda hummingbot: installation_files.Loaded("broken"), source=source, link=link)
        assert tree(checkout.root) == before

        put_and_be_killed(checkout, source, steps, link)
        assert put(checkout, load_connector, link=link, source=source) == before_it
        assert present_in(checkout, source).is_ours_now
        assert not installation_files.is_unfinished(checkout)
        take_away(checkout, source=source)
        assert tree(checkout.root) == bare

        if has_old:
            put(checkout, load_connector, source=tmp_path / "older")
        put_and_be_killed(checkout, source, steps, link)
        assert take_away(checkout, source=source) == before_it
        assert tree(checkout.root) == bare
        assert not installation_files.is_unfinished(checkout)

    @pytest.mark.parametrize("file", ["valr_mine.py", RECORD])
    def test_what_somebody_put_there_after_a_kill_is_theirs(
        self, file: str, checkout: Hummingbot, source: Path
    ) -> None:
        put_and_be_killed(checkout, source, 2, False)
        (checkout.connector / file).write_text("{}")
        with pytest.raises(InstallationError, match="--force"):
            put(checkout, load_connector, source=source)
        assert (checkout.connector / file).exists()

    def test_what_a_killed_run_had_only_to_delete_is_deleted(self, checkout: Hummingbot, source: Path) -> None:
        put(checkout, load_connector, source=source)
        half = checkout.connector.parent / "_valr-aside-killed"
        for name in ("taken", "replaced"):
            make_connector(half / name, "0.0.9")
        present = present_in(checkout, source)
        assert put(checkout, load_connector, source=source) == present
        assert not half.exists()

    def test_two_at_once_do_not_undo_each_other(self, checkout: Hummingbot, source: Path) -> None:
        def load(hummingbot: Hummingbot) -> installation_files.Loaded:
            for attempt in (lambda: put(checkout, load_connector, source=source), lambda: take_away(checkout)):
                with pytest.raises(InstallationError, match="Another hummingbot-valr is at work in"):
                    attempt()
            return load_connector(hummingbot)

        put(checkout, load, source=source)
        assert present_in(checkout, source).is_ours_now

    def test_without_permission_it_says_so(
        self, checkout: Hummingbot, source: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(checkout, load_connector, source=source)

        def denied(*arguments: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied")

        # The tests may run as root, whom no mode of a folder keeps out.
        monkeypatch.setattr("tempfile.mkdtemp", denied)
        with pytest.raises(InstallationError, match=r"cannot be written: Permission denied\. Run this as the user"):
            put(checkout, load_connector, source=source, link=True)
        with pytest.raises(InstallationError, match="cannot be taken away: Permission denied"):
            take_away(checkout, source=source)
        assert present_in(checkout, source).is_ours_now


class TestKeyFiles:
    def test_those_of_hummingbot_and_of_the_workspace_are_found_once(
        self, checkout: Hummingbot, tmp_path: Path
    ) -> None:
        for place in (checkout.root, tmp_path):
            (place / "conf" / "connectors").mkdir(parents=True)
            (place / "conf" / "connectors" / "binance.yml").touch()
        ours = [checkout.root / "conf/connectors/valr.yml", tmp_path / "conf/connectors/valr_loopback.yml"]
        for file in ours:
            file.touch()
        assert key_files(checkout, tmp_path, checkout.root) == ours


@pytest.fixture
def run(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """Runs the command with the small connector as its own, in a directory of the test: exit code and output."""
    monkeypatch.setattr(command, "put", lambda *arguments, **options: put(*arguments, **options, source=source))
    monkeypatch.setattr(command, "present_in", lambda hummingbot: present_in(hummingbot, source))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, result.output

    return run


class TestCommand:
    def test_a_users_way_in_and_out(self, run: Callable[..., tuple[int, str]], tmp_path: Path, source: Path) -> None:
        root = make_checkout(tmp_path / "checkout")
        where = ("--hummingbot", str(root), "--python", sys.executable)
        code, said = run("upgrade", *where)
        assert (code, "is not installed in Hummingbot" in said) == (2, True)
        code, said = run("install", *where)
        assert code == 0
        assert f"Installed a copy, version {VERSION}, in Hummingbot {NEWEST} (checkout in {root}); it loads." in said
        assert "Not installed there, but run from here" in said
        assert run("install", *where)[1].startswith(f"Already there: a copy, version {VERSION}")
        assert run("upgrade", *where)[1].startswith("Already there")

        (source / "valr_utils.py").write_text("OTHER_DOMAINS = ['valr_loopback', 'new']\n")
        (root / "hummingbot/connector/exchange/valr/valr_versions.py").write_text('VERSION = "0.0.1"\n')
        assert run("upgrade", *where)[0] == 2, "changed by somebody"
        code, said = run("upgrade", *where, "--force")
        assert f"Replaced a copy, version 0.0.1, by a copy, version {VERSION}" in said

        keys = tmp_path / "conf" / "connectors" / "valr.yml"
        keys.parent.mkdir(parents=True)
        keys.touch()
        code, said = run("uninstall", *where)
        assert code == 1
        assert f"Taken away: a copy, version {VERSION}" in said
        assert "login breaks on these keys" in said
        assert str(keys) in said
        assert keys.exists()
        settings = tmp_path / "conf" / "conf_client.yml"
        settings.write_text("tick_size: 1.0\nrate_oracle_source:\n  name: valr\nglobal_token:\n  name: x\n")
        code, said = run("uninstall", *where, "--remove-keys")
        assert code == 1
        assert "The connector is not installed in" in said
        assert f"Deleted {keys}" in said
        assert not keys.exists()
        assert f"does not start with these settings, which name VALR as the source of rates:\n  {settings}\n" in said
        settings.write_text("rate_oracle_source:\n  name: gate_io\nother:\n  name: valr\n")
        assert run("uninstall", *where)[0] == 0

    @pytest.mark.parametrize("arguments", [("install",), ("upgrade",), ("uninstall",)])
    def test_what_is_refused_ends_with_2_and_a_sentence(
        self, arguments: tuple[str, ...], run: Callable[..., tuple[int, str]], tmp_path: Path
    ) -> None:
        assert run(*arguments, "--hummingbot", str(tmp_path / "nowhere")) == (
            2,
            f"{tmp_path}/nowhere does not exist.\n",
        )
        root = make_checkout(tmp_path / "checkout")
        (root / "hummingbot/connector/exchange/valr").mkdir()
        code, said = run(*arguments, "--hummingbot", str(root), "--python", sys.executable)
        assert (code, "not ours" in said) == (2, True)

    @pytest.mark.parametrize(("release", "said"), [("20991231", "newer than"), ("20200101", "older than")])
    def test_an_untested_release_is_a_warning(
        self, release: str, said: str, run: Callable[..., tuple[int, str]], tmp_path: Path
    ) -> None:
        root = make_checkout(tmp_path / "checkout", release)
        code, printed = run("install", "--hummingbot", str(root), "--python", sys.executable)
        assert code == 0
        assert f"Hummingbot {release} is {said} what this VALR connector is tested with" in printed
        assert "it loads" in printed

    def test_the_version_is_shown_with_the_tested_range(self, run: Callable[..., tuple[int, str]]) -> None:
        code, said = run("--version")
        assert code == 0
        assert said.startswith(f"hummingbot-valr {VERSION}, tested with Hummingbot ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_all_as_before(number: signal.Signals, tmp_path: Path) -> None:
    root, loading = make_checkout(tmp_path / "checkout"), tmp_path / "loading"
    settings = f"import pathlib, time\npathlib.Path({str(loading)!r}).touch()\ntime.sleep(600)\n"
    (root / "hummingbot" / "client" / "settings.py").write_text(settings)
    before = tree(root)
    command = [sys.executable, "-m", "hummingbot_valr.command", "install"]
    command += ["--hummingbot", str(root), "--python", sys.executable]
    # What runs the tests may have it ignored, as nohup has.
    heed = lambda: signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)  # noqa: E731
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=heed) as process:
        try:
            deadline = time.monotonic() + 60
            while not loading.exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert (root / "hummingbot/connector/exchange/valr").exists()
            process.send_signal(number)
            assert process.wait(60) in (128 + number, 1)
        finally:
            process.kill()
    assert tree(root) == before


def without_ours(folder: str, names: list[str]) -> list[str]:
    return ["__pycache__", *(name for name in names if Path(folder, name).is_symlink())]


def link_or_copy(original: str, target: str) -> None:
    try:
        os.link(original, target)
    except OSError:  # another file system
        shutil.copy2(original, target)


def test_the_real_connector_in_the_real_hummingbot(tmp_path: Path, offline_environment: dict[str, str]) -> None:
    """Takes seconds: Hummingbot is started for each step. It is laid out as a checkout that shares our packages."""
    root = tmp_path / "checkout"
    package = find_hummingbot().root / "hummingbot"
    shutil.copytree(package, root / "hummingbot", ignore=without_ours, copy_function=link_or_copy)
    (root / "setup.py").write_text(f'    version = "{NEWEST}"\n')
    files = {path.relative_to(root) for path in root.rglob("*")}

    def run(name: str, *options: str) -> "subprocess.CompletedProcess[str]":
        where = ["--hummingbot", str(root), "--python", sys.executable]
        return subprocess.run(
            [sys.executable, "-m", "hummingbot_valr.command", name, *where, *options],
            env=offline_environment | {"COLUMNS": "1000", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    installed = run("install")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    assert (
        f"Installed a copy, version {VERSION}, in Hummingbot {NEWEST} (checkout in {root}); it loads"
        in installed.stdout
    )

    # The doctor moves into that Hummingbot: the checks are made there, where no exchange is reached.
    examined = json.loads(run("doctor", "--json", "--timeout", "2").stdout)
    checks = {check["name"]: check for check in examined["checks"]}
    assert str(root) in checks["Hummingbot"]["found"]
    assert checks["Connector"] == {
        "name": "Connector",
        "status": "ok",
        "found": f"a copy, version {VERSION}",
        "to_do": "",
    }
    assert checks["Hooks"]["status"] == "ok"
    assert checks["REST"]["status"] == "error"
    assert "Is this machine online" in checks["REST"]["to_do"]

    assert run("uninstall").returncode == 0
    assert {path.relative_to(root) for path in root.rglob("*")} == files
