"""The methods that a subclass of the checks overrides, and functions that the checks share."""

from __future__ import annotations

import contextvars
import unittest
from asyncio import CancelledError
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock

from opentracing import ScopeManager, Tracer, logs, tags


class TracerHooks:
    """The methods that the test of a tracer overrides; `tracer` and `is_parent` are required.

    The checks of 2.4 are on by default. Every other ``check_*`` goes beyond the contract of a
    tracer, and is off by default: its checks are skipped.
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
        """Whether the tracer keeps baggage. With False, baggage is set but not read."""
        return True

    def check_scope_manager(self) -> bool:
        """Whether spans have parents, and the tracer keeps an active span."""
        return True

    def check_references(self) -> bool:
        """Whether `references` may be a single one, or begin with a reference to None."""
        return False

    def check_foreign_contexts(self) -> bool:
        """Whether another tracer's span as a parent starts a new trace, and raises nothing."""
        return False

    def check_errors(self) -> bool:
        """Whether a span reports an `Exception` that leaves it, with `set_tag` and `log_kv`, and
        does not report other exceptions, such as a cancellation.
        """
        return False

    def check_propagation(self) -> bool:
        """Whether `is_parent` holds for a child of an extracted context, and a carrier without a
        trace gives None or a `SpanContextCorruptedException`.
        """
        return False


class ScopeHooks:
    """The methods that the test of a scope manager overrides; only `scope_manager` is required.

    Every ``check_*`` goes beyond the contract, and is off by default: its checks are skipped.
    """

    def scope_manager(self) -> ScopeManager:
        """The scope manager to test: a new one, or the same each time."""
        raise NotImplementedError(f"{type(self).__name__} must override scope_manager()")

    def run_test(self, test_fn: Callable[[], object]) -> None:
        """Run a check in the manager's runtime, such as in a coroutine or a greenlet.

        By default, runs it in this thread.
        """
        test_fn()

    def run_elsewhere(self, test_fn: Callable[[], object]) -> None:
        """Run a part of a check in another context, and wait for its end.

        By default, runs it on another thread, in a copy of the current `contextvars` context.
        """
        with ThreadPoolExecutor(1) as pool:
            pool.submit(contextvars.copy_context().run, test_fn).result()

    def check_errors(self) -> bool:
        """Whether exceptions that are no `Exception`, such as a cancellation, set no tag."""
        return False

    def check_repeated_close(self) -> bool:
        """Whether closing a scope again does nothing."""
        return False

    def check_deferred_close(self) -> bool:
        """Whether a scope closed out of order ends when the inner ones have ended."""
        return False

    def check_close_elsewhere(self) -> bool:
        """Whether a scope may be closed in a context that it was not activated in."""
        return False


NON_ERRORS = (GeneratorExit, CancelledError, KeyboardInterrupt, SystemExit)
"""Exceptions that leave spans in normal operation; none is an `Exception`."""


def beyond_the_contract(hooks: TracerHooks | ScopeHooks, hook: str) -> None:
    """Skip the rest of a check that the subclass has not turned on by its method `hook`."""
    if not getattr(hooks, hook)():
        raise unittest.SkipTest(f"{hook}() is false")


def leave_by(block: AbstractContextManager[object], error: BaseException) -> None:
    """Raise `error` in a ``with`` block, and fail if the block swallows it."""
    try:
        with block:
            raise error
    except BaseException as raised:
        if raised is not error:
            raise
    else:
        raise AssertionError(f"the block swallowed a {type(error).__name__}")


def assert_reported(error: Exception, set_tag: mock.Mock, log_kv: mock.Mock) -> None:
    """Fail if the span does not report `error`: by the tag ``error``, and by one log."""
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
