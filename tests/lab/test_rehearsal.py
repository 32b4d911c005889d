"""The lab's copy of a playbook: the same in everything but how long its watches last."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings

from apps.lab.rehearsal import LENGTH, write
from apps.playbook.difference import difference
from apps.playbook.validate import load


def test_only_the_watches_differ_and_each_can_be_sat_out(tmp_path: Path) -> None:
    whole, copy = load(settings.PLAYBOOK), load(write(settings.PLAYBOOK, tmp_path / "copy"))
    assert {change.path[:1] + change.path[2:3] for change in difference(whole, copy)} == {("weeks", "watch")}
    for week, short in zip(whole.weeks, copy.weeks, strict=True):
        assert replace(short, watch=week.watch) == week
        if week.watch is None or short.watch is None:
            continue
        assert short.watch.length == LENGTH
        assert [(e.slug, e.title, e.check) for e in short.watch.entries] == [
            (e.slug, e.title, e.check) for e in week.watch.entries
        ]
        for entry, before in zip(short.watch.entries, week.watch.entries, strict=True):
            assert entry.every is None or LENGTH / entry.every >= 10
            assert entry.max_tolerated_failures <= before.max_tolerated_failures
            assert bool(entry.max_tolerated_failures) == bool(before.max_tolerated_failures)


def test_it_is_written_anew_and_never_over_what_it_is_made_from(tmp_path: Path) -> None:
    copy = write(settings.PLAYBOOK, tmp_path / "copy")
    (copy / "weeks" / "week-7.yaml").write_text("broken", encoding="utf-8")
    again = load(write(settings.PLAYBOOK, copy, timedelta(minutes=5)))
    assert {week.watch.length for week in again.weeks if week.watch} == {timedelta(minutes=5)}
    with pytest.raises(ValueError, match="the shortened copy itself"):
        write(copy, copy)
    assert load(copy) == again
