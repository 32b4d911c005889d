-- Rows of a platform that has run for 26 months: the current calendar month and the 25 before it, evenly up to now.
-- Run by: the owner, in one transaction, before the indexes exist.
-- Parameters (psycopg): rows, conversations, messages, queued, keys.
-- Every value is computed from the row's number, so the same parameters give the same counts on every machine.
-- Ids follow time as in any live table; the messages of a conversation lie among those of about a hundred others.

CREATE TEMPORARY TABLE span ON COMMIT DROP AS
SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '25 months' AS start_at,
       now() - (date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' - interval '25 months') AS length;

INSERT INTO conversation (id, api_key_id, subject, channel, state, message_count, last_message_at, created_at)
SELECT n,
       1 + n %% %(keys)s,
       'Conversation ' || n,
       (ARRAY['sms', 'email', 'chat', 'voice'])[1 + n %% 4],
       CASE WHEN n > %(conversations)s - 500 THEN 'open' ELSE 'closed' END,
       0,
       NULL,
       start_at + length * ((n - 1)::float8 / %(conversations)s)
FROM span, generate_series(1, %(conversations)s::bigint) AS n;

INSERT INTO conversation_message (
    id, conversation_id, api_key_id, sender_id, direction, channel, content_type, body, status, error_code, segments,
    cost_micros, external_id, metadata, sent_at, delivered_at, read_at, created_at, updated_at)
SELECT n,
       talk,
       1 + talk %% %(keys)s,
       1 + (n * 7919) %% 20000,
       CASE WHEN n %% 3 = 0 THEN 'inbound' ELSE 'outbound' END,
       (ARRAY['sms', 'email', 'chat', 'voice'])[1 + talk %% 4],
       'text/plain',
       (ARRAY['Your order is on its way and arrives ', 'Thank you for writing to us; your number is ',
              'Your appointment is booked, reference ', 'The invoice you asked for is attached, number ',
              'We have a question about your last delivery ', 'Please confirm your new address under ',
              'Good news: your request was approved as '])[1 + n %% 7] || n,
       CASE WHEN n %% 50 = 0 THEN 'failed' WHEN n %% 3 = 0 THEN 'read' ELSE 'delivered' END,
       CASE WHEN n %% 50 = 0 THEN 30000 + n %% 9 END,
       1 + n %% 3,
       400 * (1 + n %% 3),
       'msg-' || to_hex(n * 2654435761),
       CASE WHEN n %% 4 = 0 THEN jsonb_build_object('campaign', n %% 40, 'locale', 'en-GB') END,
       written,
       CASE WHEN n %% 50 <> 0 THEN least(now(), written + interval '3 seconds') END,
       CASE WHEN n %% 3 = 0 AND n %% 50 <> 0 THEN least(now(), written + interval '4 minutes') END,
       written,
       least(now(), written + interval '3 seconds')
FROM span,
     generate_series(1, %(rows)s::bigint) AS n,
     LATERAL (SELECT greatest(1, ceil(n::float8 * %(conversations)s / %(rows)s)::bigint - (n * 7919) %% 100) AS talk,
                     start_at + length * (n::float8 / %(rows)s) AS written) AS derived;

UPDATE conversation AS c SET message_count = counted.messages, last_message_at = counted.latest
FROM (
    SELECT conversation_id, count(*) AS messages, max(created_at) AS latest FROM conversation_message GROUP BY 1
) AS counted
WHERE c.id = counted.conversation_id;

INSERT INTO message (id, api_key_id, channel, subject, body, recipient_count, created_at)
SELECT n,
       1 + n %% %(keys)s,
       (ARRAY['sms', 'email', 'chat', 'voice'])[1 + n %% 4],
       'Announcement ' || n,
       'Our opening hours change next week. This is announcement ' || n,
       2,
       start_at + length * (n::float8 / %(messages)s)
FROM span, generate_series(1, %(messages)s::bigint) AS n;

INSERT INTO message_recipient (id, message_id, address, status, error_code, delivered_at, created_at)
SELECT n,
       (n + 1) / 2,
       'recipient-' || (n * 7919) %% 50000 || '@example.org',
       CASE WHEN n %% 40 = 0 THEN 'failed' ELSE 'delivered' END,
       CASE WHEN n %% 40 = 0 THEN 30000 + n %% 9 END,
       CASE WHEN n %% 40 <> 0 THEN least(now(), written + interval '5 seconds') END,
       written
FROM span,
     generate_series(1, 2 * %(messages)s::bigint) AS n,
     LATERAL (SELECT start_at + length * ((n + 1) / 2 / %(messages)s::float8) AS written) AS derived;

-- The newest messages as delivery work that is already done.
SELECT message_queue_ahead(4, now() - interval '3 weeks');
INSERT INTO message_queue (conversation_message_id, message_created_at, state, attempts, created_at, done_at)
SELECT id, created_at, 'done', 1, created_at, least(now(), created_at + interval '3 seconds')
FROM conversation_message
WHERE id > %(rows)s::bigint - %(queued)s AND created_at >= now() - interval '3 weeks'
ORDER BY id;

SELECT setval(pg_get_serial_sequence('conversation', 'id'), %(conversations)s),
       setval(pg_get_serial_sequence('conversation_message', 'id'), %(rows)s),
       setval(pg_get_serial_sequence('message', 'id'), %(messages)s),
       setval(pg_get_serial_sequence('message_recipient', 'id'), 2 * %(messages)s);
