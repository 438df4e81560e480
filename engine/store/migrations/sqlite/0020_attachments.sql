-- Attachments: payloads that are kept in the archive, not here. `place` is where an object is: 32 hexadecimal digits, each used once.
-- `sha256` is the digest of its bytes while it is kept, NULL afterwards. States: 0 kept, 1 given up (the object is to be deleted),
-- 2 deleted (the place is never taken again). `due_us` is when it is looked at next: whether anybody needs it still; of a deleted one
-- when its row goes. NULL: a message needs it, and it is looked at when that is deleted.
CREATE TABLE attachment (
    place      TEXT    NOT NULL PRIMARY KEY,
    sha256     BLOB    UNIQUE,
    size       INTEGER NOT NULL,
    media_type TEXT    NOT NULL,
    stored_us  INTEGER NOT NULL,
    state      INTEGER NOT NULL,
    due_us     INTEGER
) WITHOUT ROWID;
CREATE INDEX attachment_due ON attachment (state, due_us) WHERE due_us IS NOT NULL;

-- Which messages need an attachment: as long as they are kept, and with them the parcels they owe.
CREATE TABLE attachment_need (
    seq   INTEGER NOT NULL,
    place TEXT    NOT NULL,
    PRIMARY KEY (seq, place)
) WITHOUT ROWID;
CREATE INDEX attachment_need_place ON attachment_need (place);

-- Which resources have ever held its address, as `DocumentReference/1`. Whether one still does, or a version of it, is looked up
-- when nobody else needs the attachment.
CREATE TABLE attachment_use (
    place    TEXT NOT NULL,
    resource TEXT NOT NULL,
    PRIMARY KEY (place, resource)
) WITHOUT ROWID;
