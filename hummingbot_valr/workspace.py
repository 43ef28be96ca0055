"""A workspace: the folder that holds one bot's conf/, logs/, data/, scripts/ and controllers/.

A Hummingbot installed as a package keeps conf/ beside itself in site-packages, where rebuilding the environment
deletes keys and configurations and where two bots share them. `use_workspace` moves all of it, for one process and
without touching a file of Hummingbot; `prepare_workspace` writes the folders and the client's configuration.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDERS = (
    "conf/connectors",
    "conf/controllers",
    "conf/scripts",
    "conf/strategies",
    "controllers",
    "data",
    "logs",
    "scripts",
)


class WorkspaceError(RuntimeError):
    """Hummingbot cannot be given this workspace; the message says why and what to do."""


def use_workspace(path: Path | str) -> Path:
    """Have Hummingbot, in this process, keep and look for its files in `path`; returns the absolute path.

    Call it before anything else of Hummingbot is imported: its modules copy the paths when they are imported.
    Creates nothing (see `create_folders`). Raises `WorkspaceError` if Hummingbot is not installed, or if a module
    already holds a path into the installation.
    """
    workspace = Path(path).resolve()
    hummingbot = _installed_hummingbot()
    # Logs, databases and the state of a running bot follow this prefix; conf/ does not, it is constants of `settings`.
    hummingbot.set_prefix_path(str(workspace))
    hummingbot.set_data_path(str(workspace / "data"))
    from hummingbot.client import settings

    root = Path(hummingbot.root_path()).resolve()
    if workspace == root:  # a source checkout, where Hummingbot's files are in their place already
        return workspace
    for name, location in _locations_in(settings, root):
        setattr(settings, name, workspace / location)
    late = sorted(
        f"{module.__name__}.{name}"
        for module in list(sys.modules.values())
        if module.__name__.startswith("hummingbot.")
        for name, _ in _locations_in(module, root)
    )
    if late:
        raise WorkspaceError(
            f"{workspace} cannot be made the workspace any more: {', '.join(late)} already point into the installation."
            " Call use_workspace before importing anything of Hummingbot."
        )
    # Scripts and controllers are imported as top-level packages of these names.
    if str(workspace) not in sys.path:
        sys.path.insert(0, str(workspace))
    return workspace


def create_folders(path: Path | str) -> Path:
    """Create the folders of a workspace where they are missing; returns its absolute path.

    Raises `WorkspaceError` if one of them cannot be created.
    """
    workspace = Path(path).resolve()
    for folder in FOLDERS:
        try:
            (workspace / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_ours(workspace / folder, "created", error) from error
    return workspace


def prepare_workspace(path: Path | str, quiet_offline: bool = False) -> Path:
    """Create a workspace with a conf/conf_client.yml in it; returns its absolute path.

    An existing configuration keeps its settings. With `quiet_offline` those that reach for the internet are changed,
    so that a bot against the loopback exchange neither waits for name servers nor logs their absence: no exchanges for
    paper trading, no metrics, and rates from the loopback exchange.
    Raises `WorkspaceError` if Hummingbot is not installed, or if the workspace cannot be written.
    """
    _installed_hummingbot()
    import hummingbot.client.settings  # noqa: F401 - before the configuration modules, which import each other in a ring

    workspace = create_folders(path)
    from hummingbot.client.config import client_config_map as maps
    from hummingbot.client.config import config_helpers as helpers

    conf_client = workspace / "conf" / "conf_client.yml"
    try:
        conf_client.open("a+").close()  # Hummingbot only logs that it cannot write
    except OSError as error:
        raise _not_ours(conf_client, "written", error) from error
    values: dict[str, Any] = {"log_file_path": workspace / "logs"}
    values |= helpers.read_yml_file(conf_client)
    if quiet_offline:
        values |= {
            "anonymized_metrics_mode": maps.AnonymizedMetricsDisabledMode(),
            "fetch_pairs_from_all_exchanges": False,
            "rate_oracle_source": {"name": "valr_loopback"},
            "send_error_logs": False,
        }
        values["paper_trade"] = dict(values.get("paper_trade", {})) | {"paper_trade_exchanges": []}
    configuration = helpers.ClientConfigAdapter(maps.ClientConfigMap(**values))
    helpers.save_to_yml(conf_client, configuration)
    return workspace


def _installed_hummingbot() -> ModuleType:
    # The connector's folder alone makes `hummingbot` importable, as a namespace without a file.
    found = importlib.util.find_spec("hummingbot")
    if found is None or found.origin is None:
        raise WorkspaceError(
            f"Hummingbot is not installed for {sys.executable}: run 'make install' in the connector's checkout,"
            " or 'uv pip install hummingbot' (pip cannot resolve its dependencies)."
        )
    return importlib.import_module("hummingbot")


def _not_ours(place: Path, what: str, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        f"{place} cannot be {what}: {error.strerror or error}. Use a folder in which you may write, or make this one"
        " your own (chown, or chmod u+rwx): a bot's conf/, logs/ and data/ are kept there."
    )


def _locations_in(module: ModuleType, root: Path) -> list[tuple[str, Path]]:
    """The module's path constants that name a user's file or folder beside the package, relative to its root."""
    return [
        (name, value.relative_to(root))
        for name, value in vars(module).items()
        if isinstance(value, Path) and value.is_relative_to(root) and not value.is_relative_to(root / "hummingbot")
    ]
