-- What version 2 has besides: a message that was split, its pieces of which one has not ended, and what a sender was answered.
INSERT INTO message (seq, id, channel, state, received_us, size, reused, replays, digest, dedupe, message_type, control_id, sender,
                     correlation, peer_address, peer_identity, parent, nth) VALUES
    (4, X'019A00000000700080000000000000A4', 1, 4, 1763971203000000, 5, 0, 0, X'000102030405060708090A0B0C0D0E04', 'HIS|4', NULL, '4', NULL, 'c-4', NULL, NULL, NULL, NULL),
    (5, X'019A00000000700080000000000000A5', 1, 2, 1763971203000000, 5, 0, 0, X'000102030405060708090A0B0C0D0E05', 'HIS|5', NULL, '5', NULL, 'c-5', NULL, NULL, 4, 1),
    (6, X'019A00000000700080000000000000A6', 1, 0, 1763971203000000, 5, 0, 0, X'000102030405060708090A0B0C0D0E06', 'HIS|6', NULL, '6', NULL, 'c-6', NULL, NULL, 4, 2);
UPDATE message SET ended_us = 1763971203500000 WHERE seq IN (4, 5);
UPDATE message SET answered = 1, answered_us = 1763971203600000 WHERE seq = 4;
INSERT INTO message_body (seq, body) VALUES (4, CAST('batch' AS BLOB)), (5, CAST('piece' AS BLOB)), (6, CAST('other' AS BLOB));
INSERT INTO message_trace (seq, step, place, rule, reason, keys, notes, wrote) VALUES (4, NULL, NULL, NULL, '2', NULL, NULL, NULL);
INSERT INTO tally (kind, word, state, count) VALUES (0, 1, 0, 1), (0, 1, 2, 1), (0, 1, 4, 1)
    ON CONFLICT (kind, word, state) DO UPDATE SET count = count + excluded.count;
