-- The partitioned twin of conversation_message, made when the switch `partitioned_tables` is first turned on.
-- Run by: the owner, in one transaction. catch_up.sql carries over what is written later.
-- Ids come from the sequence of the plain table, so an id names one message whichever table it is in.
-- Monthly partitions from the oldest row's month to two months ahead, and a default partition.

CREATE TABLE conversation_message_partitioned (
    LIKE conversation_message INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS
) PARTITION BY RANGE (created_at);
ALTER TABLE conversation_message_partitioned
    ALTER COLUMN id SET DEFAULT nextval('public.conversation_message_id_seq');

CREATE TABLE conversation_message_default PARTITION OF conversation_message_partitioned DEFAULT;

-- Makes the missing monthly partitions (UTC) from `since` to `months` after the current one; returns how many it made.
CREATE FUNCTION conversation_message_ahead(months integer DEFAULT 2, since timestamptz DEFAULT now()) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    month timestamp;
    partition_name text;
    made integer := 0;
BEGIN
    FOR month IN
        SELECT generate_series(
            date_trunc('month', since AT TIME ZONE 'UTC'),
            date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => months),
            interval '1 month')
    LOOP
        partition_name := 'conversation_message_' || to_char(month, 'YYYY"m"MM');
        IF to_regclass('public.' || partition_name) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE public.%I PARTITION OF public.conversation_message_partitioned '
                'FOR VALUES FROM (%L) TO (%L)',
                partition_name, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;
REVOKE EXECUTE ON FUNCTION conversation_message_ahead(integer, timestamptz) FROM PUBLIC;
SELECT conversation_message_ahead(2, (SELECT coalesce(min(created_at), now()) FROM conversation_message));

INSERT INTO conversation_message_partitioned SELECT * FROM conversation_message ORDER BY id;

ALTER TABLE conversation_message_partitioned ADD PRIMARY KEY (id, created_at);
CREATE INDEX conversation_message_p_by_conversation ON conversation_message_partitioned (conversation_id, created_at);
CREATE INDEX conversation_message_p_by_client ON conversation_message_partitioned (api_key_id, created_at);
CREATE INDEX conversation_message_p_by_time ON conversation_message_partitioned (created_at);
CREATE INDEX conversation_message_p_undelivered ON conversation_message_partitioned (status, created_at)
    WHERE status IN ('queued', 'sent', 'failed');
GRANT SELECT, INSERT, UPDATE, DELETE ON conversation_message_partitioned TO app;
ANALYZE conversation_message_partitioned;
