"""The search for a Python and the installation, on machines that lack something: stubs stand for the programs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# What the two scripts call of the system.
SYSTEM_COMMANDS = ("cat", "chmod", "cksum", "dirname", "ln", "ls", "mkdir", "mv", "rm", "sed")

LAUNCHERS = {
    "hbot": "hummingbot_valr.hbot",
    "hummingbot": "hummingbot_valr.client",
    "hummingbot-client": "hummingbot_valr.client",
    "hummingbot-valr": "hummingbot_valr.command",
}


class Machine:
    """A PATH, a home and a checkout of their own."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.home = folder / "home"
        self.checkout = folder / "it's a checkout"
        self.bin.mkdir()
        self.home.mkdir()
        (self.checkout / "tools").mkdir(parents=True)
        for script in ("find-python.sh", "install.sh"):
            shutil.copy(ROOT / "tools" / script, self.checkout / "tools")
        (self.checkout / "requirements.lock").write_text("uv==1.2.3 \\\n    --hash=sha256:0\n")
        (self.checkout / "requirements-build.lock").write_text("cython==3.2.1\n")
        for command in SYSTEM_COMMANDS:
            (self.bin / command).symlink_to(str(shutil.which(command)))

    def put(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def put_python(self, name: str, version: str, lacking: str = "nothing") -> Path:
        return self.put(name, f'echo "{version} {lacking} $0"')

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", self.checkout / "tools" / script],
            env={"PATH": str(self.bin), "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def found_python(self) -> str:
        finished = self.run("find-python.sh")
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.strip()

    def refusal(self, script: str) -> str:
        finished = self.run(script)
        assert finished.returncode != 0, finished.stdout
        return finished.stderr.splitlines()[-1]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class TestFindPython:
    def test_a_real_interpreter_is_found_and_leads_out_of_its_virtual_environment(self, machine: Machine) -> None:
        (machine.bin / "python3").symlink_to(sys.executable)
        found = subprocess.run([machine.found_python(), "-c", "import sys; print(sys.version_info[:2])"], check=True)
        assert found.returncode == 0
        assert Path(machine.found_python()).parent != Path(sys.executable).parent

    def test_3_12_is_preferred_to_3_13_wherever_they_are(self, machine: Machine) -> None:
        machine.put_python("python3.13", "3.13")
        newer = machine.found_python()
        older = machine.put_python("python", "3.12")
        assert newer.endswith("python3.13")
        assert machine.found_python() == str(older)

    def test_a_shim_that_starts_nothing_is_passed_over_for_what_pyenv_has(self, machine: Machine) -> None:
        machine.put("python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
        machine.put_python("python3", "3.11")
        versions = machine.home / ".pyenv" / "versions"
        real = machine.put_python(f"{versions}/3.12.1/bin/python3", "3.12")
        assert machine.found_python() == str(real)

    def test_a_name_says_nothing_about_the_version(self, machine: Machine) -> None:
        machine.put_python("python3.12", "3.14")
        assert machine.refusal("find-python.sh").startswith("No Python 3.12 or 3.13 found")

    def test_without_any_the_sentence_says_what_to_install(self, machine: Machine) -> None:
        sentence = machine.refusal("find-python.sh")
        assert sentence.startswith(f"No Python 3.12 or 3.13 found on PATH or in {machine.home}/.pyenv/versions")
        assert "pyenv install 3.12" in sentence

    def test_a_python_in_parts_is_named_with_what_it_lacks(self, machine: Machine) -> None:
        python = machine.put_python("python3.12", "3.12", lacking="venv+headers")
        sentence = machine.refusal("find-python.sh")
        assert str(python) in sentence
        assert "install python3.12-venv and python3.12-dev" in sentence


# Makes .venv/bin/python a stub that imports everything, and installs nothing.
STUB_UV = """
case "$1 $2" in
"--version ") echo "uv 1.2.3" ;;
"venv "*)
    for last in "$@"; do :; done
    mkdir -p "$last/bin" "$last/lib/site-packages/hummingbot/connector/exchange"
    printf '#!/bin/sh\\ncase "$2" in *sysconfig*) echo "%s/lib/site-packages" ;; esac\\n' "$last" >"$last/bin/python"
    chmod 755 "$last/bin/python" ;;
"pip sync") {sync} ;;
*) exit 1 ;;
esac
"""


class TestInstall:
    @pytest.fixture
    def complete(self, machine: Machine) -> Machine:
        machine.put_python("python3.12", "3.12")
        machine.put("uv", STUB_UV.replace("{sync}", "echo synced"))
        machine.put("c++", "")
        machine.put("cc", "")
        return machine

    @pytest.mark.parametrize(("compiler", "sentence"), [("c++", "no C++ compiler"), ("cc", "no C compiler")])
    def test_without_a_compiler_nothing_is_begun(self, complete: Machine, compiler: str, sentence: str) -> None:
        (complete.bin / compiler).unlink()
        assert sentence in complete.refusal("install.sh")
        assert not (complete.checkout / ".venv").exists()

    def test_without_python_and_uv_the_sentence_is_that_of_the_search(self, complete: Machine) -> None:
        (complete.bin / "python3.12").unlink()
        (complete.bin / "uv").unlink()
        assert complete.refusal("install.sh").startswith("make install: No Python 3.12 or 3.13 found")

    def test_uv_that_has_no_python_either_leads_to_the_same_sentence(self, complete: Machine) -> None:
        (complete.bin / "python3.12").unlink()
        assert complete.refusal("install.sh").startswith("make install: No Python 3.12 or 3.13 found")

    def test_the_launchers_are_there_and_the_second_run_does_nothing(self, complete: Machine) -> None:
        first, second = complete.run("install.sh"), complete.run("install.sh")
        assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
        assert "synced" in first.stdout
        assert second.stdout == ""
        venv = complete.checkout / ".venv"
        for name, module in LAUNCHERS.items():
            launcher = venv / "bin" / name
            assert os.access(launcher, os.X_OK)
            assert launcher.read_text().endswith(f' -m {module} "$@"\n')
            subprocess.run([launcher, "--help"], check=True)
        linked = venv / "lib" / "site-packages" / "hummingbot" / "connector" / "exchange" / "valr"
        assert os.readlink(linked) == str(complete.checkout / "hummingbot" / "connector" / "exchange" / "valr")

    def test_another_lock_is_installed_again(self, complete: Machine) -> None:
        complete.run("install.sh")
        (complete.checkout / "requirements.lock").write_text("uv==1.2.4\n")
        assert "synced" in complete.run("install.sh").stdout

    def test_a_moved_checkout_is_made_anew(self, complete: Machine) -> None:
        complete.run("install.sh")
        complete.checkout = complete.checkout.rename(complete.checkout.with_name("moved"))
        assert "Making .venv" in complete.run("install.sh").stdout
        assert str(complete.checkout) in (complete.checkout / ".venv" / "bin" / "hbot").read_text()

    def test_a_failed_installation_is_not_taken_for_done(self, complete: Machine) -> None:
        complete.put("uv", STUB_UV.replace("{sync}", "echo 'no route to the index' >&2; exit 2"))
        finished = complete.run("install.sh")
        assert finished.returncode != 0
        assert "no route to the index" in finished.stderr
        assert finished.stderr.splitlines()[-1].startswith("make install: the packages of requirements.lock could not")
        assert not (complete.checkout / ".venv" / ".installed").exists()
        complete.put("uv", STUB_UV.replace("{sync}", "echo synced"))
        assert "synced" in complete.run("install.sh").stdout

    def test_a_copy_from_a_wheel_is_not_overwritten(self, complete: Machine) -> None:
        complete.run("install.sh")
        linked = complete.checkout / ".venv" / "lib" / "site-packages" / "valr_loopback"
        linked.unlink()
        linked.mkdir()
        sentence = complete.refusal("install.sh")
        assert str(linked) in sentence
        assert "uninstall hummingbot-valr" in sentence
