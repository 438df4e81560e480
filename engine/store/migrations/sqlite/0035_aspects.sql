-- Search rows of a second generation: `indexed` is `version * 256 + 2` where a resource has them. What an earlier program has written, or
-- writes beside this one, is less. The index holds what is to be indexed anew, the oldest generation first.
DROP INDEX resource_stale;
CREATE INDEX resource_stale ON resource (type, (indexed - version * 256)) WHERE indexed < version * 256 + 2;

-- The words of texts: what `hub_fhir::full_text` makes of them, with spaces between, so that nothing is left to the tokenizer. The table
-- holds the index alone; a row goes by its number.
CREATE VIRTUAL TABLE full_text USING fts5 (narrative, rest, content = '', contentless_delete = 1, tokenize = 'ascii');
-- The types whose resources stand in it.
CREATE TABLE full_text_type (type INTEGER PRIMARY KEY);
