"""FilterRecorder, which changes or drops finished spans on their way out; Redaction, for secrets.

`FilterRecorder` stands in front of another recorder, with a function of yours. The function gets
each finished span, may change it, and returns it, or None to drop it::

    from opentracing_recorder import BasicTracer, FilterRecorder, InMemoryRecorder, Redaction

    def business_only(span):
        if span.operation_name == "GET /health":
            return None  # dropped
        if span.operation_name.startswith("GET /orders/"):
            span.tags["order"] = span.operation_name.rpartition("/")[2]
            span.operation_name = "GET /orders/{order}"
        return span

    memory = InMemoryRecorder()  # in production: OTLPRecorder("shop")
    recorder = FilterRecorder(memory, business_only)
    tracer = BasicTracer(recorder)
    tracer.start_span("GET /health").finish()
    tracer.start_span("GET /orders/7").finish()

    (span,) = memory.spans
    assert (span.operation_name, span.tags) == ("GET /orders/{order}", {"order": "7"})
    assert recorder.counts.dropped == 1

`Redaction` is such a function. It replaces values that may hold a secret: passwords, tokens,
cookies and other credentials, and numbers of payment cards::

    memory = InMemoryRecorder()
    redaction = Redaction(keys=["iban"], patterns=[r"\\bcustomer-[0-9]+\\b"])
    tracer = BasicTracer(FilterRecorder(memory, redaction))
    tags = {
        "http.method": "POST",
        "http.url": "https://shop/pay?api_key=9f8e7d",
        "http.request.header.authorization": "Bearer 9f8e7d6c5b4a",
        "payment.iban": "DE75512108001245126199",
        "gen_ai.usage.input_tokens": 512,
    }
    with tracer.start_active_span("pay", tags=tags) as scope:
        scope.span.log_kv({"event": "refused", "message": "card 4111 1111 1111 1111 expired"})

    (span,) = memory.spans
    assert span.tags == {
        "http.method": "POST",
        "http.url": "[redacted]",
        "http.request.header.authorization": "[redacted]",
        "payment.iban": "[redacted]",
        "gen_ai.usage.input_tokens": 512,
    }
    assert span.logs[0].key_values["message"] == "[redacted]"

## The function

- It is called once for each finished, sampled span, on the thread that finished it, possibly on
  several at once. The application waits for it: be quick, and do no I/O.
- The span is a copy of its own, which is made when the function first reads it. It may change
  ``operation_name``, ``tags``, ``logs``, ``references`` and baggage. Neither the application nor
  any other recorder sees the change, whatever their order.
- The values of tags and log fields are the application's. Replace a list in a tag, and do not
  change it in place.
- The tags of a span that OpenTelemetry's API started include ``otel.status_description``. What the
  function does to that tag, and to the field ``event`` of a log, reaches the status and the name of
  the event. Its links are ``span.opentelemetry.links``, a tuple that may be replaced.

## Failures

If the function raises, or returns anything but a span or None, the span goes out without
tags, logs, baggage, status description and attributes of links, and with the name ``filter
failed``, as a name may hold a secret too. Its ids, references and times stay; so do the kind and
the status code of a span of OpenTelemetry's API. It is counted, and the exception is logged, at
most once a minute. The span never goes out as it was.

## What Redaction replaces

- By key: the value of a tag, log field, baggage item, attribute or item of a mapping with one of
  these words in its key, in any case and joined by ``-``, ``_``, ``.``, a space or nothing:
  authorization, cookie, password, passwd, passphrase, passcode, pwd, secret, token, credential,
  auth, JWT, CSRF, XSRF, OTP, PIN, SSN, CVV, CVC, card number, credit card, debit card; session id;
  API, access, account, private, secret, shared, session, signing or encryption key.
  ``session.id``, which OpenTelemetry defines, is kept. So are None, booleans, counts such as
  ``max_tokens`` and ``token_count``, and descriptions such as ``token_type``. In a mapping with
  the items ``name`` (or ``key``) and ``value``, the name is the key of the value.
- By pattern, anywhere in a text: such a key with its value (``password=...``, ``"token": "..."``,
  ``Cookie: ...``), ``Bearer`` and ``Basic`` credentials, JSON web tokens, URLs with a password or
  a signature, private keys, tokens of well-known services, and card numbers of 13 to 19 digits,
  with or without separators, that have the prefix, the length and the check digit of one.
- A value is replaced whole, and never half shown: a URL, an SQL statement or a stack that has a
  secret in it is gone. Placeholders, as in ``password = ?``, are no secrets; nor are variables in
  the lines of source code of a stack, as in ``login(password=password)``.
- It looks into lists and mappings, down to 8 levels and 10,000 parts of a span; what lies beyond is
  replaced. So is a text of more than 2,000,000 characters. An object that is no text, number, list,
  mapping or exception becomes one or a text first: what was searched is what goes out.

## Options of Redaction

- `keys`: more words, such as ``"iban"`` or ``"customer name"`` (default: none).
- `patterns`: more regular expressions, as text or compiled (default: none). They must not backtrack
  without end.
- `kept_keys`: whole keys whose values are searched by pattern alone, such as ``"feature.token"``
  (default: none).
- `replacement`: ``"[redacted]"`` by default.
- `defaults`: False leaves out the default keys and patterns (default: True).

`Redaction.redacted` shows in a test what becomes of a value. No list is complete: a secret under an
ordinary key, in a form that nobody knows, is not found. Do not put secrets into spans.

## What to watch

``recorder.counts`` has `recorded`, `passed`, `dropped` and `failed`; the first is
the sum of the others. ``recorder.stats`` is the other recorder's. Alert if `failed` grows.

## What is lost

The spans that the function drops, and the values of spans for which it fails.

## With other recorders

Recorders wrap each other. A `FilterRecorder` belongs next to the recorder that sends. With a
`CompositeRecorder`, wrap each recorder that needs it, or all of them at once::

    from opentracing_recorder import CompositeRecorder

    local = InMemoryRecorder()  # stays in this process, unchanged
    sent = FilterRecorder(InMemoryRecorder(), redaction)
    tracer = BasicTracer(CompositeRecorder([local, sent]))
    tracer.start_span("login", tags={"password": "hunter2"}).finish()
    assert local.spans[0].tags == {"password": "hunter2"}
    assert sent.recorder.spans[0].tags == {"password": "[redacted]"}

Two functions are two recorders: ``FilterRecorder(FilterRecorder(memory, second), first)``. If the
other recorder has a `span_started`, that gets the application's span at its start, before any
filter.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_instance
from ._failure_log import FailureLog
from ._filter_copy import Untouched, bare_copy, made, own_copy, settle
from ._filter_redaction import Redaction
from ._living import Living
from ._wrapping import Wrapping
from .recorder import Recorder
from .span import BasicSpan, StartedSpan

__all__ = ["FilterCounts", "FilterRecorder", "Redaction"]


class FilterCounts(NamedTuple):
    """The number of spans so far, in this process: `recorded` is the sum of the others."""

    recorded: int
    """Spans that came."""

    passed: int
    """Spans handed on as the function returned them."""

    dropped: int
    """Spans for which the function returned None."""

    failed: int
    """Spans handed on without values, as the function failed."""


class FilterRecorder(Wrapping):
    """Hands each span on to another recorder as a function returns it. Safe from any thread.

    The function gets a copy of its own, and returns it, or None to drop the span. If it fails, the
    span is handed on with nothing but ids and times.
    """

    def __init__(
        self, recorder: Recorder, function: Callable[[BasicSpan], BasicSpan | None]
    ) -> None:
        super().__init__(recorder)
        check_instance("function", function)
        if not callable(function):
            raise TypeError(f"function must be callable, not {type(function).__name__}")
        self._function = function
        self._failures = FailureLog(self)
        self._count_anew()
        _living.add(self)

    def _count_anew(self) -> None:
        # `next` is one atomic step, so nothing goes uncounted.
        self._passed, self._dropped, self._failed = count(), count(), count()

    @property
    def function(self) -> Callable[[BasicSpan], BasicSpan | None]:
        """The function."""
        return self._function

    @property
    def counts(self) -> FilterCounts:
        """The number of spans so far, in this process."""
        passed, dropped, failed = map(_number, (self._passed, self._dropped, self._failed))
        return FilterCounts(passed + dropped + failed, passed, dropped, failed)

    def record_span(self, span: BasicSpan) -> None:
        function = self._function  # called faster than an attribute
        handed_on: BasicSpan | None = span
        try:
            if type(span) is StartedSpan:
                own = Untouched()
                own._started = span  # type: ignore[assignment]
            else:
                own = own_copy(span)
            given = function(own)
            if given is not own or type(own) is not Untouched:
                handed_on = _settled(given)
        except Exception:
            try:
                reraise_interrupt()
            finally:
                self._record_bare(span)
            return
        except BaseException:
            self._record_bare(span)
            raise
        if handed_on is None:
            next(self._dropped)
            return
        next(self._passed)
        self.recorder.record_span(handed_on)

    def _record_bare(self, span: BasicSpan) -> None:
        next(self._failed)
        try:
            self._failures.report("function")
        finally:
            self.recorder.record_span(bare_copy(span))


def _settled(given: BasicSpan | None) -> BasicSpan | None:
    """What the function has returned, if that is its own span with changes, another one or None."""
    if given is None:
        return None
    if not isinstance(given, BasicSpan):
        raise TypeError(f"the function must return a span or None, not {type(given).__name__}")
    given = made(given)
    settle(given)
    return given


def _number(counted: count[int]) -> int:
    return int(repr(counted)[len("count(") : -1])  # the one way to read it that does not count


_living = Living(FilterRecorder._count_anew)
