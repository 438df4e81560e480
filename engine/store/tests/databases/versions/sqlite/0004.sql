-- What this version has besides: a message that was taken back in from an archive.
UPDATE message SET imported_us = 1763971400000000 WHERE seq = 1;
