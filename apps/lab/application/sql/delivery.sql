-- How far an announcement got, by status. Values: message_id, api_key_id.
SELECT message.id, message.subject, message.created_at, recipient.status, count(*) AS recipients
FROM message JOIN message_recipient AS recipient ON recipient.message_id = message.id
WHERE message.id = %(message_id)s AND message.api_key_id = %(api_key_id)s
GROUP BY message.id, message.subject, message.created_at, recipient.status
ORDER BY recipient.status
