"""What the doctor looks at on this machine: Hummingbot, the connector in it, and the folders of the workspace."""

import os
import sys
from collections.abc import Collection
from pathlib import Path

from hummingbot_valr.doctor import Check, error, ok, warning
from hummingbot_valr.doctor_hooks import OVERRIDDEN, USED_OF_EXCHANGE, missing_hooks
from hummingbot_valr.installation import CONNECTOR, CONNECTOR_NAMES, Hummingbot
from hummingbot_valr.installation_files import Kind, is_unfinished, present_in
from hummingbot_valr.versions import SOURCE, TESTED_HUMMINGBOT, VERSION, explain_release
from hummingbot_valr.workspace import FOLDERS


def check_release(hummingbot: Hummingbot) -> Check:
    """Which Hummingbot it is, and whether the connector is tested with it."""
    if problem := explain_release(hummingbot.release):
        return warning("Hummingbot", hummingbot.describe(), problem)
    return ok("Hummingbot", f"{hummingbot.describe()}, tested ({' to '.join(TESTED_HUMMINGBOT)})")


def check_connector(hummingbot: Hummingbot, known: Collection[str]) -> Check:
    """Whether the connector is there, in the version of this command, and taken up by Hummingbot.

    :param known: the exchanges that Hummingbot lists
    """
    present = present_in(hummingbot)
    if present.kind is Kind.NOTHING:
        return error("Connector", f"not in {hummingbot.connector}", "Run 'hummingbot-valr install'.")
    if present.kind is Kind.FOREIGN:
        return error(
            "Connector", f"{hummingbot.connector} is not ours", "Move it away, then 'hummingbot-valr install'."
        )
    lacking = [name for name in CONNECTOR_NAMES if name not in known]
    if lacking:
        return error(
            "Connector",
            f"Hummingbot does not list {' and '.join(lacking)}: one of its modules does not import",
            f"See what '{sys.executable} -c \"import hummingbot.connector.exchange.valr.valr_exchange\"' says.",
        )
    if is_unfinished(hummingbot):
        return warning(
            "Connector",
            f"{present.describe()}; 'install' or 'uninstall' is at work there, or was killed",
            "Run 'hummingbot-valr install' again: it takes back first what was left half-done.",
        )
    if present.altered:
        return warning(
            "Connector",
            f"{present.describe()}, changed since: {', '.join(present.altered)}",
            "'hummingbot-valr upgrade --force' puts it as it was.",
        )
    if present.version != VERSION:
        return warning(
            "Connector", f"{present.describe()}; this command has {VERSION}", "Run 'hummingbot-valr upgrade'."
        )
    return ok("Connector", present.describe())


def check_hooks() -> Check:
    """Whether everything of Hummingbot that the connector overrides or uses is still there."""
    to_do = f"Use a tested release of Hummingbot ({' to '.join(TESTED_HUMMINGBOT)}), or a newer connector."
    try:
        missing = missing_hooks(OVERRIDDEN, USED_OF_EXCHANGE)
    except Exception as problem:  # noqa: BLE001 - whatever a changed Hummingbot raises is the finding
        return error("Hooks", f"the connector cannot be built: {type(problem).__name__}: {problem}", to_do)
    if missing:
        return error("Hooks", f"this Hummingbot lacks {', '.join(missing)}", to_do)
    count = len(USED_OF_EXCHANGE) + sum(map(len, OVERRIDDEN.values()))
    return ok("Hooks", f"all {count} that the connector uses exist")


def check_copies(hummingbot: Hummingbot, search_path: Collection[str]) -> Check:
    """Whether there is one connector only.

    :param search_path: where Python looks for packages
    """
    own = hummingbot.connector
    doubles = [place for place in sorted(own.parent.parent.glob("*/valr")) if place.is_dir() and place != own]
    if doubles:
        return error(
            "Copies", f"another connector is called valr, too: {_listed(doubles)}", "Move it away: only one can be."
        )
    places = (Path(entry or os.curdir).absolute() / CONNECTOR for entry in search_path)
    # Where this command brings its own files along from another environment, they are not looked for.
    visitor = None if SOURCE.is_relative_to(sys.prefix) else SOURCE.resolve()
    shadowed = {place for place in places if place.is_dir() and place.resolve() not in (own.resolve(), visitor)}
    if shadowed:
        return warning(
            "Copies",
            f"{own} is used; without any effect is {_listed(shadowed)}",
            "Remove the other one, lest an upgrade goes to the wrong place.",
        )
    return ok("Copies", f"one, in {own}")


def check_folders(workspace: Path) -> Check:
    """Whether the folders of the workspace are there and can be written."""
    missing = [folder for folder in FOLDERS if not (workspace / folder).is_dir()]
    present = [workspace / folder for folder in FOLDERS if folder not in missing]
    locked = [folder for folder in present if not os.access(folder, os.W_OK | os.X_OK)]
    if locked:
        return error("Folders", f"{_listed(locked)} cannot be written", "Make them your own: chown or chmod u+rwx.")
    if missing:
        return warning(
            "Folders",
            f"{workspace} has no {', '.join(missing)}",
            f"Is it the right folder (--workspace)? 'hummingbot-valr workspace {workspace}' makes what is missing.",
        )
    return ok("Folders", f"conf, data, logs and scripts in {workspace} can be written")


def check_key_files(workspace: Path, known: Collection[str]) -> Check:
    """Whether every stored key is of an exchange that Hummingbot has: others break its login."""
    files = sorted((workspace / "conf" / "connectors").glob("*.yml"))
    orphans = [file for file in files if file.stem not in known]
    if orphans:
        return error(
            "Stored keys",
            f"of exchanges that this Hummingbot does not have: {_listed(orphans)}",
            "Its login breaks on them: delete them, or install their connectors.",
        )
    return ok("Stored keys", f"for {', '.join(file.stem for file in files)}" if files else "none")


def _listed(places: Collection[Path]) -> str:
    return ", ".join(map(str, sorted(places)))
