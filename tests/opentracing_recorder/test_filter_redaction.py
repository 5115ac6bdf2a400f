"""Redaction: suspicious values go, ordinary ones stay."""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import itertools
import re
import threading
import time
import uuid
from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentracing import Reference, ReferenceType
from opentracing_recorder import (
    BasicSpanContext,
    BasicTracer,
    FilterRecorder,
    InMemoryRecorder,
    Redaction,
)
from opentracing_recorder._filter_suspects import is_card_number

REDACTION = Redaction()
GONE = "[redacted]"
SECRET = "hunter2"

CARDS = [
    "4111111111111111", "4012888888881881", "4222222222222", "5555555555554444",
    "5105105105105100", "2223003122003222", "2200770239097761", "378282246310005",
    "371449635398431", "30569309025904", "38520000023237", "6011111111111117", "6011000990139424",
    "3530111333300000", "3566002020360505", "6200000000000005", "6205500000000000004",
    "6759649826438453", "6304000000000000", "50339619890917", "586824160825533338",
    "6799990100000000019", "5019717010103742",
]  # fmt: skip

JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0"
    ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)

SUSPECT_KEYS = [
    "password", "Password", "PASSWORD", "db.password", "db_password", "dbPassword",
    "userPassword", "user-password", "password2", "passwords", "new_password_confirm", "passwd",
    "mysql_pwd", "userPwd", "passphrase", "secret", "client_secret", "clientSecret",
    "app.secrets", "secretKey", "secret_key", "AWS_SECRET_ACCESS_KEY", "token", "access_token",
    "accessToken", "X-Auth-Token", "refresh-token", "id_token", "csrftoken", "csrf",
    "X-CSRF-Token", "XSRF-TOKEN", "_csrf", "api_key", "apiKey", "apikey", "API key", "x-api-key",
    "X-Api-Key", "private_key", "privateKey", "signing.key", "encryption_key", "access_key",
    "AWSAccessKeyId", "authorization", "Authorization", "Proxy-Authorization", "auth",
    "http.request.header.authorization", "http.request.header.cookie",
    "http.response.header.set-cookie", "rpc.grpc.request.metadata.authorization", "cookie",
    "Cookies", "Set-Cookie", "credentials", "aws.credential", "session_id", "sessionid",
    "SESSIONID", "JSESSIONID", "PHPSESSID", "sessionId", "connect.sid", "jwt", "user.jwt", "otp",
    "pin", "card.pin", "cvv", "cvc2", "card_number", "cardNumber", "credit_card", "creditCard",
    "card.cvv", "ssn", "password_hash", "token_id", "db.query.parameter.password",
    "messaging.header.x-api-key",
]  # fmt: skip

ORDINARY_TAGS: dict[str, Any] = {
    # OpenTelemetry's names
    "http.request.method": "GET",
    "http.route": "/orders/{token}",
    "http.response.status_code": 200,
    "url.full": "https://shop.example:8443/orders/7?page=2&sort=price&q=hello%20world#top",
    "url.query": "id=4711&key=value&code=404&author=ada&tokens=5",
    "url.path": "/users/ada@example.com/sessions/c0ffee",
    "server.address": "10.1.2.3",
    "client.port": 53412,
    "network.protocol.version": "1.1",
    "user_agent.original": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/131.0.0.0 Safari/537.36",
    "http.request.header.x-token-count": "512",
    "http.request.header.content-type": "application/json; charset=utf-8",
    "http.request.header.traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "session.id": "00112233-4455-6677-8899-aabbccddeeff",
    "session.previous_id": "00112233-4455-6677-8899-aabbccddeeff",
    "user.id": "S-1-5-21-202424912787-2692429404-2351956786-1000",
    "enduser.id": "ada",
    "thread.id": 140735123456789,
    "process.pid": 4711,
    "process.command_line": "python -m shop --port 8080 --no-token-cache",
    "db.system.name": "postgresql",
    "db.query.text": "SELECT id, token, password_hash FROM users WHERE token = $1 AND password = ?"
    " AND secret = %s AND api_key = :api_key AND pin=%(pin)s LIMIT 100",
    "db.statement": "UPDATE t SET password = @password WHERE t.token = s.token",
    "db.operation.name": "SELECT",
    "gen_ai.usage.input_tokens": 100000000000000,
    "gen_ai.usage.output_tokens": 180,
    "gen_ai.request.max_tokens": 4096,
    "gen_ai.token.type": "input",
    "gen_ai.request.stop_sequences": ["stop", "token"],
    "llm.token_count.prompt": 12,
    "llm.usage": {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42},
    "usage.tokens": {"input": 5, "output": 6},
    "tokens": [15496, 995],
    "tokens_per_second": 71.5,
    "max_tokens": "4096",
    "tokenizer": "cl100k_base",
    "messaging.message.id": "452a7c7c7c7048c2f887f61572b18fc2",
    "messaging.kafka.offset": 42424242424242,
    "exception.type": "ValueError",
    "exception.message": "invalid token: expected ')' at line 3; unexpected token: foo",
    "code.function.name": "shop.tokens.refresh",
    "feature_flag.key": "new-checkout",
    "k8s.secret.name": "shop-db",
    "cloud.resource_id": "arn:aws:lambda:eu-west-1:123456789012:function:shop",
    "tls.client.hash.sha256": "0687F666A054EF17A08E2F2162EAB4CBC0D265E1D7875BE74BF3C712CA92DAF0",
    "otel.status_code": "ERROR",
    "span.kind": "server",
    "error": True,
    # others
    "graphql.document": "mutation Login($password: String!, $token: ID!) {"
    " login(password: $password, token: $token) { token } }",
    "uuid": "550e8400-e29b-41d4-a716-446655440000",
    "uuid of digits": "12345678-1234-4123-8123-123456789012",
    "trace": "4bf92f3577b34da6a3ce929d0e0e4736",
    "timestamp.ns": 1764515984123456789,
    "timestamp.us": "1764515984123456",
    "timestamp.ms": 1764515984123,
    "date": "2026-11-30T15:23:24.123456+00:00",
    "date.compact": "20261130152324",
    "took": "0.4111111111111111 s",
    "ratio": 0.4111111111111111,
    "order": "5000000000000000",
    "order.long": 5000000000000001,
    "phone": "+49 151 2345 6789",
    "phone.us": "+1 (555) 010-9999",
    "iban": "DE89370400440532013000",
    "ean": "4006381333931",
    "eans": "4001686301265, 4005808806300, 4047443411471, 4311501659793",
    "redis": "PING: PONG",
    "PINNED": "yes",
    "TOKENIZERS_PARALLELISM": "false",
    "ports": "8080 9090 3306 5432",
    "ip": "192.168.100.200",
    "ipv6": "2001:db8:85a3::8a2e:370:7334",
    "hash": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "token_type": "Bearer",
    "auth.method": "basic",
    "auth.provider": "Basic authentication required",
    "oauth.scope": "read write",
    "www": 'Bearer realm="shop"',
    "note": "the bearer of bad news asked for basic principles",
    "password_required": "yes",
    "password.policy": "strong",
    "password.length": 12,
    "has_password": True,
    "password": None,
    "cookie.consent": "all",
    "secretary": "Grace",
    "author": "Ada",
    "keyboard": "qwerty",
    "shipping.option": "express",
    "monkey": "token ring",
    "message": "password must have 8 characters; token is missing; secret: not found",
    "validation": "password: must not be empty",
    "fields": "['password', 'email', 'token']",
    "db.django": 'INSERT INTO "auth_user" ("password", "last_login", "is_superuser") VALUES'
    ' (%s, %s, %s) RETURNING "auth_user"."id"',
    "db.django.two": 'INSERT INTO "auth_user" ("password", "email") VALUES (%s, %s)',
    "db.any": "SELECT * FROM t WHERE token = ANY($1) AND password <> '' AND token = $2::text",
    "parser": "unexpected token: ')' at line 3",
    "reason": "JWT: signature verification failed",
    "pydantic": "User(name='ada', password=SecretStr('**********'))",
    "httpx": "Headers({'host': 'x', 'authorization': '[secure]'})",
    "signature": "def login(password: str, token: Optional[str] = None, *, secret: str | None)",
    "json": '{"password": null, "token": "", "max_tokens": 100, "name": "ada", "secret": "***"}',
    "hidden": "password=****&token=[redacted]&secret=<redacted>&api_key=REDACTED",
    "template": "password={password} token=${TOKEN} secret={{ secret }}",
    "dsn": "postgresql://db.example:5432/shop",
    "dsn.hidden": "postgresql://ada:***@db.example/shop",
    "git": "git@example.com:shop/shop.git",
    "remote": "ssh://git@example.com/shop.git",
    "type": ValueError,
    "bytes": b"\x00\x01",
    "nothing": "",
}

SUSPECT_TEXTS = [
    "password=hunter2",
    "login failed for user ada with password 'x' (password=hunter2)",
    "https://shop/login?user=ada&password=hunter2",
    "https://shop/login?access_token=abc",
    "/callback?api_key=abc&x=1",
    "user=ada;pwd=abc",
    "Server=db;User Id=ada;Password=abc;",
    "host=db user=ada password=abc dbname=shop",
    "redirect=https%3A%2F%2Fshop%3Ftoken%3Dabc",
    "%22password%22%3A%22hunter2%22",
    '{"user": "ada", "password": "hunter2"}',
    '{"access_token":"abc","expires_in":3600}',
    '{"data": "{\\"password\\": \\"hunter2\\"}"}',
    "{'password': 'hunter2'}",
    "{'password': b'hunter2'}",
    "{'cookies': {'sid': 'abc'}}",
    "Token(secret='abc')",
    "User(name='ada', password_hash='pbkdf2$x')",
    "[(b'host', b'shop'), (b'cookie', b'a=b')]",
    "password: hunter2",
    "Password : hunter2",
    "Authorization: Token 9944b09199c62bcf",
    "GET / HTTP/1.1\r\nHost: shop\r\nCookie: sid=abc\r\n\r\n",
    "Set-Cookie: sid=abc; HttpOnly",
    "X-Api-Key: abc",
    "<soap><Password>hunter2</Password></soap>",
    "mysql -u root --password hunter2",
    "mysql -u root --password=hunter2",
    "SELECT * FROM users WHERE password = 'hunter2'",
    "UPDATE users SET password='hunter2' WHERE id=1",
    "PGPASSWORD=abc psql",
    "export AWS_SECRET_ACCESS_KEY=abc",
    # A placeholder is one only if nothing follows it.
    "password=$1$abcdefgh$xyzxyz",
    "password_hash: $6$rounds=5000$salt$hash",
    "userPassword: {SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
    "password={bcrypt}$2a$10$abcdefg",
    "password='{noop}hunter2'",
    "password='%sword1'",
    "password=true-horse",
    "password=no.way.jose",
    "token=id-38fh38fh3",
    "password=hidden-dragon",
    "password=*hunter2*",
    "password=xxx-hunter2",
    "password=%secret",
    "password=?hunter2",
    "password=@P1ssw0rd",
    "password: the-cat-sat",
    "password: a.b-c9",
    "password: str = 'hunter2'",
    "password: |\n  hunter2",
    "current password: hunter2",
    "unknown password: hunter2",
    # XML, forms, and names apart from values
    "<wsse:Password>hunter2</wsse:Password>",
    '<wsse:Password Type="http://docs.oasis-open.org/x#PasswordText">hunter2</wsse:Password>',
    '<password xsi:type="xsd:string">hunter2</password>',
    "<password><![CDATA[hunter2]]></password>",
    '<add key="password" value="hunter2"/>',
    'Content-Disposition: form-data; name="password"\r\n\r\nhunter2\r\n--x',
    '[{"name": "DB_PASSWORD", "value": "hunter2"}]',
    "user[password]=hunter2",
    "password[]=hunter2",
    "user%5Bpassword%5D=hunter2&x=1",
    "password%5B%5D=hunter2",
    "user%5Bpin%5D=1234",
    "redirect=https%3A%2F%2Fshop%3Fpwd%3Dabc",
    "'user: ada\\npwd: abc'",
    "session id: abc123",
    "CREATE USER ada WITH PASSWORD 'hunter2'",
    "Bearer abcdef123456",
    "got Bearer mF_9.B5f-4.1JqM from ada",
    "Basic " + base64.b64encode(b"ada:hunter2").decode(),
    JWT,
    f"token {JWT} expired",
    "https://ada:hunter2@shop.example/",
    "could not connect to amqp://guest:guest@mq:5672//",
    "redis://:hunter2@cache:6379/0",
    r'{"dsn":"postgres:\/\/ada:hunter2@db\/x"}',
    "dsn=postgres%3A%2F%2Fada%3Ahunter2%40db",
    "got Bearer token-abc123def",
    "got Bearer auth_abcdef123456",
    f"x%20{JWT}",
    f"got:\\n{JWT}",
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4Q0JDIn0..abcdefghijkl.abcdefghijkl.abc",
    "session eyJ1c2VyX2lkIjo0Mn0.ZxYz12.abcdefghijklmnopqrstuvwxyz0",
    r"https://x/c?sv=2024\u0026sig=abc%3D",
    "xapp-1-A0123-456-abcdef0123456789",
    "npm_" + "0123456789abcdefghij0123456789abcdef",
    "hf_" + "abcdefghijklmnopqrstuvwxyz01234567",
    "SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz",
    "https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx",
    "%B4111111111111111^ADA LOVELACE^3012",
    "card%204111111111111111",
    "pan%3D4111111111111111%26x",
    "%224111111111111111%22",
    r"card:\n4111111111111111",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "https://x.blob.core.windows.net/c?sv=2024&sig=abc%3D",
    "https://s3/b/k?X-Amz-Credential=AKIA/2024&X-Amz-Signature=abc",
    "key AKIAIOSFODNN7EXAMPLE was used",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "xoxb-123456789012-abcdef",
    "sk_live_0123456789abcdef",
    "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    *CARDS,
    *(f"card {' '.join(re.findall('.{1,4}', card))}, thanks" for card in CARDS),
    *(f"card={'-'.join(re.findall('.{1,4}', card))}" for card in CARDS),
    "3782 822463 10005",
    "pan=4111+1111+1111+1111&x=1",
    "4111%201111%201111%201111",
    "2 items, 4111 1111 1111 1111 12 2030 123",
    "1234 4111 1111 1111 1111",
    "%B4111111111111111^ADA^".replace("B", ""),
    ";4111111111111111=30122011234567890?",
    '{"number": 4111111111111111}',
]


def redacted(tags: dict[str, Any], redaction: Redaction | None = None) -> dict[str, Any]:
    """The tags as a recorder behind a `Redaction` gets them."""
    memory = InMemoryRecorder()
    recorder = FilterRecorder(memory, redaction or REDACTION)
    BasicTracer(recorder).start_span("x", tags=tags).finish()
    assert recorder.counts.passed == 1
    return memory.spans[0].tags


@pytest.mark.parametrize("key", SUSPECT_KEYS)
def test_a_suspicious_key_loses_its_value(key: str) -> None:
    """Text, numbers, bytes, lists and mappings under it are replaced, and the key stays."""
    for value in ("x", 12345, 1.5, b"x", ["x"], {"a": "b"}, object()):
        assert redacted({key: value}) == {key: GONE}


@pytest.mark.parametrize("key", list(ORDINARY_TAGS))
def test_an_ordinary_tag_stays(key: str) -> None:
    """Names and values of everyday work are no secrets."""
    value = ORDINARY_TAGS[key]
    assert redacted({key: value}) == {key: value}
    assert redacted({"list": [value]}) == {"list": [value]}


@pytest.mark.parametrize("text", SUSPECT_TEXTS)
def test_a_text_with_a_secret_is_replaced_whole(text: str) -> None:
    """In a tag, in bytes, in a list, in a mapping and in the middle of a long text."""
    values = [
        text,
        text.encode(),
        [text],
        {"a": text},
        f"first line\n{text}\nlast line " + "x" * 200,
    ]
    expected = [GONE, GONE, [GONE], {"a": GONE}, GONE]
    for value, replaced in zip(values, expected):
        assert redacted({"note": value}) == {"note": replaced}


@pytest.mark.parametrize("card", CARDS)
def test_numbers_of_cards_are_known_by_their_check_digit(card: str) -> None:
    """The number itself is one; with another last digit it is not."""
    assert is_card_number(card)
    assert redacted({"n": int(card)}) == {"n": GONE}
    for other in set("0123456789") - {card[-1]}:
        assert not is_card_number(card[:-1] + other)
        assert redacted({"n": card[:-1] + other}) == {"n": card[:-1] + other}


def test_all_that_a_span_holds_is_searched() -> None:
    """Name, tags, log fields, messages, stacks, errors, baggage and baggage of references."""
    memory = InMemoryRecorder()
    tracer = BasicTracer(FilterRecorder(memory, Redaction()))
    parent = BasicSpanContext(1, 2, {"token": SECRET, "item": "7", "url": "http://a:hunter2@b"})
    reference = Reference(ReferenceType.FOLLOWS_FROM, parent)
    scope = tracer.start_active_span("GET /?password=x", child_of=parent, references=reference)
    scope.span.set_tag("cookie", SECRET).log_kv({"event": "a", "password": SECRET, 5: "fine"})
    with pytest.raises(ValueError, match="password"), scope:
        raise ValueError("password=hunter2")
    (span,) = memory.spans
    assert SECRET not in str(span.to_dict())
    assert SECRET not in repr([vars(span), span.references[0].referenced_context.baggage])
    assert span.operation_name == GONE
    assert span.tags == {"cookie": GONE, "error": True}
    assert span.logs[0].key_values == {"event": "a", "password": GONE, 5: "fine"}
    failure = span.logs[1].key_values
    assert failure["event"] == "error"
    assert failure["error.kind"] is ValueError
    assert failure["message"] == failure["error.object"] == failure["stack"] == GONE
    assert span.context.baggage == {"token": GONE, "item": "7", "url": GONE}
    assert span.references[0].referenced_context.span_id == 2


def test_the_source_lines_of_a_stack_are_no_secrets() -> None:
    """Code that passes a variable under a suspicious name is shown; a literal is not."""
    memory = InMemoryRecorder()
    tracer = BasicTracer(FilterRecorder(memory, Redaction()))

    def login(password: str, token: str) -> None:
        raise ValueError("refused")

    word = SECRET
    with pytest.raises(ValueError, match="refused"), tracer.start_active_span("x"):
        login(password=word, token=word.upper())
    with pytest.raises(ValueError, match="refused"), tracer.start_active_span("x"):
        login(password="hunter2", token=word)
    shown, hidden = (span.logs[0].key_values for span in memory.spans)
    assert "login(password=word" in shown["stack"]
    assert str(shown["error.object"]) == "refused"
    assert hidden["stack"] == GONE


def test_a_key_that_holds_a_secret_is_replaced() -> None:
    """So that a mapping by card number, say, does not show it."""
    assert redacted({"4111 1111 1111 1111": 1}) == {GONE: 1}
    assert redacted({"cards": {"4111111111111111": 1, 4111111111111111: 2}})["cards"] == {GONE: 2}
    assert redacted({"password=hunter2": "x"}) == {GONE: GONE}


class Color(enum.Enum):
    RED = "password=hunter2"
    BLUE = "blue"


class Text(str):
    def __str__(self) -> str:
        return "harmless"


class Shown:
    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": {"password": "x", "b": 1}}, {"a": {"password": GONE, "b": 1}}),
        ([{"token": "x"}, ("a", 1)], [{"token": GONE}, ("a", 1)]),
        ([{"name": "DB_PASSWORD", "value": "x"}], [{"name": "DB_PASSWORD", "value": GONE}]),
        ([{"Key": "token", "Value": [1]}], [{"Key": "token", "Value": GONE}]),
        ({"name": "password", "value": None}, {"name": "password", "value": None}),
        ({"name": "host", "value": "x"}, {"name": "host", "value": "x"}),
        ([("cookie", "a=b"), ("host", "x")], [("cookie", GONE), ("host", "x")]),
        ([[b"authorization", b"x"]], [[b"authorization", GONE]]),
        ([["host", "x"], ["x-api-key", "x"]], [["host", "x"], ["x-api-key", GONE]]),
        (["mysql", "--password", "x", "-v"], ["mysql", "--password", GONE, "-v"]),
        (["password", "email"], ["password", "email"]),
        (("password", "email"), ("password", "email")),
        (OrderedDict(password="x", a=1), {"password": GONE, "a": 1}),
        (UserDict(password="x", a=1), {"password": GONE, "a": 1}),
        (MappingProxyType({"password": "x"}), {"password": GONE}),
        (SimpleNamespace(password="x", a=1), {"password": GONE, "a": 1}),
        (deque(["password=x", "a"]), [GONE, "a"]),
        ({"password=x"}, [GONE]),
        (Pair("a", "password=x"), ["a", GONE]),
        (bytearray(b"password=x"), GONE),
        (Text("password=x"), GONE),
        (Text("fine"), "fine"),
        (Shown("password=x"), GONE),
        (Shown("fine"), "fine"),
        (Color.RED, "Color.RED"),
        (Color.BLUE, "Color.BLUE"),
        (ValueError("password=x"), GONE),
        (decimal.Decimal("4111111111111111"), GONE),
        (decimal.Decimal("1.50"), "1.50"),
        (4111111111111111.0, GONE),
        (uuid.UUID("550e8400-e29b-41d4-a716-446655440000"), "550e8400-e29b-41d4-a716-446655440000"),
        (datetime.date(2026, 11, 30), "2026-11-30"),
        ({"tokens": "abc"}, {"tokens": GONE}),
        ({"tokens": {"secret": 5, "a": 1}}, {"tokens": {"secret": GONE, "a": 1}}),
        ({"tokens": b"5"}, {"tokens": GONE}),
    ],
)  # fmt: skip
def test_values_of_every_type_are_searched(value: Any, expected: Any) -> None:
    """What was searched is what goes out: an object becomes plain first."""
    assert redacted({"value": value}) == {"value": expected}


def test_what_is_nested_too_deep_is_replaced() -> None:
    """Beyond 8 levels or 10,000 parts nothing is let through; a cycle ends."""
    deep: Any = SECRET
    for _ in range(30):
        deep = [deep]
    cycle: list[Any] = [1]
    cycle.append(cycle)
    wide = [[[["password", SECRET]] * 100] * 100] * 100
    tags = redacted({"deep": deep, "cycle": cycle, "wide": wide, "long": ["x"] * 20_000})
    assert SECRET not in str(tags["deep"])
    assert GONE in str(tags["deep"])
    assert GONE in str(tags["cycle"])
    assert SECRET not in str(tags["wide"])
    assert tags["long"] == GONE


def test_the_parts_of_all_values_of_a_span_are_limited() -> None:
    """Many large values in its tags and logs take no longer than one: those beyond are replaced."""
    tracer = BasicTracer(FilterRecorder(memory := InMemoryRecorder(), Redaction()))
    numbers = list(range(4000))
    span = tracer.start_span("a", tags={"first": numbers, "second": numbers})
    span.log_kv({"third": numbers, "fourth": 4}).finish()
    (span,) = memory.spans
    assert span.tags == {"first": numbers, "second": numbers}
    assert span.logs[0].key_values == {"third": "[redacted]", "fourth": 4}


def test_containers_of_other_types_share_the_limit() -> None:
    """A list of a thousand deques of thousands of parts is not made plain at full length."""
    read: list[int] = []

    class Counted(deque[int]):
        def __iter__(self) -> Any:
            return (read.append(1) or each for each in super().__iter__())  # type: ignore[func-returns-value]

    value = [Counted(range(1000)) for _ in range(1000)]
    REDACTION.redacted("note", value)
    assert 0 < len(read) <= 20_000


class Raising(type):
    def __eq__(cls, other: object) -> bool:
        raise ValueError

    __hash__ = type.__hash__


class Raised(metaclass=Raising):
    def __str__(self) -> str:
        return "fine"


def test_a_type_is_not_asked_for_its_equality() -> None:
    """A class whose metaclass raises is searched as any other."""
    tags = redacted({"list": [Raised(), (Raised(), 1)], "tokens": Raised(), "map": {Raised(): 1}})
    assert tags["tokens"] == GONE
    assert list(tags["map"].values()) == [1]
    assert len(tags["list"]) == 2


def test_a_value_is_not_asked_for_its_hash() -> None:
    """A tuple that holds another twice, and so on, takes no longer than its parts."""
    value: Any = ()
    for _ in range(100):
        value = (value, value)
    assert GONE in str(REDACTION.redacted("note", value))


def test_the_application_s_values_stay_as_they_are() -> None:
    """A list or mapping in a tag is not changed in place."""
    given: dict[str, Any] = {"list": [{"password": SECRET}], "map": {"token": SECRET}}
    redacted(given)
    assert given == {"list": [{"password": SECRET}], "map": {"token": SECRET}}


def test_a_later_change_of_a_list_does_not_go_out() -> None:
    """A list that was searched is a copy."""
    shared: list[Any] = ["fine"]
    tags = redacted({"list": shared})
    shared.append("password=hunter2")
    assert tags == {"list": ["fine"]}


@pytest.mark.parametrize(
    ("options", "tags", "expected"),
    [
        ({"keys": ["iban"]}, {"customer.iban": "x", "Iban": "x", "ibanez": "x"}, [GONE, GONE, "x"]),
        ({"keys": ["customer name"]}, {"customer.name": "x", "customerName": "x"}, [GONE, GONE]),
        ({"keys": ["iban"]}, {"note": "iban=DE1", "b": '{"iban": "DE1"}'}, [GONE, GONE]),
        ({"patterns": [r"\bDE\d{20}\b"]}, {"n": "DE89370400440532013000"}, [GONE]),
        ({"patterns": [re.compile("ada", re.I)]}, {"n": "ADA", "b": "bob"}, [GONE, "bob"]),
        ({"patterns": [r"^\d{11}$"]}, {"n": 12345678901, "m": 5, "b": True}, [GONE, 5, True]),
        ({"kept_keys": ["x-token"]}, {"X-Token": "a", "token": "a"}, ["a", GONE]),
        ({"kept_keys": ["x-token"]}, {"x-token": "password=x"}, [GONE]),
        ({"kept_keys": ["token"]}, {"note": "token=abc"}, ["token=abc"]),
        ({"replacement": "***"}, {"password": "x", "note": "token=abc"}, ["***", "***"]),
        ({"defaults": False}, {"password": "x", "n": CARDS[0]}, ["x", CARDS[0]]),
        ({"defaults": False, "keys": ["name"]}, {"name": "x", "token": "a"}, [GONE, "a"]),
        ({"defaults": False, "patterns": ["x"]}, {"name": "x", "n": 4111111111111111},
         [GONE, 4111111111111111]),
    ],
)  # fmt: skip
def test_options(options: dict[str, Any], tags: dict[str, Any], expected: list[Any]) -> None:
    """Keys and patterns are added; `defaults` leaves the others out; the replacement is yours."""
    assert list(redacted(tags, Redaction(**options)).values()) == expected


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"keys": "iban"}, TypeError, "keys must be a list of texts, not str"),
        ({"keys": [5]}, TypeError, "each of keys must be a str, not int"),
        ({"keys": ["-"]}, ValueError, "each of keys must have a letter or a digit, not '-'"),
        ({"kept_keys": None}, TypeError, "kept_keys must be a list of texts, not NoneType"),
        ({"patterns": "x"}, TypeError, "patterns must be a list of regular expressions, not str"),
        ({"patterns": ["("]}, ValueError, "a pattern is no regular expression"),
        ({"patterns": [re.compile(b"x")]}, TypeError, "for text, not for bytes"),
        ({"replacement": None}, TypeError, "replacement must be a str, not NoneType"),
        ({"defaults": 1}, TypeError, "defaults must be a bool, not int"),
    ],
)
def test_wrong_options_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """The error names the option."""
    with pytest.raises(error, match=re.escape(message)):
        Redaction(**options)


def test_a_value_can_be_tried() -> None:
    """`redacted` returns what goes out in place of a value."""
    redaction = Redaction()
    assert redaction.redacted("password", "x") == GONE
    assert redaction.redacted("name", "ada") == "ada"


def test_what_was_redacted_stays_as_it_is() -> None:
    """A second redaction changes nothing."""
    once = redacted({f"{n}": text for n, text in enumerate(SUSPECT_TEXTS)})
    assert redacted(once) == once


# Texts of a million characters with nothing to hide, of shapes that are bad for a search.
LONG = 1_000_000
HARMLESS: dict[str, str] = {
    "words": "the quick brown fox ",
    "letters": "a",
    "digits": "4",
    "groups of digits": "4444 ",
    "pairs of digits": "41-",
    "numbers": "1234567890123, ",
    "fractions": "0.4111111111111111 ",
    "equal signs": "=",
    "pairs": "a=b&",
    "colons": "a: b, ",
    "quotes": "\"'\\",
    "keys": "password ",
    "joined keys": "password",
    "keys with a sign": "password = ?, ",
    "counts": "max_tokens=5 ",
    "dots": "password.",
    "dashes": "-",
    "options": " --a",
    "schemes": "bearer ",
    "basic": "basic ",
    "base64": "Basic aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ= ",
    "half tokens": "eyJ",
    "half tokens with dots": "eyJ.",
    "headers": "-----BEGIN ",
    "addresses": "://",
    "users": "://a:b",
    "signs": "@:/",
    "spaces": " ",
    "lines": "\n",
    "source": '  File "x"\n    login(password=password)\n',
    "percent": "%3D%22",
    "json": '{"name": "ada", "tokens": 5, "list": [1, 2.5]}, ',
    "sql": "SELECT token FROM t WHERE password = ? AND id IN (1, 2, 3); ",
    "capitals": "İ",
}


@pytest.mark.parametrize("shape", list(HARMLESS))
def test_a_search_is_linear(shape: str) -> None:
    """Ten times the text takes about ten times as long, and a million characters a bounded time."""
    part = HARMLESS[shape]

    def seconds(length: int) -> float:
        text = part * (length // len(part))
        start = time.process_time()
        assert REDACTION.redacted("note", text) == text
        return time.process_time() - start

    short, long = max(seconds(LONG // 10), seconds(LONG // 10)), seconds(LONG)
    assert long < 40 * short + 0.01  # quadratic time would be 100 times as long
    assert long < 10


def test_a_text_beyond_the_limit_is_replaced() -> None:
    """It would take too long to search."""
    assert Redaction().redacted("note", "a" * 2_000_001) == GONE


@given(st.text(), st.sampled_from(SUSPECT_TEXTS), st.text())
def test_a_secret_is_found_in_any_surroundings(before: str, secret: str, after: str) -> None:
    """Lines before and after do not hide it."""
    assert REDACTION.redacted("note", f"{before}\n{secret}\n{after}") == GONE


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
        lambda inner: st.one_of(
            st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)
        ),
        max_leaves=20,
    )
)
def test_any_value_is_taken(value: Any) -> None:
    """Nothing raises, and under a suspicious key nothing is left."""
    REDACTION.redacted("note", value)
    result = REDACTION.redacted("password", value)
    assert result == GONE or value is None or type(value) is bool


def test_it_remembers_no_more_than_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts and keys that never come again do not fill the memory, and no secret is remembered."""
    monkeypatch.setattr("opentracing_recorder._filter_redaction._MOST_REMEMBERED", 10)
    monkeypatch.setattr("opentracing_recorder._filter_suspects._MOST_KINDS", 10)
    redaction = Redaction()
    for number in range(100):
        redaction.redacted(f"key {number}", f"text {number}")
        redaction.redacted("note", f"password={number}")
        redaction.redacted("note", "letters " + "x" * number + "1")
    known = (redaction._clean, redaction._shapes, redaction._kinds, redaction._kept)
    assert max(map(len, (*known, redaction._suspects._kinds))) <= 10
    assert "password" not in str([*redaction._clean, *redaction._shapes])


_digits = st.text("0123456789", min_size=1)


@given(st.sampled_from([*SUSPECT_TEXTS, *CARDS, "order 7", "x"]), st.lists(_digits), _digits)
def test_what_is_remembered_of_digits_hides_nothing(
    text: str, earlier: list[str], last: str
) -> None:
    """A text that differs from a clean one in its digits alone is searched as if it came first."""

    def with_digits(digits: str) -> str:
        source = itertools.cycle(digits)
        return "".join(next(source) if each in "0123456789" else each for each in text)

    redaction = Redaction()
    for digits in earlier:
        redaction.redacted("note", with_digits(digits))
    for each in (text, with_digits(last)):
        assert redaction.redacted("note", each) == Redaction().redacted("note", each)


@pytest.mark.parametrize(
    ("redaction", "clean", "secret"),
    [
        (Redaction(), "4111 1111 1111 1112", "4111 1111 1111 1111"),
        (Redaction(), "4111111111111112", "4111111111111111"),
        (Redaction(), "cvv2=", "cvv2=123"),
        (Redaction(keys=["oauth2"]), "oauth3=abc", "oauth2=abc"),
        (Redaction(keys=["2fa"], defaults=False), "3fa=abc", "2fa=abc"),
        (Redaction(keys=["2fa"]), "3fa=abc", "2fa=abc"),
        (Redaction(patterns=["customer-7"]), "customer-8", "customer-7"),
        (Redaction(), "ya30.abcdefghijklm", "ya29.abcdefghijklm"),
        (Redaction(), "postgres%3A%3F%2Fada%3Ax%40db", "postgres%3A%2F%2Fada%3Ax%40db"),
    ],
)
def test_a_digit_may_make_a_secret(redaction: Redaction, clean: str, secret: str) -> None:
    """A clean text does not vouch for one with other digits, where these decide."""
    assert redaction.redacted("note", clean) == clean
    assert redaction.redacted("note", secret) == GONE


@pytest.mark.needs_os
def test_it_may_be_called_from_many_threads() -> None:
    """One redaction serves all; nothing gets through while its memory is cleared."""
    redaction = Redaction()
    leaked: list[Any] = []

    def work() -> None:
        for number in range(2000):
            for key, value in (("note", f"{number} password=x"), ("password", "x")):
                if redaction.redacted(key, value) != GONE:
                    leaked.append(value)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert leaked == []


@pytest.mark.parametrize("make", [lambda: Redaction(), lambda: Redaction(keys=["x"])])
def test_its_repr_shows_no_option(make: Callable[[], Redaction]) -> None:
    """Patterns may be secret too."""
    assert repr(make()) == "<Redaction>"
