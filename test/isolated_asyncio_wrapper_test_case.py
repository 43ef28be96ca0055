"""The test base class that Hummingbot's connector conformance suite imports from the repository it is run in.

`hummingbot.connector.test_support.exchange_connector_test` ships in Hummingbot's wheel but imports
`test.isolated_asyncio_wrapper_test_case`, which does not: this is our own module under that name.
"""

import asyncio
import unittest
from collections.abc import Awaitable, Iterable
from typing import Any


class IsolatedAsyncioWrapperTestCase(unittest.IsolatedAsyncioTestCase):
    """An `IsolatedAsyncioTestCase` whose thread has a current event loop before, between and after its tests.

    Hummingbot's objects ask for the current loop when they are built, also in `setUpClass`; the standard class gives
    each test a loop of its own and afterwards leaves the thread without any, so that the next test module would fail.
    """

    _loop_around_tests: asyncio.AbstractEventLoop

    @classmethod
    def setUpClass(cls) -> None:
        """Give the class a loop, current whenever none of its tests runs."""
        super().setUpClass()
        cls._loop_around_tests = asyncio.new_event_loop()
        asyncio.set_event_loop(cls._loop_around_tests)

    @classmethod
    def tearDownClass(cls) -> None:
        """Close the loop of the class and leave a fresh one to whoever comes next."""
        cls._loop_around_tests.close()
        asyncio.set_event_loop(asyncio.new_event_loop())
        super().tearDownClass()

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test in a loop of its own, then make the loop of the class current again."""
        try:
            return super().run(result)
        finally:
            asyncio.set_event_loop(self._loop_around_tests)

    def run_async_with_timeout(self, coroutine: Awaitable[Any], timeout: float = 1.0) -> Any:
        """Run `coroutine` from a synchronous test and return its result; `TimeoutError` after `timeout` seconds."""

        async def bounded() -> Any:
            return await asyncio.wait_for(coroutine, timeout)

        return asyncio.get_event_loop().run_until_complete(bounded())

    @staticmethod
    async def await_task_completion(tasks: "asyncio.Task[Any] | Iterable[asyncio.Task[Any]] | None") -> None:
        """Wait until `tasks` are done, cancelled or failed; how they ended is the test's to look at."""
        waited_for = [tasks] if isinstance(tasks, asyncio.Task) else list(tasks or ())
        if waited_for:
            await asyncio.wait(waited_for)
