"""An attached file, for those who may see the tier: always downloaded, never shown by the browser as a page of the portal."""

import hashlib

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.accounts.request import PersonRequest
from apps.rollouts.attachments import attached_to
from apps.rollouts.models import StoredFile
from apps.rollouts.reach import the_rollout, tier_of


@allow(Permission.VIEW, tier_of=tier_of)
@never_cache
@require_GET
def attached(request: PersonRequest, rollout: int, digest: str) -> HttpResponse:
    """The bytes that were attached in this rollout; 404 when none were, 410 when what is kept is no longer what was attached."""
    said = attached_to(the_rollout(rollout)).get(digest)
    if said is None:
        raise Http404("No file with this digest is attached in this rollout.")
    data = bytes(get_object_or_404(StoredFile, digest=digest).data)
    if hashlib.sha256(data).hexdigest() != digest:
        return render(request, "rollouts/file_changed.html", {"file": said}, status=410)
    answer = HttpResponse(data, content_type=said["type"])
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=said["name"])
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return answer
