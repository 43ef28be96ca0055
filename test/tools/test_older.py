"""The run on an older Hummingbot, with stubs for the programs: what is installed, and when it is installed again."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# Answers what the script asks of a Python, and notes each use of uv; the environment it makes gets a stub, too.
STUB = """#!/bin/sh
case "$*" in
*OLDEST*) echo 20260729 ;;
*_base_executable*) echo /base/python ;;
*purelib*) echo "{site}" ;;
"-m uv venv"*) mkdir -p "{environment}/bin"; cp "$0" "{environment}/bin/python"; echo "$*" >>"{log}" ;;
"-m uv pip compile"*) [ ! -e "{checkout}/unresolvable" ]; exit ;;
"-m uv "*) echo "$*" >>"{log}" ;;
*) echo "ran: $*" ;;
esac
"""


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "check out"
        self.built = self.folder / "build" / "hummingbot-20260729"
        self.site = folder / "site"
        self.log = folder / "log"
        (self.folder / "tools").mkdir(parents=True)
        shutil.copy(ROOT / "tools" / "test-older.sh", self.folder / "tools")
        (self.folder / "requirements.in").write_text("hummingbot==20260922\npytest\n")
        (self.folder / "requirements-override.in").write_text("coincurve==20.0.0\n")
        for name in ("requirements.lock", "requirements-build.lock"):
            text = "hummingbot==20260922 \\\n    --hash=sha256:0\nlighter-sdk==1.1.2 \\\n    --hash=sha256:1\n"
            (self.folder / name).write_text(text)
        (self.site / "hummingbot" / "connector" / "exchange").mkdir(parents=True)

    def install(self) -> None:
        python = self.folder / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        places = {"site": self.site, "environment": self.built / ".venv", "log": self.log, "checkout": self.folder}
        python.write_text(STUB.format(**places))
        python.chmod(0o755)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [self.folder / "tools" / "test-older.sh", *arguments]
        environment = {"PATH": "/usr/bin:/bin"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_without_an_environment_it_says_what_to_do(checkout: Checkout) -> None:
    finished = checkout.run()
    assert finished.returncode == 1
    assert "run 'make install' first" in finished.stderr


def test_the_older_release_is_built_once_beside_the_pinned_packages(checkout: Checkout) -> None:
    checkout.install()
    finished = checkout.run("-x", "test/some.py")
    assert finished.returncode == 0, finished.stderr
    assert "Hummingbot 20260729: pytest -x test/some.py" in finished.stdout
    assert finished.stdout.endswith("ran: -m pytest -q -p no:cacheprovider -x test/some.py\n")
    assert (checkout.built / "requirements.in").read_text() == "hummingbot==20260729\npytest\n"
    assert (checkout.built / "constraints.txt").read_text() == "lighter-sdk==1.1.2\n"
    assert "lighter-sdk==1.1.2" in (checkout.built / "override.in").read_text()
    link = checkout.site / "hummingbot" / "connector" / "exchange" / "valr"
    assert link.readlink() == checkout.folder / "hummingbot" / "connector" / "exchange" / "valr"

    uses = checkout.log.read_text()
    assert "pip sync" in uses
    checkout.run()
    assert checkout.log.read_text() == uses, "built once"
    (checkout.folder / "requirements.lock").write_text("lighter-sdk==1.1.3\n")
    checkout.run()
    assert checkout.log.read_text() == uses * 2, "another lock, another environment"


def test_what_cannot_be_resolved_is_no_environment(checkout: Checkout) -> None:
    checkout.install()
    (checkout.folder / "unresolvable").touch()
    finished = checkout.run()
    assert finished.returncode == 1
    assert "dependencies of Hummingbot 20260729 could not be resolved" in finished.stderr
    assert not (checkout.built / ".installed").exists()
