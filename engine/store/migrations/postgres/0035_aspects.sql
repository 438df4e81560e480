-- Search rows of a second generation: `indexed` is `version * 256 + 2` where a resource has them. What an earlier program has written, or
-- writes beside this one, is less. The index holds what is to be indexed anew, the oldest generation first.
DROP INDEX resource_stale;
CREATE INDEX resource_stale ON resource (type, (indexed - version * 256)) WHERE indexed < version * 256 + 2;
