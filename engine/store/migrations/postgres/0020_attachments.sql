-- Attachments, and who needs them: see migrations/sqlite, which says what each column is for.
CREATE TABLE attachment (
    place      TEXT COLLATE "C" PRIMARY KEY,
    sha256     BYTEA  UNIQUE,
    size       BIGINT NOT NULL,
    media_type TEXT   NOT NULL,
    stored_us  BIGINT NOT NULL,
    state      BIGINT NOT NULL,
    due_us     BIGINT
);
CREATE INDEX attachment_due ON attachment (state, due_us) WHERE due_us IS NOT NULL;

CREATE TABLE attachment_need (
    seq   BIGINT NOT NULL,
    place TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (seq, place)
);
CREATE INDEX attachment_need_place ON attachment_need (place);

CREATE TABLE attachment_use (
    place    TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (place, resource)
);
