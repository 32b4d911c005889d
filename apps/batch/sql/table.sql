-- Resolve a table by its exact name. Compared as text: as `name` a longer word would be cut to 63 bytes first.
-- Run by: any login. Parameters: schema, name.
-- Columns: oid; primary_key, its columns in order, empty when it has none.
SELECT c.oid::int8 AS oid,
       coalesce((SELECT array_agg(a.attname::text ORDER BY k.place)
                 FROM pg_index i
                 CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                 JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                 WHERE i.indrelid = c.oid AND i.indisprimary), '{}') AS primary_key
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s::text AND c.relname = %(name)s::text AND c.relkind IN ('r', 'p')
