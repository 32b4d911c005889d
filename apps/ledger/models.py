"""One table, appended to by `chain.append` only. Its SQL is in `sql/trust.sql`: Django must never alter or empty it."""

from typing import Any

import orjson
from django.db import models
from django.urls import reverse

from apps.ledger import kinds
from apps.ledger.leaf import Leaf, instant


class Entry(models.Model):
    """One thing that happened. The database refuses to change or remove it, and to add it out of order."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.TextField()
    kind = models.TextField()
    subject = models.TextField()
    tier = models.TextField()
    body = models.BinaryField()
    prev_hash = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        managed = False
        db_table = "ledger_entry"
        ordering = ("-seq",)

    def __str__(self) -> str:
        return f"{self.seq} {self.kind} {self.subject}"

    def get_absolute_url(self) -> str:
        """The page of this entry."""
        return reverse("ledger:entry", args=[self.seq])

    @property
    def leaf(self) -> Leaf:
        """What the columns say, ready to be hashed again."""
        texts = (self.actor, self.kind, self.subject, self.tier)
        return Leaf(self.seq, self.at, *texts, bytes(self.prev_hash), bytes(self.body))

    @property
    def content(self) -> dict[str, Any]:
        """The body as a dictionary."""
        value: dict[str, Any] = orjson.loads(bytes(self.body))
        return value

    @property
    def label(self) -> str:
        """The kind in words; its id when no room declares it any more."""
        found = {kind.id: kind.label for kind in kinds.every()}
        return str(found.get(self.kind, self.kind))

    @property
    def sentence(self) -> str:
        """The entry in one sentence."""
        own = {"actor": self.actor, "subject": self.subject, "tier": self.tier, "at": instant(self.at)}
        return kinds.sentence(self.kind, {**self.content, **own})


class Head(models.Model):
    """The last entry's number and hash, kept by the database's own trigger: a ledger cut short shows against it."""

    id = models.SmallIntegerField(primary_key=True)
    seq = models.BigIntegerField()
    hash = models.BinaryField()

    class Meta:
        managed = False
        db_table = "ledger_head"

    def __str__(self) -> str:
        return f"head at {self.seq}"


class SignedCheckpoint(models.Model):
    """The ledger as it was signed at one size: `note` is the signed note (see `checkpoints`)."""

    size = models.BigIntegerField(primary_key=True)
    root = models.BinaryField()
    at = models.DateTimeField()
    note = models.TextField()

    class Meta:
        managed = False
        db_table = "ledger_checkpoint"
        ordering = ("-size",)

    def __str__(self) -> str:
        return f"checkpoint of {self.size}"


class Finding(models.Model):
    """Why a checkpoint was not signed: what an examination of the ledger found, in a sentence."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    said = models.TextField()

    class Meta:
        managed = False
        db_table = "ledger_finding"
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.said
