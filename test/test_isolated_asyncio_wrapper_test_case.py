"""The shim under the conformance suite: a current loop at every moment, and helpers that end."""

import asyncio
import unittest

import pytest

from test.isolated_asyncio_wrapper_test_case import IsolatedAsyncioWrapperTestCase


class _Sample(IsolatedAsyncioWrapperTestCase):
    loops: list[asyncio.AbstractEventLoop]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.loops = [asyncio.get_event_loop()]

    async def test_asynchronous(self) -> None:
        self.loops.append(asyncio.get_running_loop())

    def test_synchronous(self) -> None:
        self.loops.append(asyncio.get_event_loop())
        assert self.run_async_with_timeout(asyncio.sleep(0, "done")) == "done"
        with pytest.raises(TimeoutError):
            self.run_async_with_timeout(asyncio.Event().wait(), timeout=0.01)

    async def test_waits_for_tasks(self) -> None:
        async def fail() -> None:
            raise ValueError("seen by the test only")

        failing, sleeping = asyncio.create_task(fail()), asyncio.create_task(asyncio.Event().wait())
        await self.await_task_completion(failing)
        assert isinstance(failing.exception(), ValueError)
        sleeping.cancel()
        await self.await_task_completion([sleeping, failing])
        assert sleeping.cancelled()
        await self.await_task_completion(None)


def test_the_thread_has_a_loop_before_between_and_after_the_tests() -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(_Sample).run(result)
    assert result.testsRun == 3
    assert result.wasSuccessful(), result.failures + result.errors
    around, *inside = _Sample.loops
    assert around.is_closed()
    assert len({around, *inside}) == 3, "each test has its own loop"
    assert not asyncio.get_event_loop().is_closed()


def test_hummingbots_conformance_suite_imports() -> None:
    from hummingbot.connector.test_support.exchange_connector_test import AbstractExchangeConnectorTests

    assert issubclass(AbstractExchangeConnectorTests.ExchangeConnectorTests, IsolatedAsyncioWrapperTestCase)
