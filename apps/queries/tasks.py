"""Work of this room beside the polls."""

from celery import shared_task

from apps.queries.texts import keep_all


@shared_task
def keep_texts() -> None:
    """Keep the texts of statements that the polls brought, and forget those that nobody has seen for as long as samples are kept."""
    keep_all()
