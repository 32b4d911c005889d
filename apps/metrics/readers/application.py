"""An application watched over HTTP: each path is a JSON document, one row."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from apps.metrics.kernel import Failure, FailureKind, NodeRole
from apps.metrics.probe import Probe
from apps.metrics.readers.base import (
    APPLICATION_NAME,
    Identity,
    Reader,
    Reply,
    Said,
    Unreadable,
    plain,
)
from apps.metrics.readers.place import place
from apps.metrics.readers.traffic import Traffic
from apps.metrics.readers.trust import context, distrust
from apps.telemetry import correlation

MOST_BYTES = 1_000_000
ANSWER_SECONDS = 3
LOST = {FailureKind.UNREACHABLE, FailureKind.TIMEOUT, FailureKind.WRONG_KIND}


class ApplicationReader(Reader):
    """Gets each path at once over kept connections; follows no redirect. A row is the document, with `http_status` and
    `http_seconds` added.
    """

    client: httpx.AsyncClient | None = None
    received = 0  # bytes of documents, as they came over the wire
    host = ""  # whose certificate is expected

    @property
    def is_open(self) -> bool:
        """See Reader."""
        return self.client is not None

    async def open(self) -> None:
        """See Reader. Nothing is sent yet: HTTP connects with the first question."""
        self.received = 0
        where = await place(self.target)
        self.host = where.host
        named = urlsplit(self.target.url).netloc.rpartition("@")[2]
        self.client = httpx.AsyncClient(
            base_url=where.instead(self.target.url),
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
            headers={"User-Agent": APPLICATION_NAME, "Accept": "application/json", "Host": named},
            trust_env=False,
            verify=context(self.target.reach.roots),
            event_hooks={"request": [correlation.carry_async]},
        )

    async def ask(self, probes: Sequence[Probe]) -> Reply:
        """See Reader. Unreadable only when no path gave any HTTP answer."""
        client = self.client
        assert client is not None
        paths = {str(probe.question) for probe in probes} or {"/health"}
        answers = dict(zip(paths, await asyncio.gather(*(self._get(client, path) for path in paths)), strict=True))
        failures = [said.failure for said in answers.values() if said.failure]
        if len(failures) == len(answers) and all(_lost(failure) for failure in failures):
            await self.close()
            raise Unreadable(failures[0].kind, failures[0].message)
        said = {probe.id: answers[str(probe.question)] for probe in probes}
        return Reply(Identity(None, NodeRole.NONE, "", ""), said)

    def traffic(self) -> Traffic | None:
        """See Reader. Heads are not counted, nor how long a round trip takes."""
        return Traffic(self.received, 0.0)

    async def close(self) -> None:
        """See Reader."""
        client, self.client = self.client, None
        if client is not None:
            await client.aclose()

    async def _get(self, client: httpx.AsyncClient, path: str) -> Said:
        text = f"GET {path}"
        try:
            response = await client.get(path, extensions={"sni_hostname": self.host})
        except httpx.TimeoutException:
            message = f"No answer within {ANSWER_SECONDS} s."
            return Said(text, failure=Failure(FailureKind.TIMEOUT, message))
        except httpx.RemoteProtocolError:
            message = "What answers there does not speak HTTP."
            return Said(text, failure=Failure(FailureKind.WRONG_KIND, message))
        except httpx.HTTPError as error:
            if told := distrust(error):
                return Said(text, failure=told.failure)
            message = "It does not accept connections, or closed this one."
            return Said(text, failure=Failure(FailureKind.UNREACHABLE, message))
        self.received += response.num_bytes_downloaded
        return _document(text, response)


def _lost(failure: Failure) -> bool:
    """Whether nothing was heard from it, and not only one document is not to be had."""
    return failure.kind in LOST or failure.message.startswith("Not connected")


def _document(text: str, response: httpx.Response) -> Said:
    status = response.status_code
    if status in {401, 403}:
        return Said(text, failure=Failure(FailureKind.DENIED, f"HTTP {status}: the path is not open to the portal."))
    if len(response.content) > MOST_BYTES:
        return Said(text, failure=Failure(FailureKind.ERROR, f"The document is over {MOST_BYTES:,} bytes."))
    try:
        document: Any = response.json()
        if not isinstance(document, dict):
            return Said(text, failure=Failure(FailureKind.ERROR, f"HTTP {status} without a JSON object."))
        rows = plain([{**document, "http_status": status, "http_seconds": response.elapsed.total_seconds()}])
        orjson.dumps(rows)  # as it will be kept, together with what all other nodes said
    except ValueError:
        return Said(text, failure=Failure(FailureKind.ERROR, f"HTTP {status} without a JSON object."))
    except (TypeError, RecursionError) as error:
        return Said(text, failure=Failure(FailureKind.ERROR, f"HTTP {status}; the document cannot be kept: {error}."))
    return Said(text, rows)
