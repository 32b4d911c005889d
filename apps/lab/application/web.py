"""Requests and answers of the application: just enough of HTTP over WSGI, JSON in and out."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

LONGEST_BODY = 64_000  # bytes


class Refused(Exception):
    """An answer other than success: its status and a sentence for the caller."""

    def __init__(self, status: HTTPStatus, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, dict(headers or {})


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller sent; `path` without the query string."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # by lower-case name
    body: bytes

    def whole(self, name: str, default: int, most: int) -> int:
        """A whole number of the query string from 1 to `most`; raises Refused."""
        text = self.query.get(name, str(default))
        if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be a whole number from 1 to {most}.")
        return int(text)

    def document(self) -> dict[str, Any]:
        """The JSON object of the body; raises Refused."""
        try:
            found = json.loads(self.body or b"{}")
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
        if not isinstance(found, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
        return found

    def text(self, name: str, most: int) -> str:
        """A text of the body of 1 to `most` characters; raises Refused."""
        value = self.document().get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= most or "\x00" in value:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be a text of 1 to {most} characters.")
        return value


@dataclass(slots=True)
class Answer:
    """A JSON document with its status and further headers."""

    document: Any
    status: HTTPStatus = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Write it out as WSGI wants it."""
        body = json.dumps(self.document, default=str).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        start_response(f"{self.status.value} {self.status.phrase}", list((headers | self.headers).items()))
        return [body]


Handler: TypeAlias = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path; groups of whole numbers in the path become arguments."""

    method: str
    path: re.Pattern[str]
    handler: Handler


def route(method: str, path: str, handler: Handler) -> Route:
    """A route; `<id>` in the path stands for a whole number.

    >>> route("GET", "/api/messages/<id>", print).path.fullmatch("/api/messages/7").groups()
    ('7',)
    """
    return Route(method, re.compile(path.replace("<id>", r"(\d{1,18})")), handler)


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Handler, tuple[int, ...]]:
    """The handler for a request and the numbers of its path; raises Refused with 404 or 405."""
    allowed = []
    for candidate in routes:
        if match := candidate.path.fullmatch(path):
            if candidate.method == method:
                return candidate.handler, tuple(int(group) for group in match.groups())
            allowed.append(candidate.method)
    if allowed:
        raise Refused(
            HTTPStatus.METHOD_NOT_ALLOWED, f"Only {', '.join(allowed)} is possible here.", {"Allow": ", ".join(allowed)}
        )
    raise Refused(HTTPStatus.NOT_FOUND, "There is nothing at this address.")


def request_of(environ: WSGIEnvironment) -> Request:
    """The request that WSGI handed over; raises Refused for a body that is too long or of no known length."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > LONGEST_BODY:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body may have up to {LONGEST_BODY} bytes.")
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    return Request(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO", "/"),
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""))),
        headers=headers,
        body=environ["wsgi.input"].read(int(length)) if int(length) else b"",
    )
