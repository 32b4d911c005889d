-- The delivery aggregate by month. Values: api_key_id, months.
SELECT date_trunc('month', created_at) AS month,
       count(*) AS messages,
       count(*) FILTER (WHERE status IN ('delivered', 'read')) AS delivered,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       avg(delivered_at - sent_at) AS mean_delivery
FROM {messages}
WHERE api_key_id = %(api_key_id)s AND created_at >= now() - make_interval(months => %(months)s)
GROUP BY 1
ORDER BY 1
