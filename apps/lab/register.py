"""Make the lab known to the portal: the tier `lab` and its nodes, with the logins that may look and nothing else."""

from django.db import transaction

from apps.lab.layout import WATCHED, Layout
from apps.lab.layout import Node as Server
from apps.metrics import secrets
from apps.metrics.kernel import NodeKind, NodeRole
from apps.metrics.models import Node, Tier

SLUG = "lab"
LOGIN = "opsportal_poll"
KINDS = {
    Server.PRIMARY: (NodeKind.POSTGRES, NodeRole.PRIMARY),
    Server.REPLICA_1: (NodeKind.POSTGRES, NodeRole.REPLICA),
    Server.REPLICA_2: (NodeKind.POSTGRES, NodeRole.REPLICA),
    Server.PGBOUNCER: (NodeKind.PGBOUNCER, NodeRole.NONE),
    Server.REDIS: (NodeKind.REDIS, NodeRole.NONE),
    Server.APP: (NodeKind.APPLICATION, NodeRole.NONE),
}


def url(layout: Layout, server: str) -> str:
    """The URL by which the portal asks a server of the lab, password included, through the proxy."""
    server = Server(server)
    match KINDS[server][0]:
        case NodeKind.REDIS:
            return layout.redis_url(server, LOGIN)
        case NodeKind.APPLICATION:
            return layout.url()
        case _:
            return layout.dsn(server, LOGIN)


def register(layout: Layout) -> Tier:
    """Make or update the tier `lab` and its six nodes; other nodes that somebody added to it stay."""
    with transaction.atomic():
        tier, _ = Tier.objects.get_or_create(slug=SLUG, defaults={"name": "Lab"})
        for server in WATCHED:
            kind, role = KINDS[server]
            where, password = secrets.split(kind, url(layout, server))
            Node.objects.update_or_create(
                tier=tier,
                name=server.value,
                defaults={"kind": kind, "role": role, "address": where, "secret": secrets.seal(password)},
            )
    return tier
