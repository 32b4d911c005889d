-- Purpose: how near the server is to transaction id wraparound; which settings wait for a restart; who asks for checkpoints. From PostgreSQL 17.
-- Privilege: none.
-- Columns: wraparound_used (ratio of the 2^31 ids, transactions or multixacts, whichever is worse), oldest_database; pending_restart
--   (count of settings), pending_settings (their names); checkpoints_timed, checkpoints_requested (since stats_reset;
--   of a replica its restartpoints, which were counted together before).
SELECT
    oldest.wraparound_used,
    oldest.oldest_database,
    pending.pending_restart,
    pending.pending_settings,
    num_timed + restartpoints_timed AS checkpoints_timed,
    num_requested + restartpoints_req AS checkpoints_requested,
    checkpoints.stats_reset
FROM
    pg_stat_checkpointer AS checkpoints,
    LATERAL (
        SELECT
            greatest(age(datfrozenxid), mxid_age(datminmxid)) / 2147483648.0 AS wraparound_used,
            datname AS oldest_database
        FROM pg_database
        ORDER BY 1 DESC
        LIMIT 1
    ) AS oldest,
    LATERAL (
        SELECT count(*) AS pending_restart, string_agg(name, ', ' ORDER BY name) AS pending_settings
        FROM pg_settings
        WHERE pending_restart
    ) AS pending
