-- Purpose: who reads from and writes to files: not told before PostgreSQL 16, which has pg_stat_io.
-- Privilege: none.
-- Columns: object; there is no row.
SELECT NULL::text AS object WHERE false
