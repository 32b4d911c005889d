"""The kinds of entry that rollouts append to the ledger, in words; `RolloutsConfig.ready` declares them."""

from django.utils.translation import gettext_lazy as _

from apps.ledger.kinds import declare


def declare_all() -> None:
    """Make them known to the ledger."""
    declare("rollout.start", _("Rollout started"), _("{actor} started the rollout “{name}”."), _("{name} started"))
    declare(
        "rollout.move",
        _("Start moved"),
        _("{actor} moved the first Monday of “{rollout}” from {before} to {first_monday}: {why}"),
        _("start moved"),
        small=True,
    )
    declare("rollout.note", _("Note"), _("{actor} noted for {week}: {text}"))
    declare("rollout.tick", _("Item ticked"), _("{actor} ticked “{text}” in {week} ({outcome})."))
    declare("rollout.untick", _("Tick taken back"), _("{actor} took back “{text}” in {week}: {why}"))
    declare("rollout.read", _("Item read out"), _("{actor} read out “{text}” in {week}; another person confirms."))
    declare(
        "rollout.propose",
        _("Proposed: does not apply"),
        _("{actor} says why “{text}” in {week} does not apply, and a second person decides: {why}"),
    )
    declare("rollout.decline", _("Proposal declined"), _("{actor} declined that “{text}” in {week} does not apply."))
    declare(
        "rollout.baseline",
        _("Baseline captured"),
        _("{actor} captured {count} baselines of {week} over {window}."),
        _("baseline"),
        small=True,
    )
    declare("rollout.deploy", _("Deployment recorded"), _("{actor} deployed {what} in {week}."), _("{what}"))
    declare(
        "rollout.compare",
        _("Comparison"),
        _("{actor} compared {week} with its baseline: {said}"),
        _("compared"),
        small=True,
    )
    declare(
        "rollout.watch",
        _("Watch started"),
        _("{actor} started the watch of {week}, which ends {ends}."),
        _("watch"),
        small=True,
    )
    declare("rollout.look", _("Looked during a watch"), _("{actor} looked at “{title}” in {week}: {note}"))
    declare(
        "rollout.watched",
        _("Watch ended"),
        _("The watch of {week} ended ({state}): {said}"),
        _("watch: {state}"),
        small=True,
    )
    declare("rollout.abort-watch", _("Watch aborted"), _("The watch of {week} was {said}"), _("watch aborted"))
    declare(
        "rollout.override",
        _("Override"),
        _("{actor} overrides “{title}” in {week} ({verdict}) until {expires}: {reason}"),
        _("override: {title}"),
        small=True,
    )
    declare(
        "rollout.confirm-override",
        _("Override confirmed"),
        _("{actor} confirmed, as second person, that “{title}” in {week} is overridden until {expires}: {reason}"),
    )
    declare("rollout.end-override", _("Override ended"), _("{actor} ended the override of “{title}” in {week}: {why}"))
    declare("rollback.begin", _("Rollback begun"), _("{actor} began the {what} of {week}. {why}"), _("{what}"))
    declare(
        "rollback.step",
        _("Rollback: step"),
        _("{actor} says of step {number} of the {what} of {week}: {state}. {note}"),
    )
    declare(
        "rollback.end", _("Rollback ended"), _("{actor} ended the {what} of {week}: {ended}, it took {took}. {why}")
    )
    declare("rollout.issue", _("Issue noted"), _("{actor} noted an issue in {week}: {text}"))
    declare("rollout.resolve", _("Issue closed"), _("{actor} closed “{text}” in {week}: {resolution}"))
    declare(
        "rollout.sign",
        _("Signature"),
        _("{actor} signed {week} as {slot} ({attested}): {decision}. {meaning}"),
        _("{slot}: {decision}"),
    )
    declare(
        "rollout.revoke",
        _("Signature revoked"),
        _("{actor} revoked the signature of {week} as {slot} ({attested}): {why}"),
    )
    declare(
        "rollout.waive",
        _("Separation of duties waived"),
        _("{actor} waived the separation of duties on “{rollout}” ({attested}): {why}"),
    )
    declare(
        "rollout.amend",
        _("Amendment"),
        _("{actor} adopted the definition {short} of {week} ({attested}): {why}"),
        _("{week} amended"),
    )
    declare(
        "rollout.restore",
        _("Separation of duties restored"),
        _("{actor} ended the waiver of the separation of duties on “{rollout}” ({attested}): {why}"),
    )
