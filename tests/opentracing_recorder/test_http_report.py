"""HTTPReports posts a report, and raises what the answer means for the batch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from opentracing_recorder import (
    BatchTooLarge,
    Rejected,
    SendError,
    SpanRejected,
    Unavailable,
)

if sys.platform == "emscripten":
    pytest.skip("urllib3 needs sockets, which Pyodide has none of", allow_module_level=True)

from opentracing_recorder._http_report import HTTPReports

from ..http_server import ScriptedServer, answer

pytestmark = pytest.mark.needs_os

RETRIED = frozenset({429, 502, 503, 504})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


def reports(url: str, **options: Any) -> HTTPReports:
    given = {
        "own_headers": {"content-type": "application/x-protobuf"},
        "max_report_size": 1000,
        "retried": RETRIED,
        **options,
    }
    return HTTPReports("The Collector", url, "/v1/traces", **given)


def send(server: ScriptedServer, body: bytes = b"spans", **options: Any) -> Any:
    made = reports(server.url, **options)
    try:
        return made.send(body, 5)
    finally:
        made.close()


@pytest.mark.parametrize("status", ["200 OK", "202 Accepted", "204 No Content"])
def test_a_reply_that_accepts_is_returned(status: str, server: ScriptedServer) -> None:
    """A backend may say in its body that it has refused a part."""
    body = b"" if status.startswith("204") else b"partial success"
    server.answers.append(answer(status, body))
    reply = send(server)
    assert (reply.status, reply.body) == (int(status[:3]), body)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("301 Moved Permanently", Rejected),
        ("307 Temporary Redirect", Rejected),
        ("400 Bad Request", SpanRejected),
        ("401 Unauthorized", Rejected),
        ("404 Not Found", Rejected),
        ("408 Request Timeout", Rejected),
        ("413 Content Too Large", BatchTooLarge),
        ("429 Too Many Requests", Unavailable),
        ("500 Internal Server Error", Rejected),
        ("502 Bad Gateway", Unavailable),
        ("503 Service Unavailable", Unavailable),
        ("504 Gateway Timeout", Unavailable),
        ("505 HTTP Version Not Supported", Rejected),
        ("999 Made Up", Rejected),
    ],
)
def test_a_refusal_is_raised(status: str, kind: type[SendError], server: ScriptedServer) -> None:
    """The error says what the batch is due, and names the backend, the status and the reason."""
    server.answers.append(answer(status, b"no\tthanks", "Location: /elsewhere"))
    with pytest.raises(SendError) as caught:
        send(server)
    assert type(caught.value) is kind
    assert str(caught.value) == f"The Collector answered {status}: 'no\\tthanks'"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Retry-After: 7", 7.0),
        ("retry-after: 0", 0.0),
        ("Retry-After: Mon, 01 Jan 2001 00:00:00 GMT", 0.0),
        ("Retry-After: soon", None),
        ("Retry-After: -1", None),
        ("Retry-After: 99999999999999999999", None),
        ("X: 1", None),
    ],
)
def test_the_time_to_come_back_is_read(
    header: str, seconds: float | None, server: ScriptedServer
) -> None:
    """In seconds or as a date; anything else is none."""
    server.answers.append(answer("503 Service Unavailable", b"", header))
    with pytest.raises(Unavailable) as caught:
        send(server)
    assert caught.value.retry_after == seconds


def test_the_retried_statuses_are_the_backends(server: ScriptedServer) -> None:
    """Other backends than this one ask for a retry by other statuses."""
    server.answers.append(answer("500 Internal Server Error"))
    with pytest.raises(Unavailable, match="answered 500"):
        send(server, retried={500})


def test_a_report_over_the_size_is_not_posted(server: ScriptedServer) -> None:
    """Its size is that before compression, which a server limits as well."""
    send(server, b"x" * 1000, compress_from=1)
    with pytest.raises(BatchTooLarge, match="1001 bytes; max_report_size is 1000"):
        send(server, b"x" * 1001, compress_from=1)
    assert [len(each.body) for each in server.requests] == [1000]


@pytest.mark.parametrize(
    ("compress_from", "encodings"),
    [(None, [None, None]), (0, ["gzip", "gzip"]), (11, [None, "gzip"])],
)
def test_reports_are_compressed_from_a_size_on(
    compress_from: int | None, encodings: list[str | None], server: ScriptedServer
) -> None:
    """By default never for this machine."""
    for body in (b"x" * 10, b"x" * 11):
        send(server, body, compress_from=compress_from)
    assert [each.headers.get("content-encoding") for each in server.requests] == encodings
    assert [each.body for each in server.requests] == [b"x" * 10, b"x" * 11]


def test_the_headers_of_the_protocol_are_kept(server: ScriptedServer) -> None:
    """Those of an application are added, and replace the name of the client alone."""
    given = {"User-Agent": "shop/1", "Content-Type": "text/plain", "X-Tenant": "7"}
    send(server, headers=given)
    (request,) = server.requests
    assert request.headers["user-agent"] == "shop/1"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["x-tenant"] == "7"


def test_an_answer_that_cannot_be_read_is_no_acknowledgement(server: ScriptedServer) -> None:
    """The batch is sent again; the error shows the start of it without secrets."""
    server.answers.append(b"HTTP/s3sam3 200 OK\r\n\r\n")
    with pytest.raises(Unavailable, match=r"^The Collector's answer cannot be read: ") as caught:
        send(server, headers={"authorization": "s3sam3"})
    assert "s3sam3" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_what_the_application_keeps_secret_is_hidden() -> None:
    """The values of headers, and of the URL's query, wherever a server repeats them."""
    body = b"Basic QWxhZGRpbg was refused for key open-sesame at /v1/traces, not for abc"
    with ScriptedServer(answer("401 Unauthorized QWxhZGRpbg", body)) as server:
        made = reports(
            f"{server.url}?key=open-sesame",
            headers={"authorization": "Basic QWxhZGRpbg", "tenant": "abc"},
        )
        with pytest.raises(Rejected) as caught:
            made.send(b"spans", 5)
        made.close()
    text = str(caught.value)
    assert text == (
        "The Collector answered 401 Unauthorized ***:"
        " '*** *** was refused for key *** at /v1/traces, not for abc'"
    )


@pytest.mark.parametrize(
    ("url", "options", "error", "message"),
    [
        (5, {}, TypeError, "endpoint must be a str"),
        ("collector:4318", {}, ValueError, "endpoint must start with http"),
        ("http://me:sesame@collector/", {}, ValueError, "endpoint must hold no credentials"),
        ("http://[collector/", {}, ValueError, "endpoint cannot be read"),
        ("http://collector", {"max_report_size": 0}, ValueError, "max_report_size"),
        ("http://collector", {"headers": {"a": "sesame\n"}}, ValueError, "the header 'a'"),
    ],
)
def test_an_argument_is_refused_by_the_name_that_its_recorder_gives_it(
    url: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """OTLP's recorder has an endpoint where Zipkin's has a URL."""
    with pytest.raises(error, match=message) as caught:
        reports(url, url_option="endpoint", **options)
    assert "sesame" not in str(caught.value)
