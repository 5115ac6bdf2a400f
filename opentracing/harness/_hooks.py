"""The methods that a subclass of the checks overrides, and what the checks share."""

from __future__ import annotations

import contextvars
import threading
import unittest
from asyncio import CancelledError
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from opentracing import ScopeManager, Tracer, logs, tags


class TracerHooks:
    """The methods that a test of a tracer overrides.

    Only `tracer` and `is_parent` must be. What 2.4 already asked for is on unless it is turned off;
    every other ``check_*`` goes beyond what the API promises of each tracer, and is off unless it
    is turned on: its checks are skipped then.
    """

    def tracer(self) -> Tracer:
        """The tracer to test: a new one, or the same each time."""
        raise NotImplementedError(f"{type(self).__name__} must override tracer()")

    def is_parent(self, parent: Any, span: Any) -> bool:
        """Whether `parent`, a span of this tracer, is the parent of `span`.

        With a `parent` of None: whether `span` is the root of a trace.
        """
        return False

    def check_baggage_values(self) -> bool:
        """Whether baggage is kept. A no-op tracer answers False: it is only called then."""
        return True

    def check_scope_manager(self) -> bool:
        """Whether spans have parents and the active span is kept; False for a no-op tracer."""
        return True

    def check_references(self) -> bool:
        """Whether `references` may be a single one, and one to None may stand before others."""
        return False

    def check_foreign_contexts(self) -> bool:
        """Whether another tracer's span as a parent starts a new trace, and raises nothing."""
        return False

    def check_errors(self) -> bool:
        """Whether an `Exception` that leaves a span is reported with `set_tag` and `log_kv`, and
        what is no `Exception`, such as a cancellation, is not.
        """
        return False

    def check_propagation(self) -> bool:
        """Whether a trace goes on from what `extract` returns, and `is_parent` can tell; and
        whether a carrier without a trace gives None or a `SpanContextCorruptedException`.
        """
        return False


class ScopeHooks:
    """The methods that a test of a scope manager overrides; only `scope_manager` must be.

    Every ``check_*`` goes beyond what the API promises, and is off unless it is turned on.
    """

    def scope_manager(self) -> ScopeManager:
        """The scope manager to test: a new one, or the same each time."""
        raise NotImplementedError(f"{type(self).__name__} must override scope_manager()")

    def run_test(self, test_fn: Callable[[], object]) -> None:
        """Run a check where the manager works, such as in a coroutine or a greenlet.

        Runs it in this thread unless overridden.
        """
        test_fn()

    def run_elsewhere(self, test_fn: Callable[[], object]) -> None:
        """Run a part of a check in another context than the one it is called in, to its end.

        Runs it on another thread, in a copy of this `contextvars` context, unless overridden.
        """
        failures: list[BaseException] = []

        def run() -> None:
            try:
                context.run(test_fn)
            except BaseException as error:
                failures.append(error)

        context = contextvars.copy_context()
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        for failure in failures:
            raise failure

    def check_errors(self) -> bool:
        """Whether what is no `Exception`, such as a cancellation, leaves no tag on the span."""
        return False

    def check_repeated_close(self) -> bool:
        """Whether closing a scope again does nothing."""
        return False

    def check_deferred_close(self) -> bool:
        """Whether a scope closed out of order ends when the inner ones do."""
        return False

    def check_close_elsewhere(self) -> bool:
        """Whether a scope may be closed in another context than the one it was activated in."""
        return False


NON_ERRORS = (GeneratorExit, CancelledError, KeyboardInterrupt, SystemExit)
"""Exceptions that leave spans in normal operation: none of these is an `Exception`."""


def beyond_the_contract(checked: bool, hook: str) -> None:
    """Skip the rest of a check that the subclass has not turned on."""
    if not checked:
        raise unittest.SkipTest(f"{hook}() is false")


def leave_by(block: AbstractContextManager[object], error: BaseException) -> None:
    """Raise `error` in a ``with`` block, and see it come out."""
    try:
        with block:
            raise error
    except BaseException as raised:
        if raised is not error:
            raise
    else:
        raise AssertionError(f"the block swallowed a {type(error).__name__}")


def assert_reported(error: Exception, set_tag: mock.Mock, log_kv: mock.Mock) -> None:
    """An exception that left a span or its scope is on the span: the tag, and one log."""
    assert mock.call(tags.ERROR, True) in set_tag.mock_calls, "the tag error is not set"
    assert log_kv.call_count == 1, f"log_kv was called {log_kv.call_count} times"
    args, kwargs = log_kv.call_args
    fields: Any = (*args, *kwargs.values())[0]
    expected = {
        logs.EVENT: "error",
        logs.MESSAGE: str(error),
        logs.ERROR_KIND: type(error),
        logs.ERROR_OBJECT: error,
    }
    found = {key: fields.get(key) for key in expected}
    assert found == expected, f"logged {fields!r}"
