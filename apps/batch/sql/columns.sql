-- Columns of a table with the type that travels for each: a domain's base type, text for an enum (its wire form is its label).
-- Run by: any login. Parameter: oid.
-- Columns: name; type_oid; type_name; generated, true where the table computes it.
WITH RECURSIVE base AS (
    SELECT a.attnum, a.attname, a.attgenerated, t.oid, t.typname, t.typtype, t.typbasetype
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %(oid)s::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.attnum, b.attname, b.attgenerated, t.oid, t.typname, t.typtype, t.typbasetype
    FROM base b
    JOIN pg_type t ON t.oid = b.typbasetype
    WHERE b.typtype = 'd'
)
SELECT attname::text AS name,
       CASE typtype WHEN 'e' THEN 'text'::regtype::oid::int8 ELSE oid::int8 END AS type_oid,
       typname::text AS type_name,
       attgenerated <> '' AS generated
FROM base
WHERE typtype <> 'd'
ORDER BY attnum
