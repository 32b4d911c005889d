-- A client's messages of the last day by status. Values: api_key_id.
SELECT status, count(*) AS messages, max(created_at) AS latest
FROM {messages}
WHERE api_key_id = %(api_key_id)s AND created_at >= now() - interval '1 day'
GROUP BY status
ORDER BY status
