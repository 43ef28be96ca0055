"""Where Hummingbot keeps its files once it is given a workspace.

Hummingbot's modules copy their paths when they are imported, once per process: each case runs in a process of its own.
"""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

Environment = dict[str, str]


def run(code: str, environment: Environment, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=180, check=False)


def result_of(code: str, environment: Environment, cwd: Path) -> Any:
    finished = run(code, environment, cwd)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_every_path_of_a_user_leads_into_the_workspace(tmp_path: Path, offline_environment: Environment) -> None:
    paths = result_of(
        """
        import json, os, sys
        from hummingbot_valr.workspace import use_workspace
        workspace = use_workspace(os.getcwd())
        assert use_workspace(os.getcwd()) == workspace
        import hummingbot
        from hummingbot.client import settings
        from hummingbot.client.config import config_crypt, config_helpers, client_config_map
        from hummingbot.cli import bot, strategy_configs
        print(json.dumps({
            "conf": str(config_helpers.CLIENT_CONFIG_PATH),
            "password": str(config_crypt.PASSWORD_VERIFICATION_PATH),
            "connectors": str(config_helpers.CONNECTORS_CONF_DIR_PATH),
            "controllers": str(strategy_configs.TYPE_DIRS["controller"]),
            "scripts": str(settings.SCRIPT_STRATEGIES_PATH),
            "log_file_path": str(client_config_map.ClientConfigMap().log_file_path),
            "state": str(bot.bot_dir()),
            "import": sys.path[0],
        }))
        """,
        offline_environment,
        tmp_path,
    )
    assert paths == {
        "conf": f"{tmp_path}/conf/conf_client.yml",
        "password": f"{tmp_path}/conf/.password_verification",
        "connectors": f"{tmp_path}/conf/connectors",
        "controllers": f"{tmp_path}/conf/controllers",
        "scripts": f"{tmp_path}/scripts",
        "log_file_path": f"{tmp_path}/logs",
        "state": f"{tmp_path}/data/bot",
        "import": str(tmp_path),
    }


def test_what_belongs_to_the_package_stays_in_the_package(tmp_path: Path, offline_environment: Environment) -> None:
    templates, connectors = result_of(
        """
        import json, os
        from hummingbot_valr.workspace import use_workspace
        use_workspace(os.getcwd())
        from hummingbot.client import settings
        print(json.dumps([settings.TEMPLATE_PATH.is_dir(), sorted(settings.AllConnectorSettings.get_exchange_names())]))
        """,
        offline_environment,
        tmp_path,
    )
    assert templates
    assert {"binance", "valr", "valr_loopback"} <= set(connectors)


def test_hummingbots_own_folder_is_a_workspace_as_it_is(tmp_path: Path, offline_environment: Environment) -> None:
    used, root, conf = result_of(
        """
        import json, hummingbot
        from hummingbot_valr.workspace import use_workspace
        used = use_workspace(hummingbot.root_path())
        from hummingbot.client.config import config_helpers
        print(json.dumps([str(used), hummingbot.root_path().as_posix(), str(config_helpers.CLIENT_CONFIG_PATH)]))
        """,
        offline_environment,
        tmp_path,
    )
    assert used == root
    assert conf == f"{root}/conf/conf_client.yml"


def test_too_late_is_an_error_that_names_the_module(tmp_path: Path, offline_environment: Environment) -> None:
    finished = run(
        """
        import hummingbot.client.settings
        import hummingbot.client.config.config_crypt
        from hummingbot_valr.workspace import use_workspace
        use_workspace(".")
        """,
        offline_environment,
        tmp_path,
    )
    assert finished.returncode == 1
    assert "config_crypt.PASSWORD_VERIFICATION_PATH" in finished.stderr
    assert "before importing anything of Hummingbot" in finished.stderr


def test_the_connectors_folder_alone_is_no_hummingbot(tmp_path: Path, offline_environment: Environment) -> None:
    (tmp_path / "hummingbot" / "connector").mkdir(parents=True)
    finished = run(
        f"""
        import sys
        from hummingbot_valr import workspace
        sys.path[:] = [path for path in sys.path if "site-packages" not in path] + [{str(tmp_path)!r}]
        workspace.use_workspace(".")
        """,
        offline_environment,
        tmp_path,
    )
    assert finished.returncode == 1
    assert "Hummingbot is not installed" in finished.stderr
    assert "make install" in finished.stderr


NO_FOLDER = "conf/connectors cannot be created: Not a directory"
NO_FILE = "conf/conf_client.yml cannot be written: Is a directory"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        *((command, NO_FOLDER) for command in ("hbot balance", "hbot start", "client", "command workspace .")),
        ("command workspace .", NO_FILE),
    ],
)
def test_a_folder_that_cannot_be_one_is_one_line(
    command: str, said: str, tmp_path: Path, offline_environment: Environment
) -> None:
    # The tests may run as root, whom no mode of a folder keeps out.
    if said == NO_FOLDER:
        (tmp_path / "conf").touch()
    else:
        (tmp_path / "conf" / "conf_client.yml").mkdir(parents=True)
    program, *arguments = command.split()
    finished = subprocess.run(
        [sys.executable, "-m", f"hummingbot_valr.{program}", *arguments],
        env=offline_environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stderr.startswith(f"{tmp_path}/{said}. Use a folder in which you may write")
    assert finished.stderr.count("\n") == 1


PREPARE = """
from hummingbot_valr.workspace import prepare_workspace
prepare_workspace("here", quiet_offline={quiet})
print("null")
"""


def client_configuration(workspace: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((workspace / "conf" / "conf_client.yml").read_text())
    return loaded


def test_quiet_offline_changes_what_reaches_out_and_keeps_the_rest(
    tmp_path: Path, offline_environment: Environment
) -> None:
    result_of(PREPARE.format(quiet=False), offline_environment, tmp_path)
    configuration = client_configuration(tmp_path / "here")
    assert configuration["log_file_path"] == f"{tmp_path}/here/logs"
    assert configuration["rate_oracle_source"] == {"name": "gate_io"}

    conf_client = tmp_path / "here" / "conf" / "conf_client.yml"
    conf_client.write_text(conf_client.read_text().replace("tick_size: 1.0", "tick_size: 0.5"))
    result_of(PREPARE.format(quiet=True), offline_environment, tmp_path)
    configuration = client_configuration(tmp_path / "here")
    assert configuration["tick_size"] == 0.5
    assert configuration["rate_oracle_source"] == {"name": "valr_loopback"}
    assert configuration["paper_trade"]["paper_trade_exchanges"] == []
    assert configuration["paper_trade"]["paper_trade_account_balance"]["BTC"] == 1
    assert configuration["send_error_logs"] is False

    read_back = result_of(
        """
        import json
        from hummingbot_valr.workspace import prepare_workspace, use_workspace
        use_workspace("here")
        prepare_workspace("here", quiet_offline=True)
        from hummingbot.client.config.config_helpers import load_client_config_map_from_file
        client = load_client_config_map_from_file()
        print(json.dumps([
            type(client.anonymized_metrics_mode.hb_config).__name__,
            client.rate_oracle_source.name,
            client.tick_size,
        ]))
        """,
        offline_environment,
        tmp_path,
    )
    assert read_back == ["AnonymizedMetricsDisabledMode", "valr_loopback", 0.5]
