"""The cache room: Redis as the application's cache, and what the cache spares the database.

Watches, with a read-only login: memory against its limit and by kind, evictions, the windowed hit rate, entries per
namespace with the load time they saved, clients and refused connections, snapshots and the append-only file, role,
fragmentation, slow commands. `probes` says what is asked, `joined` what they say together, `checks` what must hold,
`charts` and `views` how it is shown; `aside` is the library for applications (cache-aside with statistics).
It cannot change anything on the watched Redis yet: flushing a namespace comes with the runbooks' actions.
"""
