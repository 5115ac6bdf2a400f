"""TornadoScopeManager and tracer_stack_context: for programs that were written for Tornado.

Tornado 6 and later runs on contextvars; new programs need no more than `ContextVarsScopeManager`.
Tornado 4.5 and 5 carry the active span in their stack contexts, and only from a
`tracer_stack_context` on, as with opentracing 2.4. Needs ``opentracing[tornado]``::

    from tornado import gen, ioloop

    from opentracing.scope_managers.tornado import TornadoScopeManager, tracer_stack_context
    from opentracing_recorder import BasicTracer, InMemoryRecorder

    tracer = BasicTracer(InMemoryRecorder(), scope_manager=TornadoScopeManager())

    @gen.coroutine
    def fetch():
        tracer.start_span("fetch").finish()  # a child of "handle"

    @gen.coroutine
    def handle():
        with tracer.start_active_span("handle"):
            yield [fetch(), fetch()]

    with tracer_stack_context():
        ioloop.IOLoop().run_sync(handle)
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from .contextvars import ContextVarsScopeManager, no_parent_scope

try:
    import tornado  # type: ignore[import, unused-ignore]
except ImportError as _error:
    raise ImportError(
        f"TornadoScopeManager needs Tornado ({_error}); install opentracing[tornado]",
        name="tornado",
    ) from _error

TYPE_CHECKING = False


class TornadoScopeManager(ContextVarsScopeManager):
    """Keeps the active scope in the current context: that of a coroutine or a callback.

    Coroutines and callbacks inherit the scope that is active when they are made, so their spans are
    its children. Any number of them may run at once::

        @gen.coroutine
        def handle():
            with tracer.start_active_span("handle"):
                yield [fetch(1), fetch(2)]  # spans started in fetch are children

        with tracer_stack_context():
            loop.add_callback(handle)  # does not inherit the span that is active here
    """


class ThreadSafeStackContext(threading.local):
    """Enters a new context manager of `context_factory()` for each ``with`` block.

    It has the name that it had in 2.4. Many threads may enter it at once, and each of them more
    than once, in nested blocks.
    """

    # Each thread calls it again, and has its own attributes. In 2.4 the arguments went to Tornado's
    # StackContext, which took one, `context_factory`.
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        (self.context_factory,) = (*args, *kwargs.values())
        self.contexts: list[AbstractContextManager[Any]] = []

    def __enter__(self) -> Any:
        context = self.context_factory()
        entered = context.__enter__()
        self.contexts.append(context)
        return entered

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return self.contexts.pop().__exit__(exc_type, exc_val, exc_tb)


def tracer_stack_context() -> ThreadSafeStackContext:
    """A ``with`` block with scopes of its own, for the work of a request or a callback::

        def on_message(message):
            with tracer_stack_context():
                scope = tracer.start_active_span("message")
                loop.add_callback(handle, message, scope)  # closes the scope when it is done

    No span is active at the start of the block, and its active scope is not active after it.
    Coroutines and callbacks inherit the scope that is active when they start. A native coroutine
    starts when it is awaited or made a task, so do that inside the block.
    """
    return ThreadSafeStackContext(no_parent_scope)


if not TYPE_CHECKING and tornado.version_info < (6,):
    from ._tornado_stack_contexts import ThreadSafeStackContext as ThreadSafeStackContext
    from ._tornado_stack_contexts import TornadoScopeManager as TornadoScopeManager
    from ._tornado_stack_contexts import tracer_stack_context as tracer_stack_context
