"""The portal watches itself: each of its parts is broken for real, its check fires and passes again."""

from apps.lab.faults.portal import Portal


def test_faults_reach_the_portal_that_runs_on_the_lab(own: Portal) -> None:
    with own.store() as store:
        assert store.execute("SELECT to_regclass('metrics_slot') IS NOT NULL").fetchone() == (True,)
    assert own.redis().ping()
