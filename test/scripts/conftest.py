"""What runs the scripts as Hummingbot does."""

from test.strategies.conftest import modules, workspace  # noqa: F401
