-- Purpose: indexes, how each is made and how often it was used; from the catalog alone, so that no lock on a table holds it up.
-- Privilege: none.
-- Columns: object (schema and index), relation (schema and table), columns (as the catalog numbers them, 0 an expression), shown (their names),
--   included (how many of the last columns are only carried along), classes, collations, options (of the key columns), method, predicate and
--   expressions (as stored, places in the text left out; NULL where there are none), is_unique, constrained (a key, a constraint or the replica
--   identity stands on it), valid, building, parent (schema and name of the partitioned index it belongs to), partitioned (it stands for the
--   indexes of all partitions), bytes (estimate), scans (since stats_since), stats_since (the database's statistics were
--   reset, or the server's: they begin anew after a crash, without a word in those of the database), all_indexes (how many there are; the 1000
--   largest are listed), drop (the statement that would remove it).
WITH own AS MATERIALIZED (
    SELECT pg_index.*, child.relpages, child.relnamespace, child.relname, child.relam, child.relkind
    FROM pg_index JOIN pg_class AS child ON child.oid = indexrelid
    WHERE child.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'pg_toast', 'information_schema'))
        AND child.relpersistence <> 't'
)
SELECT
    space.nspname || '.' || own.relname AS object,
    table_space.nspname || '.' || parent.relname AS relation,
    indkey::text AS columns,
    (
        SELECT string_agg(coalesce(attname, 'expression'), ', ' ORDER BY place)
        FROM unnest(indkey::smallint[]) WITH ORDINALITY AS key (number, place)
        LEFT JOIN pg_attribute ON attrelid = own.indrelid AND attnum = key.number AND key.number <> 0
    ) AS shown,
    indnatts - indnkeyatts AS included,
    indclass::text AS classes,
    indcollation::text AS collations,
    indoption::text AS options,
    amname AS method,
    regexp_replace(indpred::text, ':(location|stmt_location|stmt_len) -?\d+', '', 'g') AS predicate,
    regexp_replace(indexprs::text, ':(location|stmt_location|stmt_len) -?\d+', '', 'g') AS expressions,
    indisunique AS is_unique,
    indisprimary OR indisexclusion OR indisreplident OR EXISTS (SELECT FROM pg_constraint WHERE conindid = own.indexrelid) AS constrained,
    indisvalid AND indisready AS valid,
    EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = own.indexrelid) AS building,
    (
        SELECT up_space.nspname || '.' || up.relname
        FROM pg_inherits
        JOIN pg_class AS up ON up.oid = inhparent
        JOIN pg_namespace AS up_space ON up_space.oid = up.relnamespace
        WHERE inhrelid = own.indexrelid
    ) AS parent,
    own.relkind = 'I' AS partitioned,
    own.relpages * current_setting('block_size')::bigint AS bytes,
    coalesce(idx_scan, 0) AS scans,
    greatest(
        (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
        (SELECT least(archiver.stats_reset, writer.stats_reset) FROM pg_stat_archiver AS archiver, pg_stat_bgwriter AS writer)
    ) AS stats_since,
    count(*) OVER () AS all_indexes,
    format('DROP INDEX CONCURRENTLY %I.%I;', space.nspname, own.relname) AS drop
FROM own
JOIN pg_class AS parent ON parent.oid = own.indrelid
JOIN pg_namespace AS table_space ON table_space.oid = parent.relnamespace
JOIN pg_namespace AS space ON space.oid = own.relnamespace
JOIN pg_am ON pg_am.oid = own.relam
LEFT JOIN pg_stat_all_indexes AS usage ON usage.indexrelid = own.indexrelid
ORDER BY own.relpages DESC, object
LIMIT 1000
