"""The replicas room: streaming replication from the primary to its replicas, and where reads go.

Watches: how far each replica is behind, by three witnesses that must not contradict each other (WAL distance to the primary, a live
receiver, commit times and our own earlier readings); senders and slots on the primary; roles, timelines, clocks and settings of all
servers; recovery conflicts; which share of the SELECTs the replicas answer.
It cannot change anything yet: pausing reads, rebuilding a replica and failing over come with the runbooks' actions.
`probes` says what is asked, `lag` and `topology` what the answers of all servers mean together, `checks` what must hold, `charts` and
`views` how it is shown. `router` is the room's toolkit: an application's reads spread over healthy replicas.
"""
