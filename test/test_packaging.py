"""The wheel: exactly our files, installed into an environment that has Hummingbot, and gone again without a trace."""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("hummingbot/connector/exchange/valr", "hummingbot_valr", "valr_loopback")
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
UV = [sys.executable, "-m", "uv"]


def run(*command: str | Path, cwd: Path | None = None) -> str:
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def our_files() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of what the build reads: a build leaves folders behind."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, source)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("dist")
    # Without isolation the build takes setuptools from the lock and needs no network.
    run(*UV, "build", "--wheel", "--no-build-isolation", "--offline", "--python", sys.executable, "-o", out, source)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with a copy of Hummingbot; what Hummingbot needs is linked, our own links are left out."""
    venv = tmp_path_factory.mktemp("environment") / "venv"
    run(*UV, "venv", "--offline", "--python", sys.executable, venv)
    site = venv / SITE_PACKAGES.relative_to(sys.prefix)
    ours = {"hummingbot", "hummingbot_valr", "valr_loopback"}
    for entry in SITE_PACKAGES.iterdir():
        if entry.name not in ours and entry.suffix != ".pth" and not (site / entry.name).exists():
            (site / entry.name).symlink_to(entry)

    def without_us(folder: str, names: list[str]) -> list[str]:
        return ["__pycache__", *(name for name in names if Path(folder, name).is_symlink())]

    shutil.copytree(SITE_PACKAGES / "hummingbot", site / "hummingbot", ignore=without_us, copy_function=link_or_copy)
    return venv


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


def tree(root: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(root)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in root.rglob("*")
        if not path.is_dir() or path.is_symlink() or path.name == "valr"
    }


def test_the_wheel_holds_our_files_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    metadata = {name for name in names if ".dist-info/" in name}
    assert names - metadata == our_files()
    assert {Path(name).name for name in metadata} >= {"METADATA", "RECORD", "WHEEL", "entry_points.txt"}
    assert not {"hummingbot/__init__.py", "hummingbot/connector/__init__.py"} & names
    assert wheel.name.endswith("-py3-none-any.whl")


def test_hummingbot_is_an_extra_and_no_requirement(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    required = [line for line in lines if line.startswith("Requires-Dist:")]
    assert any(line.startswith("Requires-Dist: hummingbot==") for line in required)
    assert [line for line in required if "extra ==" not in line] == []
    assert "Requires-Python: >=3.12" in lines


@pytest.mark.parametrize(
    ("package", "declared"),
    [
        # What every environment with Hummingbot has anyway; prometheus_client only for the option metrics_port.
        (
            "hummingbot/connector/exchange/valr",
            {"aiohttp", "bidict", "hummingbot", "numpy", "pandas", "prometheus_client", "pydantic", "yarl"},
        ),
        # The same; prompt_toolkit and pyperclip are what the interactive client is made of, and Hummingbot reads its
        # files with yaml and pydantic, whose errors are told here.
        (
            "hummingbot_valr",
            {
                "aiohttp",
                "hummingbot",
                "prompt_toolkit",
                "psutil",
                "pydantic",
                "pyperclip",
                "rich",
                "ruamel",
                "typer",
                "valr_loopback",
                "yaml",
            },
        ),
        # setup.py's extra `loopback`; yarl comes with aiohttp.
        ("valr_loopback", {"aiohttp", "orjson", "pydantic", "rich", "sortedcontainers", "typer", "yaml", "yarl"}),
    ],
)
def test_nothing_undeclared_is_imported(package: str, declared: set[str]) -> None:
    imported = {
        name.split(".")[0]
        for path in (ROOT / package).rglob("*.py")
        for node in needed_nodes(ast.parse(path.read_text()))
        for name in names_imported_by(node)
    }
    own = {package.split("/")[0]}
    assert imported - sys.stdlib_module_names - own <= declared


def needed_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Walk a module, leaving out the bodies of what goes on without a library: `try: ... except ImportError`."""
    yield node
    bears_absence = isinstance(node, ast.Try) and any(
        isinstance(each.type, ast.Name) and each.type.id == "ImportError" for each in node.handlers
    )
    for child in ast.iter_child_nodes(node):
        if not (bears_absence and child in node.body):
            yield from needed_nodes(child)


def names_imported_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []


def test_the_wheel_comes_and_goes(wheel: Path, environment: Path, offline_environment: dict[str, str]) -> None:
    python = environment / "bin" / "python"
    site = environment / SITE_PACKAGES.relative_to(sys.prefix)
    before = tree(site / "hummingbot")
    assert "connector/exchange/valr" not in before, "the development link leaked in"

    run(*UV, "pip", "install", "--offline", "--no-deps", "--python", python, wheel)
    question = """
import json
import hummingbot, hummingbot_valr, valr_loopback
from hummingbot.client.settings import AllConnectorSettings
settings = AllConnectorSettings.get_connector_settings()
print(json.dumps([
    [module.__file__ for module in (hummingbot, hummingbot_valr, valr_loopback)],
    {name: settings[name].module_path() for name in ("valr", "valr_loopback")},
]))
"""
    quiet = offline_environment | {"PYTHONDONTWRITEBYTECODE": "1"}
    asked = subprocess.run(
        [python, "-c", question], env=quiet, cwd=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert asked.returncode == 0, asked.stderr
    files, modules = json.loads(asked.stdout.splitlines()[-1])
    assert [Path(file).parent.parent for file in files] == [site] * 3, "found outside the environment"
    assert set(modules.values()) == {"hummingbot.connector.exchange.valr.valr_exchange"}
    assert (environment / "bin" / "hummingbot-valr").exists()
    assert not (environment / "bin" / "hbot").exists(), "this name is left to Hummingbot"

    run(*UV, "pip", "uninstall", "--offline", "--python", python, "hummingbot-valr")
    assert tree(site / "hummingbot") == before
    assert not (site / "valr_loopback").exists()
    assert not (site / "hummingbot_valr").exists()
    assert not (environment / "bin" / "hummingbot-valr").exists()
