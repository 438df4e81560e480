-- What a hub of version 1 of the PostgreSQL tables left behind: that of versions 1 and 2 of SQLite, in the one stretch that it had made.
-- Written by hand, as that program's statements wrote it.
CREATE TABLE message_0 PARTITION OF message FOR VALUES FROM (0) TO (4294967296);
CREATE TABLE message_body_0 PARTITION OF message_body FOR VALUES FROM (0) TO (4294967296);
CREATE TABLE message_trace_0 PARTITION OF message_trace FOR VALUES FROM (0) TO (4294967296);
CREATE TABLE message_key_0 PARTITION OF message_key FOR VALUES FROM (0) TO (4294967296);

INSERT INTO word (number, text) VALUES
    (1, 'cold/adt'), (2, 'dold/adt/lis'), (3, 'kpatient'), (4, 'tLocation'), (5, 'pLocation.identifier');

INSERT INTO message (seq, id, channel, state, received_us, size, reused, replays, digest, dedupe, message_type, control_id, sender,
                     correlation, peer_address, peer_identity) VALUES
    (1, '\x019A00000000700080000000000000A1'::bytea, 1, 0, 1763971200000000, 5, 0, 0, '\x000102030405060708090A0B0C0D0E01'::bytea, 'HIS|1', 'ADT^A01', '1', 'HIS|H', 'c-1', '127.0.0.1:4711', NULL),
    (2, '\x019A00000000700080000000000000A2'::bytea, 1, 0, 1763971201000000, 6, 0, 0, '\x000102030405060708090A0B0C0D0E02'::bytea, 'HIS|2', 'ADT^A08', '2', 'HIS|H', 'c-2', NULL, 'his'),
    (3, '\x019A00000000700080000000000000A3'::bytea, 1, 0, 1763971202000000, 5, 1, 0, '\x000102030405060708090A0B0C0D0E03'::bytea, 'HIS|2', NULL, NULL, NULL, 'c-3', NULL, NULL);
INSERT INTO message_body (seq, body) VALUES
    (1, convert_to('first', 'UTF8')), (2, convert_to('second', 'UTF8')), (3, convert_to('third', 'UTF8'));
WITH w(seq, state, ended_us, replays) AS (VALUES (1::bigint, 1::bigint, 1763971200500000, 0::bigint), (3, 3, 1763971202500000, 1))
    UPDATE message SET state = w.state, ended_us = w.ended_us, replays = w.replays FROM w WHERE message.seq = w.seq;
INSERT INTO message_trace (seq, step, place, rule, reason, keys, notes, wrote) VALUES
    (1, NULL, NULL, NULL, NULL, '[["patient","4711"]]', '[["PV1-3","no such ward"]]', '[["Location/old","2"]]'),
    (3, 'map', 'PID-7', 'mappings/old/adt.toml:3', 'expected a date', NULL, NULL, NULL);
INSERT INTO message_key (value, name, seq) VALUES ('4711', 3, 1);

INSERT INTO resource (rid, type, id, version, updated_us, deleted, digest, rows, body) VALUES
    (1, 4, 'old', 2, 1763971200500000, 0, NULL, '{"t5":[["4711",0]]}',
     convert_to('{"resourceType":"Location","id":"old","meta":{"versionId":"2"},"identifier":[{"value":"4711"}]}', 'UTF8'));
INSERT INTO history (rid, version, updated_us, deleted, body) VALUES
    (1, 1, 1763971100000000, 0, convert_to('{"resourceType":"Location","id":"old","meta":{"versionId":"1"}}', 'UTF8'));
INSERT INTO idx_token (param, code, rid, system) VALUES (5, '4711', 1, 0);

INSERT INTO parcel (seq, id, dest, okey, state, due_us, created_us, attempts, doubt, begun, message, correlation) VALUES
    (1, '\x000000000000000000000000000000B1'::bytea, 2, 'k', 0, NULL, 1763971200500000, 0, 0, 0, 1, 'c-1'),
    (2, '\x000000000000000000000000000000B2'::bytea, 2, 'k', 0, 1763971200500000, 1763971200500000, 0, 0, 0, 1, 'c-1'),
    (3, '\x000000000000000000000000000000B3'::bytea, 2, 'k', 0, NULL, 1763971200500000, 0, 0, 0, 1, 'c-1');
INSERT INTO parcel_body (seq, content_type, body) VALUES
    (1, 'text/plain', convert_to('one', 'UTF8')), (2, 'text/plain', convert_to('two', 'UTF8')), (3, 'text/plain', convert_to('three', 'UTF8'));
UPDATE parcel SET state = 1, attempts = 1 WHERE seq = 1;
UPDATE parcel_body SET answer = convert_to('ok', 'UTF8') WHERE seq = 1;

INSERT INTO wake (at_us, event, subject) VALUES (4102444800000000, 'remind', 'Location/old');
INSERT INTO audit (at_us, cause, who, request, message, writes, parcels) VALUES (1763971200500000, 0, NULL, NULL, 1, 1, 3);
INSERT INTO tally_part (kind, word, state, node, count) VALUES (0, 1, 0, 9, 1), (0, 1, 1, 9, 1), (0, 1, 3, 9, 1), (1, 2, 0, 9, 2), (1, 2, 1, 9, 1)
    ON CONFLICT (kind, word, state, node) DO UPDATE SET count = tally_part.count + excluded.count;

INSERT INTO message (seq, id, channel, state, received_us, size, reused, replays, digest, dedupe, message_type, control_id, sender,
                     correlation, peer_address, peer_identity, parent, nth) VALUES
    (4, '\x019A00000000700080000000000000A4'::bytea, 1, 4, 1763971203000000, 5, 0, 0, '\x000102030405060708090A0B0C0D0E04'::bytea, 'HIS|4', NULL, '4', NULL, 'c-4', NULL, NULL, NULL, NULL),
    (5, '\x019A00000000700080000000000000A5'::bytea, 1, 2, 1763971203000000, 5, 0, 0, '\x000102030405060708090A0B0C0D0E05'::bytea, 'HIS|5', NULL, '5', NULL, 'c-5', NULL, NULL, 4, 1),
    (6, '\x019A00000000700080000000000000A6'::bytea, 1, 0, 1763971203000000, 5, 0, 0, '\x000102030405060708090A0B0C0D0E06'::bytea, 'HIS|6', NULL, '6', NULL, 'c-6', NULL, NULL, 4, 2);
UPDATE message SET ended_us = 1763971203500000 WHERE seq IN (4, 5);
UPDATE message SET answered = 1, answered_us = 1763971203600000 WHERE seq = 4;
INSERT INTO message_body (seq, body) VALUES (4, convert_to('batch', 'UTF8')), (5, convert_to('piece', 'UTF8')), (6, convert_to('other', 'UTF8'));
INSERT INTO message_trace (seq, step, place, rule, reason, keys, notes, wrote) VALUES (4, NULL, NULL, NULL, '2', NULL, NULL, NULL);
INSERT INTO tally_part (kind, word, state, node, count) VALUES (0, 1, 0, 9, 1), (0, 1, 2, 9, 1), (0, 1, 4, 9, 1)
    ON CONFLICT (kind, word, state, node) DO UPDATE SET count = tally_part.count + excluded.count;

SELECT setval('message_seq', 6);
SELECT setval('resource_rid', 1);
SELECT setval('parcel_seq', 3);
SELECT setval('word_number_seq', 5);
