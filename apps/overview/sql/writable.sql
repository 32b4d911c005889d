-- Purpose: what the polling login could change, and through whom: a login that only looks has no row here.
-- Privilege: none. A superuser may change everything and is told by polling_login.sql; here nothing is listed of it.
-- Columns: kind (table, schema, database, role); place (schema of tables); object (one of them, or the role that it is a member of); objects (how
--   many); through (PUBLIC, the login itself, or a role that it is a member of), everybody (whether that is PUBLIC); owned (whether that role
--   owns one of them), maintains (whether it may lock, vacuum and rebuild them, as MAINTAIN lets it from PostgreSQL 17 on), writes (whether it may
--   do anything else).
WITH held AS (
    SELECT 'table' AS kind, relnamespace AS namespace, relname::text AS name, relowner AS owner, acl.grantee, acl.privilege_type AS deed
    FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) AS acl
    WHERE relkind IN ('r', 'p', 'f', 'v') AND relpersistence <> 't'
    UNION ALL
    SELECT 'table', relnamespace, relname, relowner, acl.grantee, acl.privilege_type
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, aclexplode(attacl) AS acl
    WHERE relpersistence <> 't'
    UNION ALL
    SELECT 'schema', NULL, nspname, nspowner, acl.grantee, acl.privilege_type
    FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) AS acl
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    UNION ALL
    SELECT 'database', NULL, datname, datdba, acl.grantee, acl.privilege_type
    FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) AS acl
    WHERE datname = current_database()
), found AS (
    SELECT
        kind, coalesce(nspname::text, '') AS place, min(name) AS object, count(DISTINCT name) AS objects,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee)::text END AS through, grantee = 0 AS everybody,
        bool_or(owner = grantee) AS owned,
        bool_or(deed = 'MAINTAIN') AS maintains,
        bool_or(deed <> 'MAINTAIN') AS writes
    FROM held LEFT JOIN pg_namespace ON pg_namespace.oid = namespace
    WHERE deed IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'CREATE', 'MAINTAIN')
        AND (grantee = 0 OR pg_has_role(session_user, grantee, 'MEMBER'))
        AND (nspname IS NULL OR nspname !~ '^pg_' AND nspname <> 'information_schema')
    GROUP BY kind, nspname, grantee
    UNION ALL
    SELECT 'role', '', rolname, 1, rolname, false, false, rolname = 'pg_maintain', rolname <> 'pg_maintain'
    FROM pg_roles
    WHERE (rolsuper OR rolname IN (
        'pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program', 'pg_maintain'))
        AND pg_has_role(session_user, oid, 'MEMBER')
)
SELECT found.* FROM found
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
ORDER BY everybody, kind, place, through
LIMIT 20
