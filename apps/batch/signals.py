"""What a person decided here, for rooms above that keep the record: sent inside the transaction of the decision."""

from django.dispatch import Signal

cancel_asked = Signal()  # sender: Job; job, actor (a username). Who raises undoes the decision
