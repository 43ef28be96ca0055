"""What Hummingbot's own rules say of a strategy's file: is there such a strategy, and does it take what is written?

Hummingbot drops a value that it cannot read, and a key that it does not know, with a line in the log at most: the bot
starts, and does not trade, or not as wanted. Here each of them is an error. Nothing is written, and nothing is asked of
an exchange.
"""

import difflib
import importlib
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import BaseModel, ValidationError

from hummingbot_valr.doctor import Check, error
from hummingbot_valr.doctor_strategy import ConfigurationError, load_file

NAME = "Strategy"
# Which kind of file it is, by the key that names what it is for.
_KINDS = ("strategy", "script_file_name", "controller_name", "controller_type")
# Name an exchange in Hummingbot's own strategies and controllers, which not all look whether there is such a one.
_EXCHANGE_KEYS = ("exchange", "connector_name", "maker_market", "taker_market")
_LONGEST = 160

Complaint = tuple[str, str, str]
"""A key, or ``""``; what is wrong with it; and what to do."""


async def check_configuration(file: Path, content: Mapping[str, Any], workspace: Path) -> list[Check]:
    """Return an error for each thing in a strategy's file with which Hummingbot would not trade, or not as it says.

    :param content: what the file holds
    :param workspace: has the scripts/ and controllers/ that a file may be for
    """
    with _as_in(workspace):
        complaints = await _complaints(file, content)
    return [error(NAME, f"{_place(file, key)}: {what}", to_do) for key, what, to_do in complaints]


async def _complaints(file: Path, content: Mapping[str, Any]) -> list[Complaint]:
    judge: Callable[[Path, Mapping[str, Any]], Awaitable[list[Complaint]]]
    to_do = "Mend what it says."
    if "script_file_name" in content:
        judge, key = _of_script, "script_file_name"
        source = f"scripts/{content[key]}"
    elif "controller_name" in content or "controller_type" in content:
        judge, key = _of_controller, "controller_name"
        source = f"controllers/{content.get('controller_type')}/{content.get(key)}.py"
    elif "strategy" in content:
        judge, key, source = _of_strategy, "strategy", ""
    else:
        meant = next(
            (f"Did you mean {kind} by {each}?" for each in content for kind in _nearest(str(each), _KINDS)), ""
        )
        return [("", "names no strategy, script or controller", meant or f"It needs {' or '.join(_KINDS[:3])}.")]
    try:
        return await judge(file, content)
    except Exception as problem:  # noqa: BLE001 - whatever Hummingbot or the user's script raises is the finding
        if isinstance(problem, ModuleNotFoundError) and str(problem.name).startswith(("scripts", "controllers")):
            to_do = f"Is {source} in the workspace? Hummingbot's package brings none; a checkout of it has its own."
        return [(key, f"Hummingbot cannot load it: {type(problem).__name__}: {problem}", to_do)]


async def _of_strategy(file: Path, content: Mapping[str, Any]) -> list[Complaint]:
    from hummingbot.cli.strategy_configs import available_v1_strategies
    from hummingbot.client.config import config_helpers as helpers

    name = content["strategy"]
    known = available_v1_strategies()
    if name not in known:
        to_do = _meant(str(name), known) or f"Hummingbot has {', '.join(known)}."
        return [("strategy", f"Hummingbot has no strategy {name}", to_do)]
    model = helpers.get_strategy_pydantic_config_cls(name)
    if model is not None:
        return _of_model(model, helpers.read_yml_file(file)) + _of_exchanges(content)
    template = helpers.yaml_parser.load(helpers.get_strategy_template_path(name).read_text(encoding="utf-8"))
    return await _of_map(helpers.get_strategy_config_map(name), template, content)


async def _of_script(file: Path, content: Mapping[str, Any]) -> list[Complaint]:
    from hummingbot.cli.strategy_configs import read_yaml, resolve_script_config_class

    return _of_model(resolve_script_config_class(str(content["script_file_name"])), read_yaml(file))


async def _of_controller(file: Path, content: Mapping[str, Any]) -> list[Complaint]:
    from hummingbot.cli.strategy_configs import controller_config_class, read_yaml

    return _of_model(controller_config_class(dict(content)), read_yaml(file)) + _of_exchanges(content)


def _of_exchanges(content: Mapping[str, Any]) -> list[Complaint]:
    from hummingbot.client.config.config_validators import validate_connector
    from hummingbot.client.settings import AllConnectorSettings

    known = AllConnectorSettings.get_connector_settings().keys()
    return [
        (key, f"Hummingbot has no exchange {name}", _meant(name, known) or "Correct the name.")
        for key in _EXCHANGE_KEYS
        # One with a stroke is of Hummingbot's Gateway, which is not asked here.
        if isinstance(name := content.get(key), str) and "/" not in name and validate_connector(name)
    ]


def _of_model(model: type[BaseModel], content: Mapping[str, Any]) -> list[Complaint]:
    try:
        model(**content)
    except ValidationError as problem:
        return [_of_error(each["loc"], each["type"], each["msg"], model) for each in problem.errors()]
    return []


def _of_error(location: tuple[int | str, ...], kind: str, message: str, model: type[BaseModel]) -> Complaint:
    key = ".".join(map(str, location))
    if kind == "extra_forbidden":
        return _unknown(key, model.model_fields if len(location) == 1 else ())
    if kind == "missing":
        return _missing(key)
    return key, _short(message.removeprefix("Value error, ")), "Correct the value."


async def _of_map(
    variables: Mapping[str, Any], template: Mapping[str, Any], content: Mapping[str, Any]
) -> list[Complaint]:
    """Judge as Hummingbot's ``load_yml_into_cm_legacy`` does, which logs, and may write the file anew."""
    known = template.keys() | variables.keys()
    found = [_unknown(str(key), known) for key in content if key not in known]
    # The validators of some look at the values of others, which they find in the map.
    for key in template:
        variable = variables.get(key)
        if variable is None:
            continue
        value = content.get(key)
        if value is None or value == "":
            variable.value = variable.default
            continue
        try:
            variable.value = _parsed(variable, value)
            what = await variable.validate(str(variable.value))
        except json.JSONDecodeError:
            what = "is not in JSON format."
        except TypeError:  # as below
            if not found:
                raise
            what = None
        except ArithmeticError:  # its bounds cannot be compared with it
            what = "is not a number."
        if what is not None:
            variable.value = None
            found.append((key, _short(what if str(value) in what else f"{value}: {what}"), "Correct the value."))
    complained = {key for key, _, _ in found}
    missing = (key for key in template if key in variables and _is_missing(variables[key]))
    return found + [_missing(key) for key in missing if key not in complained]


def _parsed(variable: Any, value: Any) -> Any:
    from hummingbot.client.config.config_helpers import parse_cvar_value

    # It logs what it cannot read, with a traceback, and returns it as it is: the validator says so in words.
    logging.disable()
    try:
        return parse_cvar_value(variable, value)
    finally:
        logging.disable(logging.NOTSET)


def _is_missing(variable: Any) -> bool:
    try:
        return variable.value is None and bool(variable.required)
    except TypeError:  # it depends on another value, which is missing or wrong itself
        return False


def _unknown(key: str, known: Collection[str]) -> Complaint:
    return key, "Hummingbot knows no such key here", _meant(key, known) or "Correct it, or delete the line."


def _missing(key: str) -> Complaint:
    return key, "has to be given", f"Add a line '{key}: ...'."


def _meant(name: str, known: Collection[str]) -> str:
    return next((f"Did you mean {each}?" for each in _nearest(name, known)), "")


def _nearest(name: str, known: Collection[str]) -> list[str]:
    return difflib.get_close_matches(name, sorted(known), n=1)


def _short(text: str) -> str:
    """One line; Hummingbot lists all its exchanges where one is not known."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST].rsplit(' ', 1)[0]} ..."


def _place(file: Path, key: str) -> str:
    if not key:
        return str(file)
    first, lines = key.split(".")[0], file.read_text(encoding="utf-8").splitlines()
    number = next((number for number, line in enumerate(lines, 1) if line.startswith(f"{first}:")), None)
    return f"{file}, {key}" if number is None else f"{file}, line {number}, {key}"


@contextmanager
def _as_in(workspace: Path) -> Iterator[None]:
    """Have Hummingbot find the workspace's scripts, controllers and exchanges, and not ask all for their pairs."""
    from hummingbot.client.settings import AllConnectorSettings  # before all that imports it
    from hummingbot.core.utils.trading_pair_fetcher import TradingPairFetcher

    fetcher, paper_names = TradingPairFetcher._sf_shared_instance, AllConnectorSettings.paper_trade_connectors_names
    settings = AllConnectorSettings.get_connector_settings()
    without_paper = dict(settings)
    TradingPairFetcher._sf_shared_instance = SimpleNamespace(ready=False)
    AllConnectorSettings.initialize_paper_trade_settings(_paper_exchanges(workspace))
    importlib.invalidate_caches()
    sys.path.insert(0, str(workspace))
    try:
        yield
    finally:
        sys.path.remove(str(workspace))
        settings.clear()
        settings.update(without_paper)
        AllConnectorSettings.paper_trade_connectors_names = paper_names
        TradingPairFetcher._sf_shared_instance = fetcher


def _paper_exchanges(workspace: Path) -> list[str]:
    from hummingbot.client.config.client_config_map import PaperTradeConfigMap

    try:
        names = load_file(workspace / "conf" / "conf_client.yml")["paper_trade"]["paper_trade_exchanges"]
    except (ConfigurationError, KeyError, TypeError):  # Hummingbot's defaults
        names = PaperTradeConfigMap().paper_trade_exchanges
    return [str(name) for name in names]
