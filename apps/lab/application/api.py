"""The API's addresses: who may call, how often, and what each does."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus

from apps.lab.application.counters import Counters
from apps.lab.application.messages import FIRST_PAGE, Client, Messaging, NotTheirs
from apps.lab.application.web import Answer, Refused, Request, Route, route
from apps.lab.switches import Limits, SwitchBoard
from apps.ratelimits.limiter import Decision, Limiter, Mode

ByClient = Callable[..., Answer]
MOST_RECIPIENTS = 100


class Api:
    """The handlers of /api/…; each but the login asks for X-API-Key or a token, and passes the limiter."""

    def __init__(self, messaging: Messaging, limiter: Limiter, board: SwitchBoard, counters: Counters) -> None:
        self._messaging, self._limiter, self._board, self._counters = messaging, limiter, board, counters
        self.routes: tuple[Route, ...] = (
            route("POST", "/api/login", self.login),
            route("GET", "/api/dashboard", self._for_client(self.dashboard)),
            route("GET", "/api/conversations/<id>/messages", self._for_client(self.conversation)),
            route("POST", "/api/conversations/<id>/messages", self._for_client(self.send)),
            route("GET", "/api/messages/recent", self._for_client(self.recent)),
            route("GET", "/api/messages/search", self._for_client(self.search)),
            route("GET", "/api/messages/statistics", self._for_client(self.statistics)),
            route("POST", "/api/messages", self._for_client(self.announce)),
            route("GET", "/api/messages/<id>/delivery", self._for_client(self.delivery)),
            route("POST", "/api/queue/deliver", self._for_client(self.deliver)),
        )

    def login(self, request: Request) -> Answer:
        """E-mail and password for a token of one hour."""
        token = self._messaging.log_in(request.text("email", 200), request.text("password", 200))
        if token is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "E-mail or password are wrong.")
        return Answer({"token": token})

    def dashboard(self, _request: Request, client: Client) -> Answer:
        """A client's first page."""
        return Answer(self._messaging.dashboard(client))

    def conversation(self, request: Request, client: Client, number: int) -> Answer:
        """`?limit=`, `?before=` (a time with its zone): one page, newest first."""
        limit = request.whole("limit", 20, FIRST_PAGE)
        return Answer({"messages": self._messaging.conversation(client, number, _time(request, "before"), limit)})

    def send(self, request: Request, client: Client, number: int) -> Answer:
        """`{"body": …}`: a message into the conversation."""
        return Answer(self._messaging.send(client, number, client.id, request.text("body", 2000)), HTTPStatus.CREATED)

    def recent(self, request: Request, client: Client) -> Answer:
        """`?days=`: the newest messages."""
        return Answer({"messages": self._messaging.recent(client, request.whole("days", 30, 400))})

    def search(self, request: Request, client: Client) -> Answer:
        """`?q=`, `?days=`: messages that contain a text."""
        text = request.query.get("q", "")
        if not 3 <= len(text) <= 100 or "\x00" in text:
            raise Refused(HTTPStatus.BAD_REQUEST, "q must be a text of 3 to 100 characters.")
        return Answer({"messages": self._messaging.search(client, request.whole("days", 7, 60), text)})

    def statistics(self, request: Request, client: Client) -> Answer:
        """`?months=`: deliveries by month."""
        return Answer({"months": self._messaging.statistics(client, request.whole("months", 6, 26))})

    def announce(self, request: Request, client: Client) -> Answer:
        """`{"subject", "body", "recipients": […]}`: one text to many."""
        addresses = request.document().get("recipients")
        if not isinstance(addresses, list) or not 1 <= len(addresses) <= MOST_RECIPIENTS:
            raise Refused(HTTPStatus.BAD_REQUEST, f"recipients must be a list of 1 to {MOST_RECIPIENTS} addresses.")
        if not all(
            isinstance(address, str) and 3 <= len(address) <= 200 and "\x00" not in address for address in addresses
        ):
            raise Refused(HTTPStatus.BAD_REQUEST, "Each recipient must be a text of 3 to 200 characters.")
        number = self._messaging.announce(client, request.text("subject", 200), request.text("body", 2000), addresses)
        return Answer({"id": number}, HTTPStatus.CREATED)

    def delivery(self, _request: Request, client: Client, number: int) -> Answer:
        """How far an announcement got."""
        return Answer({"recipients": self._messaging.delivery(client, number)})

    def deliver(self, request: Request, _client: Client) -> Answer:
        """`?limit=`: deliver waiting messages, as the platform's own worker does."""
        delivered = self._messaging.deliver(request.whole("limit", 50, 500))
        self._counters.count("delivered", delivered)
        return Answer({"delivered": delivered})

    def _for_client(self, handler: ByClient) -> ByClient:
        def handle(request: Request, *numbers: int) -> Answer:
            client = self._client(request)
            decision = self._limit(client)
            headers = decision.headers() if decision else {}
            try:
                answer = handler(request, client, *numbers)
            except NotTheirs as error:
                raise Refused(HTTPStatus.NOT_FOUND, str(error), headers) from None
            answer.headers.update(headers)
            return answer

        return handle

    def _client(self, request: Request) -> Client:
        bearer = request.headers.get("authorization", "")
        client = None
        if key := request.headers.get("x-api-key"):
            client = self._messaging.client_of_key(key)
        elif bearer.startswith("Bearer "):
            client = self._messaging.client_of_token(bearer.removeprefix("Bearer "))
        if client is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "Send a valid key in X-API-Key, or a token of /api/login.")
        return client

    def _limit(self, client: Client) -> Decision | None:
        limits = self._board.now().limits
        if limits is Limits.OFF:
            return None
        mode = Mode.ENFORCE if limits is Limits.ENFORCE else Mode.MONITOR
        decision = self._limiter.take(client.key_id, client.tier, mode=mode)
        counted = "degraded" if decision.degraded else "exceeded" if decision.exceeded else "passed"
        self._counters.count(f"limiter_{counted}")
        if not decision.allowed:
            sentence = f"The limit of {decision.quota.limit} requests a minute is reached."
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, sentence, decision.headers())
        return decision


def _time(request: Request, name: str) -> datetime | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be a time such as 2026-01-31T12:00:00+00:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
