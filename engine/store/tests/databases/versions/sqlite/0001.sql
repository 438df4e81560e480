-- What a hub of version 1 of the SQLite tables left behind: a message committed, one not ended, one set aside; what it wrote, owes
-- and owed; its counters. Written by hand, as that program's statements wrote it.
INSERT INTO word (number, text) VALUES
    (1, 'cold/adt'), (2, 'dold/adt/lis'), (3, 'kpatient'), (4, 'tLocation'), (5, 'pLocation.identifier');

INSERT INTO message (seq, id, channel, state, received_us, size, reused, replays, digest, dedupe, message_type, control_id, sender,
                     correlation, peer_address, peer_identity) VALUES
    (1, X'019A00000000700080000000000000A1', 1, 0, 1763971200000000, 5, 0, 0, X'000102030405060708090A0B0C0D0E01', 'HIS|1', 'ADT^A01', '1', 'HIS|H', 'c-1', '127.0.0.1:4711', NULL),
    (2, X'019A00000000700080000000000000A2', 1, 0, 1763971201000000, 6, 0, 0, X'000102030405060708090A0B0C0D0E02', 'HIS|2', 'ADT^A08', '2', 'HIS|H', 'c-2', NULL, 'his'),
    (3, X'019A00000000700080000000000000A3', 1, 0, 1763971202000000, 5, 1, 0, X'000102030405060708090A0B0C0D0E03', 'HIS|2', NULL, NULL, NULL, 'c-3', NULL, NULL);
INSERT INTO message_body (seq, body) VALUES
    (1, CAST('first' AS BLOB)), (2, CAST('second' AS BLOB)), (3, CAST('third' AS BLOB));
WITH w(seq, state, ended_us, replays) AS (VALUES (1, 1, 1763971200500000, 0), (3, 3, 1763971202500000, 1))
    UPDATE message SET state = w.state, ended_us = w.ended_us, replays = w.replays FROM w WHERE message.seq = w.seq;
INSERT INTO message_trace (seq, step, place, rule, reason, keys, notes, wrote) VALUES
    (1, NULL, NULL, NULL, NULL, '[["patient","4711"]]', '[["PV1-3","no such ward"]]', '[["Location/old","2"]]'),
    (3, 'map', 'PID-7', 'mappings/old/adt.toml:3', 'expected a date', NULL, NULL, NULL);
INSERT INTO message_key (value, name, seq) VALUES ('4711', 3, 1);

INSERT INTO resource (rid, type, id, version, updated_us, deleted, digest, rows, body) VALUES
    (1, 4, 'old', 2, 1763971200500000, 0, NULL, '{"t5":[["4711",0]]}',
     CAST('{"resourceType":"Location","id":"old","meta":{"versionId":"2"},"identifier":[{"value":"4711"}]}' AS BLOB));
INSERT INTO history (rid, version, updated_us, deleted, body) VALUES
    (1, 1, 1763971100000000, 0, CAST('{"resourceType":"Location","id":"old","meta":{"versionId":"1"}}' AS BLOB));
INSERT INTO idx_token (param, code, rid, system) VALUES (5, '4711', 1, 0);

INSERT INTO parcel (seq, id, dest, okey, state, due_us, created_us, attempts, doubt, begun, message, correlation) VALUES
    (1, X'000000000000000000000000000000B1', 2, 'k', 0, NULL, 1763971200500000, 0, 0, 0, 1, 'c-1'),
    (2, X'000000000000000000000000000000B2', 2, 'k', 0, 1763971200500000, 1763971200500000, 0, 0, 0, 1, 'c-1'),
    (3, X'000000000000000000000000000000B3', 2, 'k', 0, NULL, 1763971200500000, 0, 0, 0, 1, 'c-1');
INSERT INTO parcel_body (seq, content_type, body) VALUES
    (1, 'text/plain', CAST('one' AS BLOB)), (2, 'text/plain', CAST('two' AS BLOB)), (3, 'text/plain', CAST('three' AS BLOB));
UPDATE parcel SET state = 1, attempts = 1 WHERE seq = 1;
UPDATE parcel_body SET answer = CAST('ok' AS BLOB) WHERE seq = 1;

INSERT INTO wake (at_us, event, subject) VALUES (4102444800000000, 'remind', 'Location/old');
INSERT INTO audit (at_us, cause, who, request, message, writes, parcels) VALUES (1763971200500000, 0, NULL, NULL, 1, 1, 3);
INSERT INTO tally (kind, word, state, count) VALUES (0, 1, 0, 1), (0, 1, 1, 1), (0, 1, 3, 1), (1, 2, 0, 2), (1, 2, 1, 1)
    ON CONFLICT (kind, word, state) DO UPDATE SET count = count + excluded.count;
