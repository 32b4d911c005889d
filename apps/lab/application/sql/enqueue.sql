-- Work for the delivery of a message. Values: id, created_at of the message.
INSERT INTO message_queue (conversation_message_id, message_created_at) VALUES (%(id)s, %(created_at)s)
