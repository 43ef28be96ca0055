"""The wheel `hummingbot-valr`: the connector, the loopback exchange and the user's commands, and nothing else.

The connector goes below `hummingbot/` without an `__init__.py` above it, so that the installed Hummingbot remains the
package. Hummingbot is an extra, never a requirement: installing this must not replace a source checkout of it.
"""

from pathlib import Path

from setuptools import find_namespace_packages, setup

README = Path(__file__).with_name("README.md")

COMMANDS = ["rich>=13", "typer>=0.12"]

setup(
    name="hummingbot-valr",
    version="0.1.0",
    description="VALR spot connector for Hummingbot, with a loopback exchange to try strategies against",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    python_requires=">=3.12",
    packages=find_namespace_packages(
        include=[
            "hummingbot.connector.exchange.valr",
            "hummingbot.connector.exchange.valr.*",
            "hummingbot_valr",
            "hummingbot_valr.*",
            "valr_loopback",
            "valr_loopback.*",
        ]
    ),
    package_data={"": ["*.yml", "*.json", "*.css"]},
    extras_require={
        # The release the connector is tested with; uv resolves it, pip does not.
        "hummingbot": ["hummingbot==20260922", *COMMANDS],
        # The connector's option metrics_port.
        "metrics": ["prometheus-client>=0.20"],
        # The loopback exchange also runs where there is no Hummingbot.
        "loopback": [
            "aiohttp>=3.9,<3.14",
            "orjson>=3.9",
            "pydantic>=2",
            "pyyaml>=6",
            "sortedcontainers>=2.4",
            *COMMANDS,
        ],
    },
    entry_points={"console_scripts": ["hummingbot-valr = hummingbot_valr.command:app"]},
)
