"""A signed statement in words, made from its exact bytes: what a person reads is what they sign."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.rollouts.amending import taken
from apps.rollouts.models import Act, Method

COUNTED = {
    "rollout",
    "week",
    "playbook",
    "items",
    "baselines",
    "deployments",
    "issues",
    "watch",
    "overrides",
    "rollbacks",
    "weeks",
}


@dataclass(frozen=True, slots=True)
class Words:
    """What is said: the meaning, one sentence, what it covers, and what stands beside it."""

    meaning: str
    sentence: str
    covers: Sequence[str]
    remarks: Sequence[str]


def words(act: Act, said: Mapping[str, Any]) -> Words:
    """The statement of a draft or a signature; `said` is its content."""
    match act:
        case Act.SIGN:
            return _signing(said)
        case Act.REVOKE:
            return _revoking(said)
        case Act.AMEND:
            return _amending(said)
    return _waiving(act, said)


def _signing(said: Mapping[str, Any]) -> Words:
    covered = said["covered"]
    about = {
        "who": said["signer_name"], "role": said["slot_title"], "week": said["week_title"],
        "rollout": covered["rollout"]["name"], "tier": covered["rollout"]["tier"],
    }  # fmt: skip
    text = _("I, %(who)s, sign %(week)s of the rollout “%(rollout)s” on the tier %(tier)s as %(role)s. ") % about
    text += _("I reject it.") if said["decision"] == "reject" else _("I approve it.")
    remarks = [_("Reason or remark: %(reason)s") % {"reason": said["reason"]}] if said["reason"] else []
    if waiver := said["waiver"]:
        told = _("The separation of duties is waived on this rollout by %(by)s: %(why)s")
        remarks.append(told % {"by": waiver["by"], "why": waiver["why"]})
    return Words(said["meaning"], text, tuple(_covers(said)), (*remarks, _attested(said)))


def _covers(said: Mapping[str, Any]) -> Iterator[str]:
    covered = said["covered"]
    items = covered["items"]
    skipped = sum(item["outcome"] == "n/a" for item in items.values())
    text = ngettext(
        "one checklist item with its frozen evidence", "%(n)d checklist items with their frozen evidence", len(items)
    ) % {"n": len(items)}
    if skipped:
        text += ngettext(", one of them not applicable", ", %(n)d of them not applicable", skipped) % {"n": skipped}
    yield text
    if n := len(covered["baselines"]):
        yield ngettext("one baseline metric", "%(n)d baseline metrics", n) % {"n": n}
    for one in covered["deployments"]:
        yield _("the deployment %(what)s, by %(by)s") % {"what": one["what"], "by": one["by"]}
    yield from _watched_and_overridden(covered)
    if n := len(covered.get("rollbacks", ())):
        yield ngettext("one run of the rollback", "%(n)d runs of the rollback", n) % {"n": n}
    if n := len(covered.get("weeks", ())):
        text = ngettext("the week before it, as it was signed", "all %(n)d weeks before it, each as it was signed", n)
        yield text % {"n": n}
    for part, value in covered.items():
        if part not in COUNTED and value:
            size = f": {len(value)}" if isinstance(value, (dict, list)) else ""
            yield part.replace("_", " ") + size
    yield _issues(said)
    yield _("the playbook pinned as %(digest)s") % {"digest": covered["playbook"][:12]}


def _watched_and_overridden(covered: Mapping[str, Any]) -> Iterator[str]:
    if watch := covered.get("watch"):
        yield _("the watch, which ended: %(state)s, %(outcome)s") % watch
        if n := len(watch.get("before", ())):
            text = ngettext("one watch before it: %(how)s", "%(n)d watches before it: %(how)s", n)
            yield text % {"n": n, "how": "; ".join(watch["before"])}
    for one in covered.get("overrides", ()):
        text = _("the override of %(what)s (%(verdict)s) by %(by)s until %(until)s: %(reason)s")
        if one["confirmed_by"]:
            text = _(
                "the override of %(what)s (%(verdict)s) by %(by)s, confirmed by %(confirmed_by)s, until %(until)s: %(reason)s"
            )
        yield text % (one | {"until": one["until"][:16].replace("T", " ") + " UTC"})


def _issues(said: Mapping[str, Any]) -> str:
    still = [issue["text"] for issue in said["covered"]["issues"] if issue["id"] in said["open_issues"]]
    if not still:
        return _("no open issue")
    text = ngettext("one open issue", "%(n)d open issues", len(still)) % {"n": len(still)}
    return f"{text}: " + ", ".join(f"“{one}”" for one in still)


def _revoking(said: Mapping[str, Any]) -> Words:
    about = {"who": said["signer_name"], "week": said["week_title"], "slot": said["slot_title"]}
    text = _("I, %(who)s, take back my signature of %(week)s as %(slot)s.") % about
    covers = (
        _("the signature with the digest %(digest)s") % {"digest": said["signature"][:12]},
        _("the weeks after this one, which close until the slot is signed again"),
    )
    return Words(_("I revoke my signature"), text, covers, (_because(said), _attested(said)))


def _amending(said: Mapping[str, Any]) -> Words:
    about = {
        "who": said["signer_name"], "week": said["week_title"], "rollout": said["rollout"]["name"],
        "tier": said["rollout"]["tier"], "before": said["before"][:12], "after": said["playbook"][:12],
    }  # fmt: skip
    text = _(
        "I, %(who)s, adopt for %(week)s of the rollout “%(rollout)s” on the tier %(tier)s the definition of the playbook "
        "%(after)s in place of %(before)s."
    )
    covers = (
        *said["changes"],
        *taken(said["takes"]),
        _("every other week goes on following what it follows now"),
    )
    return Words(
        _("I adopt the newer definition of this week"), text % about, covers, (_because(said), _attested(said))
    )


def _waiving(act: Act, said: Mapping[str, Any]) -> Words:
    about = {"who": said["signer_name"], "rollout": said["rollout"]["name"], "tier": said["rollout"]["tier"]}
    if act is Act.WAIVE:
        text = (
            _("I, %(who)s, waive the separation of duties on the rollout “%(rollout)s” on the tier %(tier)s.") % about
        )
        covers: tuple[str, ...] = (
            _("one person may sign several slots of a week"),
            _("who executed a deployment may sign as DBA or QA"),
            _("every week and every statement of this rollout says so, with my name and reason"),
        )
        return Words(_("I waive the separation of duties"), text, covers, (_because(said), _attested(said)))
    text = _("I, %(who)s, end the waiver of the separation of duties on the rollout “%(rollout)s”.") % about
    covers = (_("signatures made under the waiver stand, and are marked"),)
    return Words(_("I restore the separation of duties"), text, covers, (_because(said), _attested(said)))


def _because(said: Mapping[str, Any]) -> str:
    return _("Reason: %(why)s") % {"why": said["why"]}


def _attested(said: Mapping[str, Any]) -> str:
    if said["method"] == Method.PASSKEY:
        return _("Signed with a passkey: anybody can verify it with the public key, without trusting this server.")
    return _("Signed with %(how)s: this server recognised me and says so; nobody else can verify it.") % {
        "how": {"password": _("a password"), "password+totp": _("a password and a one-time code")}[said["method"]]
    }
