"""What the connector can say in the log as a warning or an error, read off its source.

A sentence is written with ``…`` for whatever is filled in: ``Order … was not placed: …``.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

CONNECTOR = Path(__file__).resolve().parents[2] / "hummingbot" / "connector" / "exchange" / "valr"
GAP = "…"
# Calls that say their first argument, or whose first argument is said later.
SPEAKERS = frozenset({"warning", "error", "exception", "network", "_warn", "Trouble"})
# Calls whose sentence is made elsewhere, and the functions and classes that make it, if they are no SPEAKERS.
MADE_ELSEWHERE = {
    ("valr_access.py", "check_key"): ("explain_refusal", "explain_permissions"),
    ("valr_candles.py", "_warn"): (),
    ("valr_exchange.py", "_explain_key_refusal"): ("explain_sub_account",),
    ("valr_order_keeper.py", "__call__"): (),
    ("valr_order_keeper.py", "fetch_trades"): ("TooManyTradesError",),
    ("valr_troubles.py", "_begin"): (),
    ("valr_versions.py", "warn_if_untested"): ("explain_release",),
}
_MAKERS = frozenset(name for names in MADE_ELSEWHERE.values() for name in names)
# Shorter texts in a maker are words that sentences are put together of.
_WORDS_OF_A_SENTENCE = 4

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def connector_sentences() -> dict[str, str]:
    """Return every sentence with the file that says it."""
    found = {}
    for path, tree in _modules():
        for function in _functions(tree):
            for argument in _said(function):
                found |= dict.fromkeys(_texts(_resolved(argument, function)), path.name)
        for maker in ast.walk(tree):
            if isinstance(maker, Function | ast.ClassDef) and maker.name in _MAKERS:
                sentences = (text for text in _texts(maker) if len(text.split()) >= _WORDS_OF_A_SENTENCE)
                found |= dict.fromkeys(sentences, path.name)
    return found


def unknown_calls() -> list[str]:
    """Return the calls whose sentence is not beside them, and that ``MADE_ELSEWHERE`` does not name."""
    return [
        f"{path.name}, {function.name}: {ast.unparse(argument)}"
        for path, tree in _modules()
        for function in _functions(tree)
        for argument in _said(function)
        if not list(_texts(_resolved(argument, function))) and (path.name, function.name) not in MADE_ELSEWHERE
    ]


def _modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(CONNECTOR.glob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def _said(function: Function) -> Iterator[ast.expr]:
    """Yield the arguments of a function's calls that are said as a warning or an error."""
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        if name in SPEAKERS:
            yield call.args[0]
        elif name == "Notice" and ast.unparse(call.args[0]) != "Level.INFO":
            yield call.args[1]


def _resolved(argument: ast.expr, function: Function) -> ast.AST:
    """Return what a local name stands for, anything else as it is."""
    if isinstance(argument, ast.Name):
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == argument.id:
                return node.value
    return argument


def _texts(node: ast.AST) -> Iterator[str]:
    """Yield the texts below a node, each whole, docstrings left out."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
    elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)
