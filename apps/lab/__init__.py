"""A real data tier on this machine: one primary, two replicas, PgBouncer, Redis, an application and its load.

Watches nothing; owns every process of the lab and of the portal's own store beside it, and breaks them on request.
`tier.Lab` starts and stops them, `faults.FAULTS` names what can be broken and healed, `layout.Layout` says where all of it is.
"""
