"""The first page's lines: no component that is bad reads as if all were well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.metrics import store
from apps.metrics.kernel import State
from apps.metrics.lives import Polling
from apps.metrics.models import LatestAnswer
from apps.metrics.registry import checks
from apps.overview.summary import components, sentence
from apps.replicas.lag import LAG, Cause, Standing
from tests.watch import Watch

UNSOUND = [State.WARN, State.FAIL, State.ERROR, State.NO_DATA]


@pytest.mark.parametrize("state", UNSOUND)
def test_whichever_check_is_bad_or_unknown_its_component_says_something_else_than_when_well(
    watch: Watch, state: State
) -> None:
    watch.turns("replicas.replay_lag", State.PASS)  # after a pause of an hour the first answer is an hour, at most
    watch.poll(2)
    found = [replace(v, state=State.PASS) if v.state in UNSOUND else v for v in store.verdicts(watch.tier)]
    well = {part.url: part for part in components(watch.tier, found)}
    tried = 0
    for place, verdict in enumerate(found):
        url = f"/t/lab/{verdict.check_id.partition('.')[0]}/"
        if url not in well or verdict.state is not State.PASS or checks()[verdict.check_id].shadow:
            continue
        worse = [*found[:place], replace(verdict, state=state), *found[place + 1 :]]
        told = next(part for part in components(watch.tier, worse) if part.url == url)
        assert told.state is state, verdict
        assert told.text != well[url].text, verdict
        tried += 1
    assert tried > 30


def test_the_verdict_counts_what_is_wrong_and_names_it(watch: Watch) -> None:
    watch.poll(2)
    found = [replace(v, state=State.PASS) for v in store.verdicts(watch.tier) if not checks()[v.check_id].shadow]
    calm = Polling(datetime.now(UTC), timedelta(), overdue=False, beginning=False, worker_seen_at=None, beat_seen_at=None,
                   killed_at=None, back_at=None)  # fmt: skip

    def said(state: State, *worse: str) -> str:
        judged = [replace(v, state=state) if v.check_id in worse else v for v in found]
        return sentence(components(watch.tier, judged), calm)

    assert said(State.WARN, "ratelimits.degraded") == "One thing needs a look: Decisions without Redis on lab-app."
    assert said(State.NO_DATA, "ratelimits.degraded").startswith("One thing is not known now: Decisions without Redis")
    assert said(State.WARN, "queries.restarted", "queries.deadlocks") == (
        "2 things need a look: Server started anew on lab-primary, lab-replica-1 and lab-replica-2; Deadlocks on lab-primary."
    )
    judged = [replace(v, state={"queries.deadlocks": State.WARN, "queries.buffer_hit": State.NO_DATA}.get(v.check_id, v.state))
              for v in found]  # fmt: skip
    told = next(part.text for part in components(watch.tier, judged) if part.url.endswith("/queries/"))
    assert told.startswith("One thing needs a look: Deadlocks on lab-primary. One thing is not known now: ")

    lag = LatestAnswer.objects.get(tier=watch.tier, probe=LAG)
    for row in lag.rows:
        row.update(standing=Standing.STREAMING.value, cause=Cause.NONE.value, lag_bytes=8, lag_seconds=0.01)
    lag.save()
    judged = [replace(v, state=State.FAIL) if v.check_id == "replicas.settings_drift" else v for v in found]
    told = next(part.text for part in components(watch.tier, judged) if part.url.endswith("/replicas/"))
    assert told.startswith("One thing is wrong: "), "though there is something to tell of the lag"
    assert said(State.FAIL, "app.up").startswith("Application: one thing is wrong (Application answers), p95")
    several = said(State.FAIL, "app.error_rate", "app.health", "app.p95", "app.slow_share")
    assert several.startswith(
        "Application: 4 things are wrong (Errors of the application, Health as the application says, 2 more), p95"
    )
