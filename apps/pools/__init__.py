"""The pools room: PgBouncer between the application and PostgreSQL.

Watches, through the admin console with a `stats_users` login: pools, clients and servers, waiting and its length,
transactions and what they waited, capacity, paused and disabled databases, servers held in a transaction, and changes
of the configuration. It cannot change anything yet: pausing, resuming, reconnecting and resizing come with the
runbooks' actions and an `admin_users` login of their own. `probes` says what is asked, `joined` what several answers
say together, `checks` what must hold, `charts` and `views` how it is shown.
Figures are per pool (`database/user`) or per node; the console's own database `pgbouncer` is never counted.
"""
