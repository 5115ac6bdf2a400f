"""The standard span tags of the OpenTracing semantic conventions (version 1.1).

Backends know these names, and show or search such tags in their own way. Use them instead of names
of your own where they fit::

    from opentracing import global_tracer, tags

    with global_tracer().start_active_span("GET /cart") as scope:
        scope.span.set_tag(tags.SPAN_KIND, tags.SPAN_KIND_RPC_SERVER)
        scope.span.set_tag(tags.HTTP_STATUS_CODE, 200)

Each constant is a tag's key, except the four ``SPAN_KIND_*`` values. A tag of any other name may be
set as well. The source is the ``semantic_conventions.md`` of the OpenTracing specification.
"""

from __future__ import annotations

# The operation.

SPAN_KIND = "span.kind"
"""The role of the span in a call or a message: one of the four ``SPAN_KIND_*`` values."""

SPAN_KIND_RPC_CLIENT = "client"
SPAN_KIND_RPC_SERVER = "server"
SPAN_KIND_CONSUMER = "consumer"
SPAN_KIND_PRODUCER = "producer"

SERVICE = "service"
"""The name of the service that the span belongs to, as a string."""

ERROR = "error"
"""True if the operation failed."""

COMPONENT = "component"
"""The library that made the span, such as ``"requests"``."""

SAMPLING_PRIORITY = "sampling.priority"
"""A hint to the tracer: record the trace if it is above 0; do not if it is 0."""

# The other side of a call.

PEER_SERVICE = "peer.service"
"""The name of the remote service."""

PEER_HOSTNAME = "peer.hostname"
PEER_ADDRESS = "peer.address"
"""A remote address in the form that its protocol uses, such as ``"mysql://db:3306"``."""

PEER_HOST_IPV4 = "peer.ipv4"
"""A remote IPv4 address: dotted text, or an unsigned 32-bit number."""

PEER_HOST_IPV6 = "peer.ipv6"
"""A remote IPv6 address, as text."""

PEER_PORT = "peer.port"
"""A remote port, as a number."""

# HTTP.

HTTP_URL = "http.url"
HTTP_METHOD = "http.method"
HTTP_STATUS_CODE = "http.status_code"
"""The status of the response, as a number."""

# Databases.

DATABASE_INSTANCE = "db.instance"
"""The name of the database within its server."""

DATABASE_STATEMENT = "db.statement"
DATABASE_TYPE = "db.type"
"""``"sql"`` for any SQL database; otherwise the kind of store, such as ``"redis"``."""

DATABASE_USER = "db.user"

# Messages.

MESSAGE_BUS_DESTINATION = "message_bus.destination"
"""The address at which messages are exchanged, such as a topic's name."""
