"""The replicas page in words and tables."""

from apps.accounts.models import Person
from tests.conftest import Until
from tests.people import Browser
from tests.watch import Watch

PAGE = "/t/lab/replicas/"


def test_the_page_says_how_replication_stands(watch: Watch, until: Until, browser: Browser, viewer: Person) -> None:
    def sound() -> bool:
        standings = {row["standing"] for row in watch.poll().tier_answers["replicas.lag"].rows}
        return standings <= {"idle", "streaming"}

    until(sound, 20, 0.3)
    page = browser(viewer).get(PAGE).content.decode()
    heading = page.partition("<h1>")[2].partition("</h1>")[0]
    assert "replicas are up to date" in heading or "lab-replica-1" in heading
    assert "2 of 2" in page
    table = browser(viewer).get(PAGE + "tables/replicas.csv").content.decode()
    assert "lab-replica-2" in table


def test_strangers_see_nothing(watch: Watch, browser: Browser, stranger: Person) -> None:
    assert browser(stranger).get(PAGE).status_code == 404
