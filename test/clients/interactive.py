"""Hummingbot's interactive client, as somebody sits before it."""

import re

from test.clients.terminal import HEIGHT, PATIENCE, Terminal

_INPUT_LINES = 11
"""How many lines the prompt and the footer take at the bottom of the screen."""


class Client:
    """The client in a terminal. The log pane is closed, so that the output has the whole width."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._command = ""

    def wait_until_started(self) -> None:
        self._terminal.wait_until(lambda screen: "Useful Commands" in screen, "the client")
        self.close_right_pane()

    def close_right_pane(self) -> None:
        """Close the pane of the logs, and of what is opened beside them."""
        self._terminal.press("C-t")
        self._terminal.wait_until(lambda screen: "logs" not in screen.split("\n")[1], "the output alone")

    def command(self, text: str) -> None:
        """Give a command."""
        self.answer("", text)
        self._command = text

    def answer(self, question: str, reply: str, erase: str = "") -> None:
        """Answer the question at the prompt, after erasing the end of what is suggested."""
        self._wait_for_prompt(question, erase)
        if erase:
            self._terminal.press(*["BSpace"] * len(erase))
        if reply:
            self._terminal.type(reply)
            self._wait_for_prompt(question, reply)
        self._terminal.press("Enter")

    def _wait_for_prompt(self, question: str, given: str) -> None:
        what = f"the prompt {question!r} with {given!r}"
        self._terminal.wait_until(lambda screen: _asks(screen, question, given), what)

    def wait_for(self, text: str, seconds: float = PATIENCE) -> str:
        """Return the output of the last command once it has ``text``, however that is broken into lines.

        Presses Ctrl-G meanwhile, which closes the menu of completions over it.
        """

        def is_there(screen: str) -> bool:
            if _has(self._result(screen), text):
                return True
            self._terminal.press("C-g")
            return False

        return self._result(self._terminal.wait_until(is_there, repr(text), seconds))

    def wait_for_live(self, *texts: str, seconds: float = PATIENCE) -> str:
        """Return the screen, without the header and the prompt, once what is live on it has all these texts."""
        shown = self._terminal.wait_until(
            lambda screen: all(_has(screen, text) for text in texts), repr(texts), seconds
        )
        return output_of(shown)

    def wait_for_right_pane(self, *texts: str) -> str:
        """Return the right pane, without its tabs, once it has all these texts."""
        shown = self._terminal.wait_until(lambda screen: all(_has(screen, text) for text in texts), repr(texts))
        lines = shown.split("\n")[1 : HEIGHT - 1]
        column = lines[0].index("logs") - 1
        return "\n".join(_without_scroll_bar(line[column:]) for line in lines[1:])

    def discard(self, text: str) -> None:
        """Type something and take it back, with Ctrl-U."""
        self._terminal.type(text)
        self._wait_for_prompt("", text)
        self._terminal.press("C-u")
        self._wait_for_prompt("", "")

    def end_live(self, said: str) -> None:
        """End what is shown live, as the screen says: with Escape."""
        self._terminal.press("Escape")
        self.wait_for(said)

    def _result(self, screen: str) -> str:
        return output_of(screen).rpartition(f">>>  {self._command}")[2]


def output_of(screen: str) -> str:
    """Return the output pane's part of a screen."""
    return "\n".join(_without_scroll_bar(line) for line in screen.split("\n")[1 : HEIGHT - _INPUT_LINES])


def prompt_of(screen: str) -> str:
    """Return the prompt's part of a screen."""
    return "\n".join(_without_scroll_bar(line) for line in screen.split("\n")[HEIGHT - _INPUT_LINES : HEIGHT - 1])


def _without_scroll_bar(line: str) -> str:
    return re.sub(r"\s+[v^]$", "", line)


def _asks(screen: str, question: str, given: str) -> bool:
    asked, _, text = _squeezed(prompt_of(screen)).partition(">>>")
    if question == given == "":
        return not asked and not text
    return _squeezed(question) in asked and text.endswith((_squeezed(given), "*" * len(given)))


def _has(screen: str, text: str) -> bool:
    return _squeezed(text) in _squeezed(screen)


def _squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)
