"""A directory in which clients are run, set up for a machine without the internet."""

import os
from collections.abc import Mapping
from pathlib import Path

from hummingbot_valr.workspace import create_folders
from test.clients.exchange import PAIR

# The regular tests leave out what others show as well; `CLIENTS=all` in the environment has them do everything.
EVERYTHING = os.environ.get("CLIENTS") == "all"
PASSWORD = "password of the test"
SETTINGS = """
anonymized_metrics_mode: {}
fetch_pairs_from_all_exchanges: false
log_file_path: logs
paper_trade:
  paper_trade_exchanges: []
rate_oracle_source:
  name: valr_loopback
send_error_logs: false
"""
# The bid is filled within seconds, the ask stays for the whole test.
STRATEGY = {
    "exchange": "valr_loopback",
    "market": PAIR,
    "bid_spread": "0.02",
    "ask_spread": "3",
    "order_refresh_time": "3600",
    "order_amount": "0.001",
    "ping_pong_enabled": "False",
}


def make_workspace(path: Path) -> Path:
    create_folders(path)
    (path / "conf" / "conf_client.yml").write_text(SETTINGS)
    return path


def with_password(environment: Mapping[str, str]) -> dict[str, str]:
    return dict(environment) | {"HBOT_PASSWORD": PASSWORD}
