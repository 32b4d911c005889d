"""What the portal's word rests on: the key of stored passwords, the ledger's key and checkpoint, and its witness."""

from collections.abc import Iterator

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from apps.ledger.checkpoints import NotSigned, signing_key
from apps.ledger.state import Standing, Witnessing, standing
from apps.metrics import secrets
from apps.metrics.models import Channel, Node
from apps.overview.doctor.finding import Finding, State

WITNESS = "docs/operating.md, “The ledger's keys and its witness”, says how one is set up."
RANDOM = 'python3 -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
FIELD_KEY = ("trust.field_key", "Field key")


def examine(*, store: bool) -> Iterator[Finding]:
    """`store`: whether the store can be asked; without it only the keys themselves are looked at."""
    try:
        yield _field_key(_sealed() if store else None)
        yield _ledger_key()
        if store:
            found = standing()
            yield _checkpoint(found)
            yield _witness(found)
    except DatabaseError as error:
        yield Finding("trust.ledger", "Ledger", State.UNKNOWN, f"the store did not say ({type(error).__name__})")


def _sealed() -> list[str]:
    nodes = Node.objects.exclude(secret="").values_list("secret", flat=True)
    channels = Channel.objects.filter(removed_at=None).values_list("target", "secret")
    return [*nodes, *(value for pair in channels for value in pair if value)]


def _field_key(sealed: list[str] | None) -> Finding:
    try:
        secrets.seal("a password")
    except ImproperlyConfigured as error:
        remedy = "Set OPSPORTAL_FIELD_KEY to the one that was used before; for a new portal, to what this prints:"
        return Finding(*FIELD_KEY, State.FAILURE, str(error), remedy, (RANDOM,))
    if sealed is None:
        told = "is a key; whether it opens what is stored is unknown while the store does not answer"
        return Finding(*FIELD_KEY, State.UNKNOWN, told)
    closed = sum(not _opens(value) for value in sealed)
    if closed:
        told = f"OPSPORTAL_FIELD_KEY does not open {closed} of {len(sealed)} stored passwords and addresses."
        return Finding(
            *FIELD_KEY, State.FAILURE, told, "Restore the old key, or enter those passwords and channels again."
        )
    return Finding(*FIELD_KEY, State.FINE, f"opens all {len(sealed)} stored passwords and addresses")


def _opens(value: str) -> bool:
    try:
        secrets.unseal(value)
    except ImproperlyConfigured:
        return False
    return True


def _ledger_key() -> Finding:
    of = ("trust.ledger_key", "Ledger's key")
    try:
        key = signing_key()
    except NotSigned as error:
        what, _stop, remedy = str(error).partition(". ")
        return Finding(*of, State.WARNING, f"{what}: no checkpoint is signed.", remedy)
    return Finding(*of, State.FINE, f"signs as {key.name}")


def _checkpoint(found: Standing) -> Finding:
    of = ("trust.checkpoint", "Checkpoint")
    if found.trouble:
        return Finding(
            *of,
            State.FAILURE,
            found.trouble,
            "Keep the database as it is, and examine:",
            ("python manage.py ledger verify",),
        )
    if found.checkpoint is None:
        return Finding(
            *of, State.WARNING, "none was signed yet", "The worker signs one within minutes once it has a key."
        )
    told = f"over {found.checkpoint.size} of {found.entries} entries, {found.checkpoint.at:%Y-%m-%d %H:%M:%S} UTC"
    if not found.signed:
        return Finding(*of, State.WARNING, f"{told}: old", "The worker signs them: read its log for `checkpoint`.")
    return Finding(*of, State.FINE, told)


def _witness(found: Standing) -> Finding:
    of, said = ("trust.witness", "Witness"), found.witness_said
    match found.witnessing:
        case Witnessing.SIGNED if found.cosigned:
            size, at = found.cosigned.checkpoint.size, found.cosigned.at
            return Finding(*of, State.FINE, f"agrees to {size} entries, {at:%Y-%m-%d %H:%M:%S} UTC")
        case Witnessing.NONE:
            told = "none: whoever rules portal and store could rewrite the ledger unseen."
            return Finding(*of, State.WARNING, told, WITNESS)
        case Witnessing.REFUSED:
            told = "Keep the database as it is; `manage.py ledger verify` names the first entry that is wrong."
            return Finding(*of, State.FAILURE, said, told)
        case Witnessing.UNREADABLE:
            return Finding(
                *of, State.FAILURE, said, "Check OPSPORTAL_LEDGER_WITNESS_KEY and OPSPORTAL_LEDGER_WITNESSED."
            )
        case _:
            return Finding(*of, State.WARNING, said, "Start it: `manage.py ledger witness`.")
