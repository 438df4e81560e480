-- What this version has besides: a resource with a number it is found by.
INSERT INTO word (text) VALUES ('tChargeItem'), ('pChargeItem.factor-override');
INSERT INTO resource (rid, type, id, version, updated_us, deleted, digest, rows, body, more, indexed)
    SELECT 2, (SELECT number FROM word WHERE text = 'tChargeItem'), 'old', 1, 1763971200500000, 0, NULL, '{}', CAST('{"resourceType":"ChargeItem","id":"old","meta":{"versionId":"1"},"factorOverride":2}' AS BLOB),
           ('{"n' || number || '":[[4611686018427387904,4611686018427387905]]}'), 257 FROM word WHERE text = 'pChargeItem.factor-override';
INSERT INTO idx_number (param, unit, long, low, rid, high)
    SELECT number, 0, 0, 4611686018427387904, 2, 4611686018427387905 FROM word WHERE text = 'pChargeItem.factor-override';
