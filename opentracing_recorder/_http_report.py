"""HTTPReports: posts reports of spans to a backend, and raises the `SendError` of each answer.

For recorders that report over HTTP. No error's text holds a secret that the backend may send back.
"""

from __future__ import annotations

import gzip
import re
import sys
import time
from collections.abc import Container, Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPException

from opentracing.interrupts import reraise_interrupt

from ._arguments import check_count, check_type
from ._batch_retry import BatchTooLarge, Rejected, SpanRejected, Unavailable
from ._errors import one_line, visible
from ._http_post import HTTPPost, Path, Reply
from ._json_safe import text_of

COMPRESS_FROM = 16 * 1024
"""The size in bytes from which on reports to other machines are compressed."""

_NOT_IN_NAMES = re.compile(r"[^!-9;-~]")  # visible ASCII without the colon
_SHOWN = 200  # characters of a refusal in the log
_SHORTEST_SECRET = 4  # characters; hiding less would spoil too much of what a server answers


class HTTPReports:
    """Posts the reports of one recorder to `url`; for one thread at a time.

    - `backend` is its name in errors, such as ``Zipkin``, and `url_option` the recorder's option
      that `url` came from.
    - `default_path`, `ca_file`, `client_cert` and `client_key` are those of `HTTPPost`.
    - `own_headers` are sent with each report, names in lower case; `headers` are the application's,
      which do not replace them.
    - `compress_from` is the size in bytes from which a report is compressed with gzip; None is
      16 KiB, and never for a server on this machine.
    - `max_report_size` is the most bytes of a report before it is compressed.
    - `retried` holds the statuses after which a report is sent again after a pause.

    Raises TypeError or ValueError for an argument that cannot serve, and names it.
    """

    def __init__(
        self,
        backend: str,
        url: str,
        default_path: str,
        *,
        own_headers: Mapping[str, str],
        max_report_size: int,
        retried: Container[int],
        headers: Mapping[str, str] | None = None,
        compress_from: int | None = None,
        ca_file: Path | None = None,
        client_cert: Path | None = None,
        client_key: Path | None = None,
        url_option: str = "url",
    ) -> None:
        given = _checked_headers({} if headers is None else headers)
        self._backend = backend
        self._max_report_size = check_count("max_report_size", max_report_size)
        self._retried = retried
        self._headers = {"user-agent": "opentracing-python", **given, **own_headers}
        self._compressed_headers = {**self._headers, "content-encoding": "gzip"}
        self._http = HTTPPost(
            url,
            default_path,
            ca_file=ca_file,
            client_cert=client_cert,
            client_key=client_key,
            url_option=url_option,
        )
        texts = re.sub("[&=]", " ", " ".join([*given.values(), *self._http.secrets]))
        words = {word for word in texts.split() if len(word) >= _SHORTEST_SECRET}
        self._secrets = sorted(words, key=len, reverse=True)
        if compress_from is None:
            compress_from = sys.maxsize if self._http.is_local else COMPRESS_FROM
        check_type("compress_from", compress_from, int)
        self._compress_from = compress_from

    def send(self, body: bytes, time_limit: float) -> Reply:
        """Post a report, within `time_limit` seconds; return the reply, whose status is 2xx.

        Raises the `SendError` that any other answer means, and the errors of urllib3 or the socket
        if there is none.
        """
        headers = self._headers
        if len(body) > self._max_report_size:
            limit = self._max_report_size
            raise BatchTooLarge(f"a report of {len(body)} bytes; max_report_size is {limit}")
        if len(body) >= self._compress_from:
            body, headers = gzip.compress(body, 1, mtime=0), self._compressed_headers
        try:
            reply = self._http.post(body, headers, time_limit)
        except HTTPException as error:  # its text may be what the server sent
            reraise_interrupt()
            found = self.shown(text_of(error))
            raise Unavailable(f"{self._backend}'s answer cannot be read: {found}") from None
        status = reply.status
        if 200 <= status < 300:
            return reply
        # A server, or a proxy before it, may send back the headers and the URL.
        reason, start = self.shown(reply.reason), self.shown(text_of(reply.body))
        answer = f"{self._backend} answered {status} {reason}: '{start}'"
        if status == 413:
            raise BatchTooLarge(answer)
        if status in self._retried:
            raise Unavailable(answer, retry_after=_seconds(reply.headers.get("Retry-After")))
        raise (SpanRejected if status == 400 else Rejected)(answer)

    @property
    def shown_url(self) -> str:
        """The server's URL, for messages: without its query."""
        return visible(self._http.shown_url)

    def shown(self, text: str) -> str:
        """The beginning of a text from the backend, in one line and without secrets."""
        return one_line(text, self._secrets, _SHOWN)

    def close(self) -> None:
        """Close the connection; the next report opens another."""
        self._http.close()

    def forget(self) -> None:
        """Give the connection up in a forked child: it is the parent's."""
        self._http.forget()


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with names in lower case. Raises TypeError or ValueError for an invalid one."""
    check_type("headers", headers, Mapping, "a mapping")
    checked = {}
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            found = f"{type(name).__name__} to {type(value).__name__}"
            raise TypeError(f"headers must map str to str, not {found}")
        # The value may be a secret: it is not shown, nor is what may be one within the name.
        invalid = _NOT_IN_NAMES.search(name)
        if not name or invalid:
            start = name[: invalid.end() if invalid else 0][:_SHOWN]
            raise ValueError(f"headers cannot have the name {start!r}")
        if not all(" " <= each <= "\xff" and each != "\x7f" for each in value):
            raise ValueError(f"the header {name!r} holds a character that no header can have")
        checked[name.lower()] = value
    return checked


def _seconds(retry_after: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, by a number or a date."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except Exception:
        reraise_interrupt()
        return None
