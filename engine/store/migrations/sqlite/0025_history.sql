-- For the history of a type and of the whole server, newest first. Nothing that lives pays for the first.
CREATE INDEX resource_gone ON resource (type, updated_us, rid) WHERE deleted = 1;
CREATE INDEX history_updated ON history (updated_us, rid, version);
