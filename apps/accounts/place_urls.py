"""The address at which people see where they are signed in, and end it elsewhere; before allauth's own of the same name.

allauth's page asks for each session by itself; what it shows and does is unchanged.
"""

from typing import Any

from allauth.usersessions.forms import ManageUserSessionsForm
from allauth.usersessions.views import ListUserSessionsView
from django.urls import path
from django.views.generic.edit import FormView

from apps.accounts.models import Person
from apps.accounts.places import places


class Places(ListUserSessionsView):
    """allauth's page, with the sessions read at once."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """What allauth's template shows."""
        shown: dict[str, Any] = FormView[ManageUserSessionsForm].get_context_data(self, **kwargs)
        person = self.request.user
        assert isinstance(person, Person)  # the policy lets nobody else through
        found = places(person)
        return shown | {"sessions": found, "session_count": len(found), "show_last_seen_at": False}


urlpatterns = [path("", Places.as_view(), name="usersessions_list")]
