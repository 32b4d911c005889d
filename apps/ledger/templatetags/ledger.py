"""The ledger's signed checkpoint on pages that are printed and kept."""

from typing import Any

from django import template

from apps.ledger.checkpoints import latest
from apps.ledger.state import witness

register = template.Library()


@register.inclusion_tag("ledger/printed.html")
def signed_checkpoint() -> dict[str, Any]:
    """The newest checkpoint as text: what the witness signed where there is that, else what the portal signed, else nothing."""
    _state, cosigned, _told = witness()
    return {"checkpoint": latest(), "note": cosigned.data.decode() if cosigned else "", "witnessed": bool(cosigned)}
