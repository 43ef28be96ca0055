"""The images and their compositions, as far as a machine without an engine can tell: rules, files, and the commands."""

import fnmatch
import json
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest
import yaml

from hummingbot_valr.versions import NEWEST, VERSION
from test.hummingbot_valr.small_hummingbot import make_environment

ROOT = Path(__file__).resolve().parent.parent
COMPOSITIONS = ("docker-compose.yml", "docker-compose.fleet.yml")
IMAGE_HOME = "/home/hummingbot"
CODE = "/opt/hummingbot-valr"


class Instruction(NamedTuple):
    """One instruction of the Dockerfile, continued lines joined."""

    name: str
    arguments: str


def instructions() -> list[Instruction]:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def stages() -> dict[str, list[Instruction]]:
    found: dict[str, list[Instruction]] = {}
    for instruction in instructions():
        if instruction.name == "FROM":
            found[instruction.arguments.split(" AS ")[1]] = current = []
        current.append(instruction)
    return found


def copies(stage: list[Instruction]) -> Iterator[tuple[str, str]]:
    """Every source in the checkout with where it lies in the image."""
    for instruction in stage:
        if instruction.name == "COPY":
            source, target = instruction.arguments.split()
            yield source, target


def files_of(path: str) -> list[str]:
    """Every file of the checkout in a folder; what Python leaves behind does not count."""
    found = (file for file in (ROOT / path).rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return [str(file.relative_to(ROOT)) for file in found]


def is_ignored(path: str) -> bool:
    """Whether the engine is not given a file: the last pattern that fits it, or a folder it is in, decides."""
    ignored = False
    folders = [str(folder) for folder in PurePosixPath(path).parents][:-1]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        # `*` does not reach over a slash, and `**/` stands for any folders or none.
        expression = "(.*/)?".join(
            fnmatch.translate(part).removesuffix(r"\Z").replace(".*", "[^/]*") for part in pattern.split("**/")
        )
        if any(re.fullmatch(expression, name) for name in (path, *folders)):
            ignored = not line.startswith("!")
    return ignored


def is_pinned(image: str) -> bool:
    name, _, tag = image.rpartition(":")
    return bool(name) and tag != "latest" and any(character.isdigit() for character in tag)


class TestDockerfile:
    def test_bases_are_pinned_and_stages_named(self) -> None:
        assert list(stages()) == ["bot", "api"]
        for stage in stages().values():
            image = stage[0].arguments.split(" AS ")[0]
            assert is_pinned(image), image
            assert image.startswith("hummingbot/hummingbot")

    def test_it_has_only_what_leaves_no_questions(self) -> None:
        # No ADD (fetches and unpacks), no shell whose pipes hide failures, no user's secret in a layer.
        assert {instruction.name for instruction in instructions()} <= {"FROM", "COPY", "ENV", "RUN"}
        for instruction in instructions():
            if instruction.name == "RUN":
                assert isinstance(json.loads(instruction.arguments), list)
            if instruction.name == "ENV":
                assert instruction.arguments == f"PYTHONPATH={CODE}"

    @pytest.mark.parametrize("stage", ["bot", "api"])
    def test_what_is_copied_is_in_the_checkout_and_given_to_the_engine(self, stage: str) -> None:
        for source, target in copies(stages()[stage]):
            files = files_of(source)
            assert files, source
            assert [file for file in files if is_ignored(file)] == []
            assert target in (f"{CODE}/{source}", f"{IMAGE_HOME}/{source}")

    @pytest.mark.parametrize(
        "path",
        [
            ".env",
            ".git/config",
            ".venv/bin/python",
            "conf/connectors/valr.yml",
            "conf/.password_verification",
            "workspace/conf/connectors/valr.yml",
            "workspace/fleet.env",
            "data/bot.sqlite",
            "logs/logs_bot.log",
            "hummingbot_valr/__pycache__/hbot.cpython-312.pyc",
        ],
    )
    def test_keys_logs_and_environments_are_not_given_to_the_engine(self, path: str) -> None:
        assert is_ignored(path)

    def test_the_wheels_packages_are_all_in_the_bots_image(self) -> None:
        copied = {source for source, _ in copies(stages()["bot"])}
        assert {"hummingbot/connector/exchange/valr", "hummingbot_valr", "valr_loopback"} <= copied


def link_hummingbot(root: Path) -> None:
    """Lay out the installed Hummingbot in ``root``, without our connector."""
    installed = Path(sysconfig.get_path("purelib")) / "hummingbot"

    def link_all(folder: Path, real: Path, *open_folders: str) -> None:
        folder.mkdir(parents=True)
        for entry in real.iterdir():
            if open_folders and entry.name == open_folders[0]:
                link_all(folder / entry.name, entry, *open_folders[1:])
            elif entry.name not in ("valr", "__pycache__"):
                (folder / entry.name).symlink_to(entry)

    link_all(root / "hummingbot", installed, "connector", "exchange")


@pytest.mark.parametrize("stage", ["bot", "api"])
def test_the_image_builds_a_hummingbot_that_loads_the_connector(stage: str, tmp_path: Path) -> None:
    """Does what the Dockerfile does, in folders that are laid out as the image's."""
    places = {CODE: tmp_path / "code"}
    if stage == "bot":
        places |= {IMAGE_HOME: tmp_path / "home"}
        link_hummingbot(tmp_path / "home")
        (tmp_path / "home" / "setup.py").write_text(f'version = "{NEWEST}"\n')
        places["/opt/conda/envs/hummingbot/bin/python"] = Path(sys.executable)
        connectors = tmp_path / "home"
    else:
        environment = make_environment(tmp_path / "env")
        (connectors,) = environment.glob("lib/*/site-packages")
        subprocess.run(["rm", "-r", connectors / "hummingbot"], check=True)
        link_hummingbot(connectors)
        # What Hummingbot needs is beside it in the image.
        (connectors / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        places["/opt/conda/envs/hummingbot-api"] = environment
    ran = 0
    for instruction in stages()[stage]:
        arguments = instruction.arguments
        for place in sorted(places, key=len, reverse=True):
            arguments = arguments.replace(place, str(places[place]))
        if instruction.name == "COPY":
            source, target = arguments.split()
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            Path(target).symlink_to(ROOT / source)
        if instruction.name == "RUN":
            ran += 1
            finished = subprocess.run(
                json.loads(arguments),
                env=os.environ | {"PYTHONPATH": str(places[CODE]), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
            assert finished.returncode == 0, finished.stdout + finished.stderr
            assert "it loads" in " ".join(finished.stdout.split())
    assert ran == 1
    assert (connectors / "hummingbot/connector/exchange/valr/valr_exchange.py").is_file()


class TestCompositions:
    @pytest.fixture(params=COMPOSITIONS)
    def composition(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load((ROOT / request.param).read_text())
        return loaded

    def test_every_image_is_ours_or_pinned(self, composition: dict[str, Any]) -> None:
        for name, service in composition["services"].items():
            assert is_pinned(service["image"]), name
            if "build" in service:
                assert service["build"]["target"] in stages()
                assert service["image"].endswith(f":{VERSION}")
                assert (ROOT / service["build"]["context"] / "Dockerfile").is_file()

    def test_what_is_named_is_there(self, composition: dict[str, Any]) -> None:
        for service in composition["services"].values():
            assert set(service.get("networks", ())) <= set(composition.get("networks", ()))
            assert set(service.get("depends_on", ())) <= set(composition["services"])
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                # Whatever a user keeps lies below the one folder that git does not look at.
                assert source.startswith("./workspace/") or source in composition["volumes"] or source.endswith(".sock")

    def test_ports_are_open_to_this_machine_alone(self, composition: dict[str, Any]) -> None:
        for service in composition["services"].values():
            for port in service.get("ports", ()):
                assert port.startswith("127.0.0.1:")

    def test_no_password_is_written_down(self, composition: dict[str, Any]) -> None:
        for service in composition["services"].values():
            for name, value in service.get("environment", {}).items():
                if "PASSWORD" in name or "SECRET" in name or "KEY" in name:
                    assert value.startswith("${"), name

    def test_the_bots_conf_data_and_logs_are_kept_outside(self) -> None:
        services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        for service in services.values():
            targets = {volume.split(":")[1] for volume in service["volumes"]}
            assert {f"{IMAGE_HOME}/{name}" for name in ("conf", "conf/connectors", "data", "logs")} <= targets

    def test_the_bot_is_stopped_gracefully(self) -> None:
        bot = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["bot"]
        assert bot["command"][:2] == ["hbot", "start"]
        assert "--foreground" in bot["command"]
        assert int(bot["stop_grace_period"].removesuffix("s")) >= 60

    def test_commands_are_ones_that_hbot_has(self) -> None:
        from hummingbot.cli.main import app

        known = {command.name for command in app.registered_commands}
        for composition in COMPOSITIONS:
            named = re.findall(r"\bhbot ([a-z]+)", (ROOT / composition).read_text())
            assert set(named) <= known
