"""Runs that are remembered: killed and resumed exactly once, cancelled from the page, told on pages, run by the command."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.accounts.tasks import forget_expired_sessions
from apps.batch import Cancel, Ended, How, Refused, Remember, Retry, create, process, table, token_of_job
from apps.batch.files import opened
from apps.batch.job import Standing, begin, record_chunks
from apps.batch.models import ChunkDone, Job
from apps.batch.result import Circuit, Counts, Progress, RowError, State
from apps.batch.resume import Identity, Settled
from apps.batch.tasks import forget_old
from apps.batch.terminal import bar
from apps.ledger.models import Entry
from tests.batch.conftest import Shop
from tests.conftest import Until
from tests.people import Browser

BASE = Path(__file__).resolve().parents[2]
COLUMNS = ("n", "note")
ROWS, TOO_MANY = 60_000, 1_000_000  # the second is still under way when somebody has found the button
RUNNER = """
import sys
import django; django.setup()
from apps.batch import How, Remember, create, table
total = int(sys.argv[1])
rows = ((n, "x") for n in range(total))
create(table("public.keyless"), rows, columns=("n", "note"), how=How(chunk=50, parallel=2, remember=Remember("killed", "ann"),
       total=total))
"""


@pytest.fixture
def runner(portal_environment: dict[str, str], stored_shop: Shop) -> Any:
    """Starts a process of the portal that carries many rows in small chunks; whatever is left of it is ended."""
    environment = {**os.environ, **portal_environment, "DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    started: list[subprocess.Popen[bytes]] = []

    def start(rows: int = ROWS) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-c", RUNNER, str(rows)], cwd=BASE, env=environment))
        return started[-1]

    yield start
    for process_ in started:
        process_.kill()
        process_.wait()


@pytest.mark.timeout(300)  # it waits for a process of the portal to start, twice as long as a busy machine takes
def test_a_killed_run_is_seen_and_goes_on_with_each_chunk_once(
    stored_shop: Shop, runner: Any, until: Until, viewer: Person, dba: Person, browser: Browser
) -> None:
    killed = runner()
    until(lambda: stored_shop.one("SELECT count(*) FROM keyless") > 1000, 100, 0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    job = Job.objects.get()
    until(lambda: b"Broken off" in browser(viewer).get(job.get_absolute_url()).content)
    token = token_of_job(job.pk)
    assert token in browser(dba).get(job.get_absolute_url()).content.decode()
    assert token not in browser(viewer).get(job.get_absolute_url()).content.decode()
    assert stored_shop.one("SELECT count(*) FROM keyless") < ROWS

    rows = ((n, "x") for n in range(ROWS))
    result = create(table("public.keyless"), rows, columns=COLUMNS, how=How(chunk=50, parallel=2, resume=token))
    assert result.ok, result.errors
    assert result.counts.written < ROWS
    assert stored_shop.one("SELECT count(*) || ' ' || count(DISTINCT n) FROM keyless") == f"{ROWS} {ROWS}"
    job.refresh_from_db()
    assert (job.state, job.written, job.seen, job.total) == (State.COMPLETE, ROWS, ROWS, ROWS)
    assert not ChunkDone.objects.exists()


@pytest.mark.timeout(300)
def test_who_may_cancels_from_the_page_in_another_process_and_it_is_recorded(
    stored_shop: Shop, runner: Any, until: Until, viewer: Person, dba: Person, browser: Browser
) -> None:
    running = runner(TOO_MANY)
    until(lambda: stored_shop.one("SELECT count(*) FROM keyless") > 1000, 100, 0.01)
    job = Job.objects.get()
    url = job.get_absolute_url()
    assert browser(viewer).post(f"{url}cancel/").status_code == 403
    assert b"Cancel the run" not in browser(viewer).get(url).content
    assert b"Cancel the run" in browser(dba).get(url).content
    with pytest.raises(Refused, match="runs in another process"):
        create(
            table("public.keyless"), iter([(0, "x")]), columns=COLUMNS, how=How(chunk=50, resume=token_of_job(job.pk))
        )

    shown = browser(dba).post(f"{url}cancel/", follow=True).content.decode()
    assert "ends after the chunks that are being written" in shown
    assert running.wait(20) == 0
    job.refresh_from_db()
    assert (job.state, job.cancel_asked_by) == (State.CANCELLED, "dba")
    assert job.written == stored_shop.one("SELECT count(*) FROM keyless") < TOO_MANY
    entry = Entry.objects.get(kind="batch.cancel")
    assert (entry.actor, entry.subject) == ("dba", f"batch/{job.pk}")
    assert entry.sentence == f"dba cancelled the batch “killed” ({job.pk})."
    assert b"nothing was changed" in browser(dba).post(f"{url}cancel/", follow=True).content


def test_a_cancel_that_cannot_be_recorded_does_not_happen(
    stored_shop: Shop, dba: Person, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Identity("create", "public.keyless", 50, "")
    record = begin(Remember("held"), identity, How(), exact=True)
    monkeypatch.setattr("apps.ledger.kinds._kinds", {})
    client = browser(dba)
    client.raise_request_exception = False
    assert client.post(f"/batches/{record.id}/cancel/").status_code == 500
    assert Job.objects.get().cancel_asked_at is None
    record.connection.close()


def test_pages_tell_a_run_with_its_errors_and_hostile_words_do_nothing(
    stored_shop: Shop, viewer: Person, browser: Browser
) -> None:
    evil = "<script>alert(1)</script>{{ 7 }}"
    how = How(remember=Remember(evil, evil))
    result = create(stored_shop_table(), [(1, "a"), ("no number" + evil, "b")], columns=COLUMNS, how=how)
    assert result.job
    client = browser(viewer)
    shown = client.get(f"/batches/{result.job}/").content.decode()
    for page in (shown, client.get("/batches/").content.decode()):
        assert "<script>alert" not in page
        assert "{{ 7 }}" in page
    assert "Complete, without the rows that failed: 1 row written, 1 failed" in shown
    assert "n is int4 and cannot hold this: &#x27;str&#x27; object cannot be interpreted as an integer" in shown
    version = client.get("/batches/").context["version"]
    htmx = {"HX-Request": "true"}
    assert client.get(f"/batches/?version={version}", headers=htmx).status_code == 204
    fragment = client.get("/batches/", headers=htmx).content.decode()
    assert '<div id="live"' in fragment
    assert "<html" not in fragment
    assert client.get("/batches/999999/").status_code == 404


def test_the_page_of_a_run_tells_how_far_it_is_while_it_goes_on(
    stored_shop: Shop, viewer: Person, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.batch.job.NOTE_SECONDS", 0)  # not once a second, but after each chunk
    client, shown = browser(viewer), list[str]()

    def look(url: str, **more: Any) -> None:
        shown.append(" ".join(client.get(url, **more).content.decode().split()))

    def rows() -> Iterator[tuple[Any, str]]:
        for n in range(30):
            if n == 20:  # the first ten are settled, the next ten are not given out yet or under way
                url = Job.objects.get().get_absolute_url()
                look(url)
                look(f"{url}?version=of-before", headers={"HX-Request": "true"})
                look("/batches/")
            yield ("no number" if n == 3 else n), "x"

    how = How(chunk=10, together=1, total=30, remember=Remember("long"))
    create(stored_shop_table(), rows(), columns=COLUMNS, how=how)
    page, fragment, overview = shown
    for text in (page, fragment):
        assert "Under way: 9 rows written, 1 failed" in text
        assert '<progress max="30" value="10"' in text
        assert "10 of 30 rows" in text
    assert "cannot be interpreted as an integer" in page
    assert "One run is under way" in overview
    assert '<div id="live"' in fragment


def stored_shop_table() -> Any:
    return table("public.keyless")


def test_the_list_is_empty_at_first_and_says_how_to_begin(db: None, viewer: Person, browser: Browser) -> None:
    shown = browser(viewer).get("/batches/").content.decode()
    assert "No run is under way" in shown
    assert "manage.py batch create" in shown


def test_what_was_committed_while_others_ended_the_run_is_not_done_again(stored_shop: Shop) -> None:
    """In another database than the portal's only the job's row tells what is done."""
    stored_shop.run(
        "CREATE FUNCTION hinder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.n IN (0, 10) THEN RAISE insufficient_privilege; END IF;"
        " IF NEW.n = 20 THEN PERFORM pg_sleep(1); END IF; RETURN NEW; END $$"
    )
    stored_shop.run("CREATE TRIGGER hinder BEFORE INSERT ON keyless FOR EACH ROW EXECUTE FUNCTION hinder()")
    rows, using = [(n, "x") for n in range(30)], stored_shop.address
    how = How(chunk=10, together=1, parallel=3, remember=Remember("elsewhere"))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        create(stored_shop.keyless, rows, columns=COLUMNS, using=using, how=how)
    assert stored_shop.rows("SELECT DISTINCT n / 10 FROM keyless") == [(2,)]
    stored_shop.run("DROP FUNCTION hinder CASCADE")
    job = Job.objects.get()
    assert (job.state, job.written) == (State.BROKEN, 10)
    how = How(chunk=10, resume=token_of_job(job.pk))
    assert create(stored_shop.keyless, rows, columns=COLUMNS, using=using, how=how).ok
    assert stored_shop.rows("SELECT n FROM keyless ORDER BY n") == [(n,) for n in range(30)]


def test_chunks_whose_commit_a_killed_run_never_saw_are_told_as_it_wrote_them(stored_shop: Shop, until: Until) -> None:
    """The server ends what it was asked to, also when who asked is dead and another has taken the job up."""
    rows, cancel = [(n, -1 if n == 7 else n) for n in range(60)], Cancel()
    cancel.set()
    how = How(chunk=10, remember=Remember("killed"), cancel=cancel)
    token = create(table("public.price"), rows, columns=("id", "amount"), how=how).token
    with psycopg.connect(stored_shop.address) as dead:
        dead.execute("INSERT INTO price SELECT n, n FROM generate_series(0, 59) AS n WHERE n <> 7")
        failed = RowError(7, 7, "23514", "amount")
        record_chunks(dead, Job.objects.get().pk, list(range(6)), Counts(60, 59, failed=1), [failed])

        def end() -> None:
            until(lambda: _somebody_waits(stored_shop))
            dead.commit()

        ends = threading.Thread(target=end)
        ends.start()
        how = How(chunk=10, together=3, resume=token)
        result = create(table("public.price"), rows, columns=("id", "amount"), how=how)
        ends.join()
    assert [(error.first, error.kind) for error in result.errors] == [(7, "23514")]
    assert (result.counts.seen, result.counts.written, result.counts.failed) == (60, 59, 1)
    assert result.opened == 0
    assert stored_shop.one("SELECT count(*) FROM price") == 59
    job = Job.objects.get()
    assert (job.state, job.seen, job.written, job.failed) == (State.COMPLETE, 60, 59, 1)
    assert not ChunkDone.objects.exists()


def _somebody_waits(shop: Shop) -> bool:
    return bool(shop.one("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))


def test_a_job_counts_on_over_its_resumptions(stored_shop: Shop) -> None:
    cancel = Cancel()
    how = How(
        chunk=10,
        together=2,
        cancel=cancel,
        remember=Remember("two parts"),
        progress=lambda now: cancel.set() if now.counts.seen >= 20 else None,
    )
    first = create(stored_shop_table(), ((n, "x") for n in range(100)), columns=COLUMNS, how=how)
    assert first.ended is Ended.CANCELLED
    second = create(
        stored_shop_table(), ((n, "x") for n in range(100)), columns=COLUMNS, how=How(chunk=10, resume=first.token)
    )
    assert second.job == first.job
    job = Job.objects.get()
    assert 0 < first.counts.written < 100
    assert (job.state, job.written, first.counts.written + second.counts.written) == (State.COMPLETE, 100, 100)


def command(*words: str) -> str:
    out = StringIO()
    call_command("batch", *words, stdout=out)
    return out.getvalue()


def test_the_command_carries_files_into_tables(stored_shop: Shop, tmp_path: Path) -> None:
    sheet, lines = tmp_path / "prices.csv", tmp_path / "prices.jsonl"
    sheet.write_text("id,amount,label,at\n1,10,one,2026-01-31 00:00+00\n2,20,,\n", encoding="utf-8")
    lines.write_text("\n".join(json.dumps({"id": n, "amount": n * 11}) for n in (2, 3)), encoding="utf-8")
    assert "Nothing was kept" in command("create", "public.price", str(sheet), "--dry-run")
    assert stored_shop.rows() == []
    assert "2 written of 2 rows" in command("create", "public.price", str(sheet))
    command("upsert", "public.price", str(lines), "--key", "id")
    assert stored_shop.rows("SELECT id, amount, label FROM price ORDER BY id") == [
        (1, 10, "one"),
        (2, 22, None),
        (3, 33, None),
    ]
    (tmp_path / "gone.csv").write_text("id\n1\n3\n", encoding="utf-8")
    command("delete", "public.price", str(tmp_path / "gone.csv"))
    assert stored_shop.rows() == [(2, 22)]
    jobs = list(Job.objects.values_list("name", "total", "seen"))
    assert jobs == [("gone.csv", 2, 2), ("prices.jsonl", 2, 2), ("prices.csv", 2, 2)], "how far it is, is known"


def test_rows_are_counted_before_they_are_carried(tmp_path: Path) -> None:
    sheet = tmp_path / "odd.csv"
    for content in ("", "a", "a,b\r\n", 'a,b\n1,"two\nlines"\n\n2,"say ""hi"""\n \n3,x', "a\n\n\n", 'a\n"\n\n\n"\n'):
        sheet.write_bytes(content.encode())
        with suppress(Refused), opened(sheet, "") as found:
            assert found.total == len(list(found.rows)), content


def test_the_command_says_what_is_wrong(stored_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet, lines, odd = tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "a.xlsx"
    sheet.write_text("id,amount\n1,10\n2,-5\n3\n", encoding="utf-8")
    lines.write_text('{"id": 1, "amount": 1}\nnonsense\n', encoding="utf-8")
    odd.write_text("", encoding="utf-8")
    for words, says in (
        (
            ("create", "public.price", str(sheet)),
            r"^Read to its end, but not every row .*1 written, 2 failed of 3[\s\S]*row 1: .*price_amount_check[\s\S]*row 2: .*2 values",
        ),
        (("create", "public.nothing", str(sheet)), "There is no table"),
        (("create", "public.price", str(odd)), "read as CSV or JSON lines by its ending"),
        (("create", "public.price", str(tmp_path / "none.csv")), "No such file"),
        (("create", "public.price", str(sheet), "--database-from", "NOWHERE"), "environment has no NOWHERE"),
        (("upsert", "public.price", str(lines)), "line 2 is no JSON"),
        (("upsert", "public.price", str(sheet), "--resume", "nonsense"), "no resume token"),
    ):
        with pytest.raises(CommandError, match=says):
            command(*words)
    monkeypatch.setenv("ELSEWHERE", stored_shop.address)
    sheet.write_text("id,amount\n7,70\n", encoding="utf-8")
    command("upsert", "public.price", str(sheet), "--database-from", "ELSEWHERE")
    assert (7, 70) in stored_shop.rows()
    assert not Job.objects.first().exact  # type: ignore[union-attr]


def test_the_command_tells_where_a_broken_file_goes_on(stored_shop: Shop, tmp_path: Path) -> None:
    lines = tmp_path / "prices.jsonl"
    lines.write_text('{"id": 1, "amount": 1}\n{"id": 2, "amount": 2}\nnonsense\n', encoding="utf-8")
    with pytest.raises(CommandError, match=r"line 3 is no JSON[\s\S]*Broken: 2 written[\s\S]*--resume ") as told:
        command("create", "public.price", str(lines), "--chunk", "1", "--stop", "--isolation", "serializable")
    lines.write_text('{"id": 1, "amount": 1}\n{"id": 2, "amount": 2}\n{"id": 3, "amount": 3}\n', encoding="utf-8")
    command("create", "public.price", str(lines), "--chunk", "1", "--resume", str(told.value).rpartition(" ")[2])
    assert stored_shop.rows() == [(1, 1), (2, 2), (3, 3)]
    assert Job.objects.get().state == State.COMPLETE


@pytest.mark.timeout(300)
def test_ctrl_c_ends_the_command_after_the_present_transaction_and_it_says_how_to_go_on(
    portal_environment: dict[str, str], stored_shop: Shop, tmp_path: Path, until: Until
) -> None:
    sheet, count = tmp_path / "many.csv", 200_000
    sheet.write_text("n,note\n" + "".join(f"{n},x\n" for n in range(count)), encoding="utf-8")
    stored_shop.run("ALTER TABLE keyless ADD level text DEFAULT current_setting('transaction_isolation')")
    words = ["batch", "create", "public.keyless", str(sheet), "--chunk", "20", "--together", "1", "--isolation"]
    asked = subprocess.Popen(
        [sys.executable, "manage.py", *words, "serializable"],
        cwd=BASE, env={**os.environ, **portal_environment}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: stored_shop.one("SELECT count(*) FROM keyless") > 100, 100, 0.01)
        asked.send_signal(signal.SIGINT)
        said = asked.communicate(timeout=60)[1]
    finally:
        asked.kill()
        asked.wait()
    written = stored_shop.one("SELECT count(*) FROM keyless")
    assert asked.returncode == 1
    assert f"Cancelled: {written:,} written" in said
    assert "--resume " in said
    assert 100 < written < count
    assert stored_shop.rows("SELECT DISTINCT level FROM keyless") == [("serializable",)]
    assert Job.objects.get().state == State.CANCELLED


def test_many_errors_are_told_by_their_first_and_where_more_of_them_are(stored_shop: Shop, tmp_path: Path) -> None:
    sheet = tmp_path / "prices.csv"
    sheet.write_text("id,amount\n" + "".join(f"{n},{n % 5 - 2}\n" for n in range(300)), encoding="utf-8")
    with pytest.raises(CommandError) as told:
        command("create", "public.price", str(sheet))
    words = str(told.value)
    assert words.startswith("Read to its end, but not every row was written: 180 written, 120 failed of 300 rows")
    assert words.count("price_amount_check") == 10
    assert "and 110 more" in words
    assert f"Remembered as batch {Job.objects.get().pk}, with the first 100 errors: http" in words
    assert told.value.returncode == 1


def test_a_file_that_is_not_there_is_said_as_such(stored_shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(
        CommandError, match=r"prices\.csv cannot be read: No such file or directory\. Nothing more was written\."
    ):
        command("create", "public.price", str(tmp_path / "prices.csv"))


class Terminal(StringIO):
    """A terminal that remembers what was drawn."""

    def isatty(self) -> bool:
        return True


def test_the_bar_of_a_run_that_goes_on_begins_where_the_earlier_one_ended(
    stored_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(n, "x") for n in range(100)]
    cancel = Cancel()
    stopping = How(
        chunk=10, together=1, cancel=cancel, progress=lambda now: cancel.set() if now.counts.seen >= 40 else None
    )
    first = create(stored_shop_table(), rows, columns=COLUMNS, how=stopping)
    done = first.counts.written
    assert 40 <= done < 100
    drawn = Terminal()
    monkeypatch.setattr(sys, "stderr", drawn)
    seen: list[tuple[int, int]] = []
    with bar("prices", 100) as show:

        def progress(now: Progress) -> None:
            seen.append((now.passed, now.counts.seen))
            show(now)

        second = create(
            stored_shop_table(),
            rows,
            columns=COLUMNS,
            how=How(chunk=10, together=1, resume=first.token, progress=progress),
        )
    assert second.counts.written == 100 - done
    assert (seen[0], seen[-1]) == ((done, 10), (done, 100 - done))
    assert "100/100" in drawn.getvalue()


def test_what_is_below_the_form_of_a_page_is_left_alone_until_it_changes(
    stored_shop: Shop, viewer: Person, dba: Person, browser: Browser
) -> None:
    record = begin(Remember("under way"), Identity("create", "public.keyless", 50, ""), How(), exact=True)
    url, htmx = f"/batches/{record.id}/", {"HX-Request": "true"}
    client = browser(dba)
    page = client.get(url).content.decode()
    assert "Undone" in page
    assert page.index('id="live"') < page.index(f'action="{url}cancel/"') < page.index('id="more"')
    more = client.get(url).context["more"]
    fragment = client.get(f"{url}?version=old&more={more}&form=yes", headers=htmx).content.decode()
    assert f"more={more}&amp;form=yes" in fragment
    assert "<form" not in fragment
    assert 'id="more"' not in fragment
    assert 'id="cancel"' not in fragment
    error = RowError(3, 3, "23514", "price_amount_check")
    record.end(Standing(Settled(1), Counts(10, 9, 1), (error,), 1, Circuit.CLOSED), State.COMPLETE.value)
    fragment = client.get(f"{url}?version=old&more={more}&form=yes", headers=htmx).content.decode()
    assert 'id="more" data-hx-swap-oob="true"' in fragment
    assert "price_amount_check" in fragment
    assert "there is nothing to cancel any more" in fragment
    assert "nothing to cancel" not in browser(viewer).get(f"{url}?version=old", headers=htmx).content.decode()


def test_words_that_no_text_can_hold_are_kept_without_them(stored_shop: Shop) -> None:
    def refuse(_rows: object) -> None:
        raise ValueError("a\0b \ud800")

    result = process([1], refuse, how=How(remember=Remember("odd"), retry=Retry(2, timedelta(milliseconds=10))))
    assert [error["cause"] for error in Job.objects.get().errors] == [result.errors[0].cause] == ["a\ufffdb ?"]


def test_old_runs_and_expired_sessions_are_forgotten_in_chunks(
    stored_shop: Shop, viewer: Person, browser: Browser
) -> None:
    create(stored_shop_table(), [(1, "a")], columns=COLUMNS, how=How(remember=Remember("old")))
    create(stored_shop_table(), [(2, "a")], columns=COLUMNS, how=How(remember=Remember("new")))
    Job.objects.filter(name="old").update(noted_at=timezone.now() - timedelta(days=100))
    forget_old()
    assert Job.objects.get().name == "new"
    client = browser(viewer)
    Session.objects.create(session_key="gone", session_data="", expire_date=timezone.now() - timedelta(days=1))
    forget_expired_sessions()
    assert not Session.objects.filter(session_key="gone").exists()
    assert client.get("/batches/").status_code == 200


def test_who_may_cancel(cast: dict[Role, Person], browser: Browser) -> None:
    may = {role for role, person in cast.items() if browser(person).post("/batches/1/cancel/").status_code == 404}
    assert may == {Role.DEVOPS, Role.DBA, Role.BACKEND, Role.LEAD, Role.CTO}


def test_processing_is_remembered_too(stored_shop: Shop) -> None:
    result = process(range(10), len, how=How(chunk=3, remember=Remember("looked at")))
    assert result.ok
    assert Job.objects.get().written == 10
