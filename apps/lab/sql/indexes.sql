-- Keys and indexes, made after the rows because that is several times faster.
-- Run by: the owner. conversation_message has those of a table that grew for years: each served some page once.

ALTER TABLE conversation ADD PRIMARY KEY (id);
CREATE INDEX conversation_by_client ON conversation (api_key_id, last_message_at);

ALTER TABLE conversation_message ADD PRIMARY KEY (id);
CREATE INDEX conversation_message_by_conversation ON conversation_message (conversation_id, created_at);
CREATE INDEX conversation_message_by_client ON conversation_message (api_key_id, created_at);
CREATE INDEX conversation_message_by_time ON conversation_message (created_at);
CREATE INDEX conversation_message_undelivered ON conversation_message (status, created_at)
    WHERE status IN ('queued', 'sent', 'failed');

ALTER TABLE message ADD PRIMARY KEY (id);
CREATE INDEX message_by_client ON message (api_key_id, created_at);

ALTER TABLE message_recipient ADD PRIMARY KEY (id);
CREATE INDEX message_recipient_by_message ON message_recipient (message_id);
