-- Replays, and which message wrote a version: see migrations/sqlite, which says what each column is for.
CREATE TABLE replay (
    number     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ordered_us BIGINT NOT NULL,
    ended_us   BIGINT,
    state      BIGINT NOT NULL,
    what       TEXT   NOT NULL,
    newer      TEXT   NOT NULL,
    owing      TEXT   NOT NULL,
    rate       BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    nth        BIGINT NOT NULL,
    last       BIGINT NOT NULL,
    sum        TEXT   NOT NULL,
    holder     BIGINT,
    held_us    BIGINT
);
CREATE INDEX replay_open ON replay (number) WHERE state = 0;

ALTER TABLE resource ADD COLUMN by_at BIGINT;
ALTER TABLE resource ADD COLUMN by_nth BIGINT;
ALTER TABLE history ADD COLUMN by_at BIGINT;
ALTER TABLE history ADD COLUMN by_nth BIGINT;
