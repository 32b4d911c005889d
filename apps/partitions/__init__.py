"""The partitions room: partitioned tables of the primary, found in its catalog.

Watches: bounds, gaps and overlaps; whether the next partitions exist and how long they last; rows in the default partition; detached and
half-detached partitions; retention; indexes, statistics, sizes and skew; what a query without the partition key would lock.
It cannot change anything yet: making partitions ahead, converting, archiving and retiring come with the runbooks' actions.
`probes` says what is asked, `bounds` reads what PostgreSQL prints of a bound, `coverage` judges bounds in time, `targets` holds what the
mission wants of each table, `inventory` puts the answers together, `checks` says what must hold, `charts` and `views` how it is shown.
`own` judges the portal's own partitions by the same tools, `own_store` asks its store for them, `own_checks` says what must hold of them.
No question reads or locks a table: row counts are the statistics' own. A partition under DDL is shown as locked, with its last bounds.
"""
