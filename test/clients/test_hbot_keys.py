"""`hbot connect` tries what it stored: for each thing that can be wrong with keys, a sentence that says what to do."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from test.clients.exchange import Exchange
from test.clients.workspace import EVERYTHING, with_password

DOMAIN = "valr_loopback"
ALL_IN_ONE = """
import contextlib, io, json, sys
from pathlib import Path

import eth_keyfile.keyfile

from hummingbot_valr import hbot

used = hbot.use_workspace(Path.cwd())
import hummingbot.client.settings
from hummingbot.client.config import config_helpers

# Half a second for each secret, otherwise.
eth_keyfile.keyfile.get_default_work_factor_for_kdf = lambda kdf: 2

hbot.use_workspace = lambda path: used  # a process can use one, and once


def full(path, mode="r", **options):
    # As on a full disk: the file is emptied, and cannot be written.
    file = open(path, mode, **options)
    if "w" in mode and str(path) == case["file"]:
        file.close()
        raise OSError(28, "No space left on device")
    return file


for case in json.load(sys.stdin):
    sys.stdin, said, complained, code = io.StringIO(case["stdin"]), io.StringIO(), io.StringIO(), 0
    if case["sub_account"]:
        text = open(case["file"]).read()
        open(case["file"], "w").write(text.replace("sub_account_id: ''", "sub_account_id: " + case["sub_account"]))
    config_helpers.open = full if case["full"] else open
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        try:
            hbot.main(["connect", case["domain"], "--keys-stdin", "--replace"])
        except SystemExit as end:
            code = end.code
            if isinstance(code, str):
                print(code, file=sys.stderr)
                code = 1
    result = {"code": code or 0, "said": said.getvalue(), "complained": complained.getvalue()}
    print(json.dumps(result | {"file": open(case["file"]).read()}), file=sys.__stdout__, flush=True)
"""


class Answer(NamedTuple):
    code: int
    said: str
    complained: str
    file: str


CASES = (
    "good",
    "wrong key",
    "wrong secret",
    "part of a key",
    "part of a secret",
    "the key twice",
    "without Trade",
    "another address",
    "nobody there",
    "another's sub-account",
    "a full disk",
)


def run_hbot(home: Path, environment: dict[str, str], cases: list[dict[str, Any]]) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", ALL_IN_ONE],
        cwd=home,
        env=with_password(environment),
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, offline_environment: dict[str, str]) -> dict[str, Answer]:
    home = tmp_path_factory.mktemp("keys")
    with Exchange() as exchange:
        good, view, elsewhere = exchange.key, exchange.view_only, exchange.elsewhere
        keys = {
            "good": (good.key, good.secret, exchange.url),
            "wrong key": ("0" * 64, good.secret, exchange.url),
            "wrong secret": (good.key, view.secret, exchange.url),
            "part of a key": (good.key[1:], good.secret, exchange.url),
            "part of a secret": (good.key, good.secret[:-1], exchange.url),
            "the key twice": (good.key, good.key, exchange.url),
            "without Trade": (view.key, view.secret, exchange.url),
            "another address": (elsewhere.key, elsewhere.secret, exchange.url),
            "nobody there": (good.key, good.secret, "http://127.0.0.1:9"),
            "another's sub-account": (good.key, good.secret, exchange.url),
            "a full disk": (view.key, view.secret, exchange.url),
        }
        file = str(home / "conf" / "connectors" / f"{DOMAIN}.yml")
        cases: list[dict[str, Any]] = [
            {
                "domain": DOMAIN,
                "file": file,
                "full": name == "a full disk",
                "sub_account": "'12345'" if name == "another's sub-account" else "",
                "stdin": json.dumps(
                    dict(
                        zip([f"{DOMAIN}_{each}" for each in ("api_key", "api_secret", "url")], keys[name], strict=True)
                    )
                ),
            }
            for name in CASES
        ]
        # All in one process, since Hummingbot takes seconds to load, or each in its own.
        rounds = [[case] for case in cases] if EVERYTHING else [cases]
        output = "".join(run_hbot(home, offline_environment, these) for these in rounds)
        secrets = {good.secret, view.secret, elsewhere.secret}
    assert not any(secret in output for secret in secrets)
    rows = [json.loads(line) for line in output.splitlines()]
    return {name: Answer(**row) for name, row in zip(CASES, rows, strict=True)}


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("wrong key", "VALR does not accept the signature."),
        ("wrong secret", "belong to"),
        ("part of a key", "The API key has 63 characters where VALR's have 64: it was probably not copied completely."),
        ("part of a secret", "The API secret has 63 characters where VALR's have 64"),
        ("the key twice", "The API key and the API secret are the same text."),
        ("without Trade", "The API key lacks the permission Trade. Make a key with View access and Trade on VALR"),
        ("another address", "VALR does not accept the API key from this machine's IP address. Add the address to the"),
        ("another's sub-account", "VALR refuses the key for sub-account 12345 (but not for its own account)"),
    ],
)
def test_unusable_keys_are_said_to_be_so(answers: dict[str, Answer], case: str, sentence: str) -> None:
    answer = answers[case]
    assert answer.code == 1
    assert sentence in answer.complained
    assert "The keys are stored all the same. `hbot connect valr_loopback --replace` stores others" in answer.complained


def test_every_trouble_has_words_of_its_own(answers: dict[str, Answer]) -> None:
    # VALR answers a key that it does not know as it answers a wrong secret.
    told = [answer.said + answer.complained for case, answer in answers.items() if case != "wrong secret"]
    assert len(set(told)) == len(told)


def test_good_keys_are_said_to_be_good(answers: dict[str, Answer]) -> None:
    answer = answers["good"]
    assert answer.code == 0
    assert "The keys are good. They permit: View access, Trade" in answer.said
    assert "`hbot config rate_oracle_source.name valr_loopback`" in answer.said


def test_an_exchange_that_does_not_answer_says_nothing_about_the_keys(answers: dict[str, Answer]) -> None:
    answer = answers["nobody there"]
    assert answer.code == 0
    assert "The keys could not be tried." in answer.said


def test_options_beside_the_keys_survive_a_replacement(answers: dict[str, Answer]) -> None:
    assert "sub_account_id: '12345'" in answers["another's sub-account"].file


def test_keys_that_are_not_stored_are_not_called_good(answers: dict[str, Answer]) -> None:
    answer = answers["a full disk"]
    assert answer.code == 1
    assert "The keys" not in answer.said
    assert "valr_loopback.yml: nothing was stored: [Errno 28] No space left on device." in answer.complained
    assert "Traceback" not in answer.complained
    assert answer.file == answers["another's sub-account"].file, "what was there before stays"
