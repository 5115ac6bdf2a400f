"""Checks of a single span: its setters, its end, and exceptions that leave it."""

from __future__ import annotations

import time
from unittest import mock

from opentracing import SpanContext, tags

from ._hooks import NON_ERRORS, TracerHooks, assert_reported, beyond_the_contract, leave_by


class SpanChecks(TracerHooks):
    """The checks of `APICompatibilityCheckMixin` that need one span."""

    def test_start_span(self) -> None:
        """A span starts with a name and tags; `finish` or the end of its block finishes it."""
        tracer = self.tracer()
        tracer.start_span(operation_name="order").finish()
        with tracer.start_span(operation_name="order", tags={"table": "7"}) as span:
            span.log_event("served", payload={"dish": "soup", "course": "first"})

    def test_start_span_with_times(self) -> None:
        """Start and finish accept an explicit time, in seconds since the epoch."""
        tracer = self.tracer()
        now = time.time()
        tracer.start_span("order", start_time=now - 1).finish(now)
        tracer.start_span("order", start_time=now - 1).finish(finish_time=now)
        with tracer.start_active_span("order", start_time=now, finish_on_close=False) as scope:
            scope.span.finish(now)

    def test_set_operation_name(self) -> None:
        """A span may be started without a name, and named later."""
        self.tracer().start_span().set_operation_name("order").finish()

    def test_span_as_context_manager(self) -> None:
        """The end of its block finishes a span; an exception propagates."""
        span = self.tracer().start_span(operation_name="order")
        with mock.patch.object(span, "finish") as finish, span:
            pass
        assert finish.call_count == 1, f"finish was called {finish.call_count} times"
        self._assert_finished_after(ValueError("sold out"))

    def test_span_left_by_non_error(self) -> None:
        """Cancellation, generator exit and interpreter exit finish the span, and propagate."""
        for kind in NON_ERRORS:
            self._assert_finished_after(kind())

    def test_span_as_async_context_manager(self) -> None:
        """``async with`` does what ``with`` does."""
        span = self.tracer().start_span(operation_name="order")

        async def run(error: Exception | None) -> None:
            async with span as entered:
                assert entered is span, f"the block is given {entered!r}"
                if error is not None:
                    raise error

        for error in (None, ValueError("sold out")):
            outcome: Exception | None = None
            with mock.patch.object(span, "finish") as finish:
                try:
                    run(error).send(None)
                except StopIteration:  # the end of the coroutine
                    pass
                except ValueError as raised:
                    outcome = raised
            assert outcome is error, f"the block was left by {outcome!r}"
            assert finish.call_count == 1, f"finish was called {finish.call_count} times"

    def _assert_finished_after(self, error: BaseException) -> None:
        span = self.tracer().start_span(operation_name="order")
        with mock.patch.object(span, "finish") as finish:
            leave_by(span, error)
        assert finish.call_count == 1, f"{type(error).__name__}: {finish.call_count} times"

    def test_span_error_is_reported(self) -> None:
        """An exception sets the tag ``error`` and logs its message, kind and object."""
        beyond_the_contract(self, "check_errors")
        span = self.tracer().start_span(operation_name="order")
        error = ValueError("sold out")
        with (
            mock.patch.object(span, "set_tag") as set_tag,
            mock.patch.object(span, "log_kv") as log_kv,
        ):
            leave_by(span, error)
        assert_reported(error, set_tag, log_kv)

    def test_recorded_exception_is_reported(self) -> None:
        """`record_exception` reports as leaving the block does, and does not finish the span."""
        beyond_the_contract(self, "check_errors")
        span = self.tracer().start_span(operation_name="order")
        error = ValueError("sold out")
        with (
            mock.patch.object(span, "finish") as finish,
            mock.patch.object(span, "set_tag") as set_tag,
            mock.patch.object(span, "log_kv") as log_kv,
        ):
            for each in NON_ERRORS:
                span.record_exception(each())
            assert not set_tag.called, "an exception that is no Exception counts as an error"
            returned = span.record_exception(error)
        assert returned is span, "record_exception does not return the span"
        assert not finish.called, "record_exception finishes the span"
        assert_reported(error, set_tag, log_kv)

    def test_span_non_error_is_not_reported(self) -> None:
        """An exception that is no `Exception` does not set the tag ``error``."""
        beyond_the_contract(self, "check_errors")
        for kind in NON_ERRORS:
            span = self.tracer().start_span(operation_name="order")
            with mock.patch.object(span, "set_tag") as set_tag:
                leave_by(span, kind())
            found = [each.args[0] for each in set_tag.mock_calls]
            assert tags.ERROR not in found, f"{kind.__name__} counts as an error"

    def test_span_tag_value_types(self) -> None:
        """Tags are numbers, bools and strings."""
        with self.tracer().start_span(operation_name="order") as span:
            span.set_tag("a_number", 9).set_tag("a_float", 0.5)
            span.set_tag("a_bool", True).set_tag("a_string", "soup")

    def test_span_tags_with_chaining(self) -> None:
        """Keys and values of tags may have any characters, and calls can be chained."""
        with self.tracer().start_span(operation_name="order") as span:
            span.set_tag("dish", "soup").set_tag("loves", "salt")
            span.set_tag("unicode_value", "\u200b\xe9").set_tag("unicode_key_\u200b", "ascii")

    def test_set_tags(self) -> None:
        """`set_tags` takes several tags at once."""
        with self.tracer().start_span(operation_name="order") as span:
            span.set_tags({"dish": "soup", "a_number": 9}).set_tags({})

    def test_is_recording(self) -> None:
        """`is_recording` is true or false, for an open span and a finished one."""
        with self.tracer().start_span(operation_name="order") as span:
            found = [span.is_recording()]
        found.append(span.is_recording())
        assert {type(each) for each in found} == {bool}, f"found {found!r}"

    def test_setters_return_the_span(self) -> None:
        """Every setter returns the span it was called on."""
        with self.tracer().start_span(operation_name="order") as span:
            returned = {
                "set_operation_name": span.set_operation_name("bill"),
                "set_tag": span.set_tag("dish", "soup"),
                "log_kv": span.log_kv({"event": "served"}),
                "set_baggage_item": span.set_baggage_item("guest", "amy"),
            }
        wrong = [name for name, each in returned.items() if each is not span]
        assert wrong == [], f"these do not return the span: {', '.join(wrong)}"

    def test_span_logs(self) -> None:
        """Logs have fields and a time; the deprecated spellings work."""
        with self.tracer().start_span(operation_name="order") as span:
            span.log_kv({"event": "served", "seats": 2})
            span.log_kv({"event": "paid", "sum": 12.5}, time.time())
            span.log_event("served", {"seats": 2}).log_event("paid", 12.5).log_event("left")
            span.log(event="served").log(payload={"seats": 2})
            span.log(timestamp=time.time(), event="paid", payload={"sum": 12.5})

    def test_context_after_finish(self) -> None:
        """A finished span still has its context."""
        span = self.tracer().start_span(operation_name="order")
        span.finish()
        found = span.context
        assert isinstance(found, SpanContext), f"the context is {found!r}"

    def test_span_baggage(self) -> None:
        """A new root has no baggage; an item that is set can be read from the span."""
        with self.tracer().start_span(operation_name="order") as span:
            assert span.context.baggage == {}, f"found {span.context.baggage!r}"
            returned = span.set_baggage_item("Guest-of", "Amy")
            assert returned is span, "set_baggage_item does not return the span"
            value = span.get_baggage_item("Guest-of")
            if self.check_baggage_values():
                assert value == "Amy", f"found {value!r}"

    def test_context_baggage(self) -> None:
        """Baggage that is set on a span is in its context."""
        with self.tracer().start_span(operation_name="order") as span:
            assert span.context.baggage == {}, f"found {span.context.baggage!r}"
            span.set_baggage_item("Guest-of", "Amy")
            if self.check_baggage_values():
                found = span.context.baggage
                assert found == {"Guest-of": "Amy"}, f"found {found!r}"
