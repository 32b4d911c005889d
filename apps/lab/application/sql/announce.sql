-- One text to many. Values: api_key_id, subject, body, recipient_count.
INSERT INTO message (api_key_id, channel, subject, body, recipient_count)
VALUES (%(api_key_id)s, 'email', %(subject)s, %(body)s, %(recipient_count)s)
RETURNING id
