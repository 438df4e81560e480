-- Replays: ended messages processed again. States: 0 running, 1 paused, 2 stopped, 3 done. `what` and `sum` are JSON; `at` and `nth` say
-- how far it has come, `last` where it ends. `holder` is the node that works on it, `held_us` when it was last heard of.
CREATE TABLE replay (
    number     INTEGER PRIMARY KEY,
    ordered_us INTEGER NOT NULL,
    ended_us   INTEGER,
    state      INTEGER NOT NULL,
    what       TEXT    NOT NULL,
    newer      TEXT    NOT NULL,
    owing      TEXT    NOT NULL,
    rate       INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    nth        INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    sum        TEXT    NOT NULL,
    holder     INTEGER,
    held_us    INTEGER
);
CREATE INDEX replay_open ON replay (number) WHERE state = 0;

-- Which message wrote a version: its place in the order of arrival (that of the whole, for a piece) and which piece it is. NULL: no
-- message did, or it was before this was kept.
ALTER TABLE resource ADD COLUMN by_at INTEGER;
ALTER TABLE resource ADD COLUMN by_nth INTEGER;
ALTER TABLE history ADD COLUMN by_at INTEGER;
ALTER TABLE history ADD COLUMN by_nth INTEGER;
