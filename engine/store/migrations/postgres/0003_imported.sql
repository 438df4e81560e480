-- When a message was taken back in from an archive; it is kept from then on as long as one that has just ended.
ALTER TABLE message ADD COLUMN imported_us BIGINT;
