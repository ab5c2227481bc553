-- the number of the smallest tile that holds the place, see services/tiles.rs; NULL without a place
ALTER TABLE services ADD COLUMN tile INTEGER;
UPDATE services SET tile =
    ((
        SELECT (v | (v << 1)) & 1431655765 FROM (
            SELECT (v | (v << 2)) & 858993459 AS v FROM (
                SELECT (v | (v << 4)) & 252645135 AS v FROM (
                    SELECT (v | (v << 8)) & 16711935 AS v FROM (
                        SELECT min(CAST((latitude + 90.0) / 180.0 * 65536.0 AS INTEGER), 65535) AS v
                    ) AS cut
                ) AS by_8
            ) AS by_4
        ) AS by_2
    ) << 1) | (
        SELECT (v | (v << 1)) & 1431655765 FROM (
            SELECT (v | (v << 2)) & 858993459 AS v FROM (
                SELECT (v | (v << 4)) & 252645135 AS v FROM (
                    SELECT (v | (v << 8)) & 16711935 AS v FROM (
                        SELECT min(CAST((longitude + 180.0) / 360.0 * 65536.0 AS INTEGER), 65535) AS v
                    ) AS cut
                ) AS by_8
            ) AS by_4
        ) AS by_2
    )
WHERE latitude IS NOT NULL;
CREATE INDEX services_tile ON services (tile) WHERE visible = 1 AND tile IS NOT NULL;
