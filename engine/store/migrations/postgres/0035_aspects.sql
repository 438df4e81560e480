-- Search rows of a second generation: `indexed` is `version * 256 + 2` where a resource has them. What an earlier program has written, or
-- writes beside this one, is less. The index holds what is to be indexed anew, the oldest generation first.
DROP INDEX resource_stale;
CREATE INDEX resource_stale ON resource (type, (indexed - version * 256)) WHERE indexed < version * 256 + 2;

-- The words of texts with their places. What is sought anywhere is found by the index.
CREATE TABLE full_text (
    rid       BIGINT PRIMARY KEY,
    narrative TSVECTOR NOT NULL,
    rest      TSVECTOR NOT NULL
);
CREATE INDEX full_text_words ON full_text USING gin ((narrative || rest));
-- The types whose resources stand in it.
CREATE TABLE full_text_type (type BIGINT PRIMARY KEY);
