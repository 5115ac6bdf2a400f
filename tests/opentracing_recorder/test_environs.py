"""Environs and environments: what in them is a header, and what a variable of the process."""

from __future__ import annotations

import os
import subprocess
import sys
import wsgiref.util
from collections.abc import Callable
from typing import Any

import pytest

from opentracing import Format
from opentracing.mocktracer.text_propagator import TextPropagator as MockTextPropagator
from opentracing_recorder import BasicSpanContext, BasicTracer, TraceContextPropagator

from .. import formats

OF_THE_REQUEST = BasicSpanContext(0xA1, 0xB2, {"user": "amy"})
OF_THE_PROCESS = BasicSpanContext(0xC3, 0xD4, {"role": "admin"})

FORMATS: dict[str, Any] = {
    **formats.FORMATS,
    "composite": formats.COMPOSITE,
    "mock": MockTextPropagator(),
}
every_format = pytest.mark.parametrize("propagator", FORMATS.values(), ids=FORMATS)


class Environment(dict[str, Any]):
    """The shape of `os.environ`, which is no plain dict."""


def wsgi() -> dict[str, Any]:
    environ: dict[str, Any] = {"wsgi.input": None}
    wsgiref.util.setup_testing_defaults(environ)
    return {**environ, "wsgi.errors": None}


ENVIRONS: dict[str, Callable[[], dict[str, Any]]] = {
    "wsgiref": wsgi,
    "a framework's": lambda: {"REQUEST_METHOD": "GET", "PATH_INFO": "/"},
    "no plain dict": lambda: Environment(wsgi()),
}
every_environ = pytest.mark.parametrize("make_environ", ENVIRONS.values(), ids=ENVIRONS)


def injected(propagator: Any, context: BasicSpanContext) -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagator.inject(context, carrier)
    return carrier


def as_headers(propagator: Any, context: BasicSpanContext) -> dict[str, str]:
    names = injected(propagator, context).items()
    return {"HTTP_" + name.upper().replace("-", "_"): value for name, value in names}


def as_variables(propagator: Any) -> dict[str, str]:
    """Variables of a parent process, in both cases, with names of shells and of the formats."""
    entries = injected(propagator, OF_THE_PROCESS)
    return {**entries, **{name.upper(): value for name, value in entries.items()}}


def read(propagator: Any, carrier: Any) -> Any:
    try:
        context = propagator.extract(carrier)
    except Exception as error:
        return str(error)
    return context and (context.trace_id, context.span_id, dict(context.baggage))


@every_format
@every_environ
def test_headers_of_a_request_are_its_own(propagator: Any, make_environ: Any) -> None:
    """Those of the process, which wsgiref puts beside them, are no second value."""
    headers = as_headers(propagator, OF_THE_REQUEST)
    alone = read(propagator, {**make_environ(), **headers})
    assert alone[:2] == (0xA1, 0xB2)
    variables = as_variables(propagator)
    for environ in (
        {**variables, **make_environ(), **headers},
        {**make_environ(), **headers, **variables},
    ):
        for _ in range(2):  # names that are seen first, and names that are known
            assert read(propagator, type(make_environ())(environ)) == alone


@every_format
@every_environ
def test_a_request_without_headers_joins_no_trace_of_the_process(
    propagator: Any, make_environ: Any
) -> None:
    """A service that was started within a trace serves more than that one."""
    nothing = read(propagator, make_environ())
    for _ in range(2):
        environ = type(make_environ())({**as_variables(propagator), **make_environ()})
        assert read(propagator, environ) == nothing


@every_format
@pytest.mark.parametrize("form", [dict, Environment, lambda names: list(names.items())])
def test_headers_that_are_named_like_variables_mean_nothing(propagator: Any, form: Any) -> None:
    """In headers that are no environ, HTTP_TRACEPARENT is a header of the application."""
    headers = {"host": "h", **as_headers(propagator, OF_THE_REQUEST)}
    nothing = read(propagator, form({"host": "h"}))
    for _ in range(2):
        carrier = form(headers)
        assert read(propagator, carrier) == nothing
        propagator.inject(OF_THE_PROCESS, carrier)
        assert read(propagator, carrier)[:2] == (0xC3, 0xD4)
        assert set(headers) < set(dict(carrier))


@every_format
def test_pairs_are_no_environ(propagator: Any) -> None:
    """They come from the wire, where a stranger may name a header as he likes."""
    pairs = [("REQUEST_METHOD", "GET"), *injected(propagator, OF_THE_REQUEST).items()]
    assert read(propagator, pairs)[:2] == (0xA1, 0xB2)


@every_format
@every_environ
def test_what_is_injected_into_an_environ_is_read_from_it(
    propagator: Any, make_environ: Any
) -> None:
    """It takes the place of the request's own headers, and of the process's variables."""
    headers, variables = as_headers(propagator, OF_THE_REQUEST), as_variables(propagator)
    for before in ({}, headers, variables, {**variables, **headers}):
        environ = type(make_environ())({**make_environ(), **before})
        propagator.inject(BasicSpanContext(0xE5, 0xF6), environ)
        assert read(propagator, environ) == (0xE5, 0xF6, {})
        written = as_headers(propagator, BasicSpanContext(0xE5, 0xF6))
        assert environ == {**make_environ(), **written}


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "mock"])
@every_environ
def test_an_environ_loses_what_is_removed(name: str, make_environ: Any) -> None:
    """Entries of either form are removed; all others stay."""
    for before in (as_headers, lambda format, _: as_variables(format)):
        environ = type(make_environ())({**make_environ(), **before(FORMATS[name], OF_THE_REQUEST)})
        FORMATS[name].remove_from(environ)
        assert environ == make_environ()


@pytest.mark.needs_os
@every_format
def test_a_process_reads_what_its_parent_left(
    propagator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names in upper case are read too, as Windows and OpenTelemetry have them."""
    for change in (str, str.upper):
        with monkeypatch.context() as patch:
            patch.delenv("REQUEST_METHOD", raising=False)
            for name, value in injected(propagator, OF_THE_PROCESS).items():
                patch.setenv(change(name), value)
            assert read(propagator, os.environ)[:2] == (0xC3, 0xD4)


CHILD = """
import os
from opentracing import Format
from opentracing_recorder import BasicTracer, TraceContextPropagator
tracer = BasicTracer(propagators={Format.TEXT_MAP: TraceContextPropagator()})
print(tracer.extract(Format.TEXT_MAP, os.environ).to_trace_id())
"""


@pytest.mark.needs_os
def test_a_trace_goes_on_in_a_child_process() -> None:
    """Through its environment."""
    tracer = BasicTracer(propagators={Format.TEXT_MAP: TraceContextPropagator()})
    span = tracer.start_span("parent")
    entries: dict[str, str] = {}
    tracer.inject(span, Format.TEXT_MAP, entries)
    variables = {name.upper(): value for name, value in entries.items()}
    found = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stdout.strip() == span.context.to_trace_id()
