"""A Hummingbot of a few lines, laid out as the real one: a search for connectors, in a checkout or an environment."""

import subprocess
import sys
from pathlib import Path

from hummingbot_valr.versions import NEWEST, VERSION

SETTINGS = """
import importlib, os
from pathlib import Path

class AllConnectorSettings:
    @classmethod
    def get_connector_settings(cls):
        found = {}
        for place in os.scandir(Path(__file__).parents[1] / "connector" / "exchange"):
            if place.name.startswith("_") or not os.path.exists(os.path.join(place.path, "__init__.py")):
                continue
            try:
                utils = importlib.import_module(f"hummingbot.connector.exchange.{place.name}.{place.name}_utils")
            except ModuleNotFoundError:
                continue
            found |= dict.fromkeys([place.name, *utils.OTHER_DOMAINS])
        return found
"""


def make_connector(folder: Path, version: str = VERSION) -> Path:
    """A connector that is ours in the names of its files only; returns ``folder``."""
    folder.mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "valr_versions.py": f'VERSION = "{version}"\n',
        "valr_utils.py": 'OTHER_DOMAINS = ["valr_loopback"]\n',
        "valr_exchange.py": "class ValrExchange: ...\n",
    }.items():
        (folder / name).write_text(text)
    return folder


def make_package(root: Path) -> Path:
    """The package `hummingbot` in ``root``; returns ``root``."""
    for folder in ("client", "connector/exchange/binance"):
        (root / "hummingbot" / folder).mkdir(parents=True)
    (root / "hummingbot" / "__init__.py").touch()
    (root / "hummingbot" / "client" / "settings.py").write_text(SETTINGS)
    return root


def make_checkout(root: Path, release: str = NEWEST) -> Path:
    """A source checkout; returns ``root``."""
    make_package(root)
    (root / "setup.py").write_text(f'def main():\n    version = "{release}"\n')
    return root


def make_environment(folder: Path, release: str = NEWEST) -> Path:
    """A virtual environment with a package `hummingbot`; returns its folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    site = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    make_package(site)
    (site / f"hummingbot-{release}.dist-info").mkdir()
    return folder
