"""The first page's lines: no component that is bad reads as if all were well."""

from dataclasses import replace

import pytest

from apps.metrics import store
from apps.metrics.kernel import State
from apps.metrics.registry import checks
from apps.overview.summary import components
from tests.watch import Watch


@pytest.mark.parametrize("state", [State.WARN, State.FAIL])
def test_whichever_check_is_bad_its_component_says_something_else_than_when_well(watch: Watch, state: State) -> None:
    watch.poll(2)
    found = [
        replace(v, state=State.PASS) if v.state in {State.WARN, State.FAIL} else v for v in store.verdicts(watch.tier)
    ]
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
