-- lab_aged: say of a database of the lab's own that its oldest transaction is 1,200 million old, unless it says so already.
-- Run by: a superuser, again and again as a fault of the lab: autovacuum would set it right. Its tables say the truth, so nothing is lost or
-- cut off; the server refuses to write only from about 2,100 million on.

SET allow_system_table_mods = on;
UPDATE pg_database
SET datfrozenxid = (
    SELECT greatest(3, mod(pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 4294967296 - 1200000000, 4294967296))::text::xid
)
WHERE datname = 'lab_aged' AND age(datfrozenxid) < 1100000000;
