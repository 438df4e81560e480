-- A frame or file may hold several messages: they are its pieces. State 4: split. `parent` is its seq, `nth` counts from 1.
ALTER TABLE message ADD COLUMN parent INTEGER;
ALTER TABLE message ADD COLUMN nth INTEGER;
CREATE INDEX message_parent ON message (parent, nth) WHERE parent IS NOT NULL;

-- What is unfinished, in the order of arrival whatever the clock did; pieces stand in the place of their parent, for what came
-- after it comes after them. Small: only open messages stand in it.
DROP INDEX message_open;
CREATE INDEX message_open ON message (channel, coalesce(parent, seq), coalesce(nth, 0)) WHERE state = 0;

-- What the sender was answered, where that was more than a receipt: 0 answered, 1 busy, 2 refused.
ALTER TABLE message ADD COLUMN answered INTEGER;
ALTER TABLE message ADD COLUMN answered_us INTEGER;
