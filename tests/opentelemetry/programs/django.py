"""A Django service, called under WSGI and under ASGI: an answer, and a view that raises."""

from __future__ import annotations

import asyncio

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
from opentelemetry import trace
from opentelemetry.instrumentation.django import DjangoInstrumentor

HEADERS = {
    "traceparent": f"00-{1:032x}-{2:016x}-01",
    "tracestate": "vendor=1",
    "baggage": "user=amy",
}


def item(request: HttpRequest, number: int) -> HttpResponse:
    with trace.get_tracer("shop").start_as_current_span("look up"):
        return HttpResponse("here")


def fail(request: HttpRequest) -> HttpResponse:
    raise ValueError("no such item")


urlpatterns = [path("items/<int:number>", item), path("fail", fail)]


async def asynchronously(paths: tuple[str, ...]) -> list[int]:
    client = AsyncClient(raise_request_exception=False)
    return [(await client.get(path, headers=HEADERS)).status_code for path in paths]


def run() -> object:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None)
    DjangoInstrumentor().instrument()
    django.setup()
    client = Client(raise_request_exception=False)
    paths = ("/items/7", "/fail")
    statuses = [client.get(path, headers=HEADERS).status_code for path in paths]
    statuses += asyncio.run(asynchronously(paths))
    return [statuses, trace.get_current_span() is trace.INVALID_SPAN]
