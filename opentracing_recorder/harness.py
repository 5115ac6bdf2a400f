"""Contract tests for authors of recorders, propagators and samplers: subclass a mixin.

They need only this package, and run under pytest or unittest. A failure names what was lost, such
as ``lost 10 of 10 spans in a forked child`` or ``close(0.3) while the backend does not answer still
blocks after 2.3 s``.

## Recorders

`RecorderCheckMixin` needs a new recorder, and the operation names that its backend received. It
tests threads, values of every type, repeated and late calls, and a fork::

    import json
    import os
    import tempfile

    from opentracing_recorder import JSONLinesRecorder
    from opentracing_recorder.harness import RecorderCheckMixin


    class TestFileRecorder(RecorderCheckMixin):
        path = os.path.join(tempfile.mkdtemp(), "spans.jsonl")

        def recorder(self):
            return JSONLinesRecorder(self.path)

        def delivered(self, recorder):
            with open(self.path, encoding="utf-8") as file:
                return [json.loads(line)["operation_name"] for line in file]

A backend that listens on TCP can also fail. Return its address, and let the recorder connect to
``self.proxy``, a proxy in front of it that passes bytes on, and fails when a check needs it to::

    import http.server
    import threading
    from contextlib import closing
    from http.client import HTTPConnection

    from opentracing_recorder import BatchRecorder, Rejected, Unavailable


    class Store(http.server.BaseHTTPRequestHandler):  # stands for your backend
        protocol_version = "HTTP/1.1"
        names = []

        def do_POST(self):
            spans = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.names += [span["operation_name"] for span in spans]
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args):
            pass


    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Store)
    server.handle_error = lambda *request: None  # the proxy resets connections
    threading.Thread(target=server.serve_forever, daemon=True).start()


    class StoreRecorder(BatchRecorder):
        def __init__(self, host, port):
            super().__init__(interval=0.1, send_timeout=0.5)
            self._address = host, port

        def send(self, spans):
            connection = HTTPConnection(*self._address, timeout=self.send_timeout)
            with closing(connection):
                body = json.dumps([span.to_dict() for span in spans])
                connection.request("POST", "/spans", body)
                status = connection.getresponse().status
            if status >= 500:
                raise Unavailable(status)
            if status >= 400:
                raise Rejected(status)


    class TestStoreRecorder(RecorderCheckMixin):
        def backend_address(self):
            return server.server_address

        def recorder(self):
            return StoreRecorder(self.proxy.host, self.proxy.port)

        def delivered(self, recorder):
            return Store.names

The checks let the backend refuse connections, reset them, and read without answering. This lasts
longer than `send_timeout`, so give the recorder a short one. For any other backend, or for faults
that a proxy cannot cause, override `break_backend`, `hang_backend` and `mend_backend`. A check that
needs a method that is not overridden is skipped, and its reason names what is left out. If the
spans stay in this process's memory, override `check_fork` to return False.

| Member | Default | Meaning |
|---|---|---|
| `recorder()` | required | A new recorder, whose backend works. |
| `delivered(recorder)` | required | The operation names that the backend has; see below. |
| `backend_address()` | None | Host and port of a backend that listens on TCP. |
| `break_backend()` | by the proxy | Lets the backend refuse what it is sent. |
| `hang_backend()` | by the proxy | Lets the backend take what it is sent, without an answer. |
| `mend_backend()` | by the proxy | Lets the backend work again. |
| `check_outage()` | True | Whether spans recorded in a short outage are delivered later. |
| `check_fork()` | True | Whether `delivered` returns the spans of a forked child too. |
| `patience` | 10.0 seconds | The time for a delivery to a working backend. |
| `slack` | 2.0 seconds | The time that a call may take beyond its timeout. |
| `send_timeout` | the recorder's, or 1 second | The recorder's longest wait for an answer. |
| `proxy` | set by each check | The proxy in front of `backend_address()`. |

`delivered` returns None if nothing can be read back; the checks are then skipped from there on.

`FaultyProxy` serves tests of your own too. Its `mode` is ``"pass"``, ``"refuse"``, ``"hang"``,
``"swallow"`` or ``"reset"``. A new mode holds at once, for open connections too. After ``"hang"``,
``"pass"`` sends the bytes that waited; swallowed bytes are gone::

    from opentracing_recorder.harness import FaultyProxy

    with FaultyProxy(*server.server_address) as proxy:
        proxy.mode = "refuse"
        try:
            HTTPConnection(proxy.host, proxy.port).request("GET", "/")
        except ConnectionRefusedError:
            proxy.mode = "pass"

    server.shutdown()
    server.server_close()

## Propagators and samplers

`PropagatorCheckMixin` and `SamplerCheckMixin` do the same for a wire format and for a sampler::

    from opentracing_recorder import B3Propagator, ProbabilisticSampler
    from opentracing_recorder.harness import PropagatorCheckMixin, SamplerCheckMixin


    class TestB3(PropagatorCheckMixin):
        def propagator(self):
            return B3Propagator()

        def check_baggage(self):
            return False  # B3 has no baggage


    class TestProbabilistic(SamplerCheckMixin):
        def sampler(self):
            return ProbabilisticSampler(0.5)

The methods of a propagator's test:

| Method | Default | Meaning |
|---|---|---|
| `propagator()` | required | The propagator to test: a new one, or the same each time. |
| `carrier()` | ``{}`` | An empty carrier: a dict for a text format, otherwise a bytearray. |
| `check_baggage()` | True | Whether the format carries baggage. |
| `check_128_bits()` | True | Whether the format carries trace ids of 128 bits. |
| `check_decision()` | True | Whether the format carries the decision. |
| `check_headers()` | True | Whether the entries are valid HTTP headers, in any case. |

The methods of a sampler's test:

| Method | Default | Meaning |
|---|---|---|
| `sampler()` | required | A new sampler, made in the same way each time. |
| `check_consistent()` | False | Whether two such samplers decide alike for each trace. |
| `share()` | None | The share of traces that it keeps, from 0.0 to 1.0; None if not fixed. |

To skip a test, override the method of that name.
"""

from __future__ import annotations

from ._harness_propagator import PropagatorCheckMixin
from ._harness_proxy import FaultyProxy
from ._harness_recorder import RecorderCheckMixin
from ._harness_sampler import SamplerCheckMixin

__all__ = ["FaultyProxy", "PropagatorCheckMixin", "RecorderCheckMixin", "SamplerCheckMixin"]
