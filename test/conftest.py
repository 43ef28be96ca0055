"""What all tests share: an environment for child processes that cannot reach beyond this machine."""

import os
from pathlib import Path

import pytest

_NO_NAME_SERVER = """
import socket

_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host, *arguments, **options):
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        raise socket.gaierror(socket.EAI_NONAME, f"tests stay on this machine: {host}")
    return _getaddrinfo(host, *arguments, **options)


socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture(scope="session")
def offline_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of this process, in which every Python finds no host but this one."""
    folder: Path = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(_NO_NAME_SERVER)
    ignored = ("HBOT_PASSWORD", "CONFIG_PASSWORD", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in ignored}
    return environment | {"PYTHONPATH": str(folder)}
