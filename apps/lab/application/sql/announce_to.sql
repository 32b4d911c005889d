-- Its recipients. Values: message_id, addresses.
INSERT INTO message_recipient (message_id, address, status)
SELECT %(message_id)s, address, 'sent' FROM unnest(%(addresses)s::text[]) AS address
