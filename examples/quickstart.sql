-- A table that remembers. It has a key, so INSERT is an upsert, and every statement that changes it makes a version.
DROP TABLE IF EXISTS prices;

CREATE TABLE prices (                                           -- version 1
    item  VARCHAR NOT NULL,
    price BIGINT,
    PRIMARY KEY (item)
);

INSERT INTO prices VALUES ('apple', 100), ('bread', 250), ('cheese', 900);   -- version 2
INSERT INTO prices VALUES ('apple', 120), ('dates', 400);       -- version 3: one price changes, one is new
DELETE FROM prices WHERE item = 'bread';                        -- version 4

-- As it is now.
SELECT * FROM prices ORDER BY item;

-- As it was.
SELECT * FROM prices VERSION AS OF 3 ORDER BY item;
SELECT * FROM prices VERSION AS OF 2 ORDER BY item;

-- What happened.
SELECT version, operation, rows FROM history('prices') ORDER BY version;

-- What was written after version 2, in its latest state.
SELECT * FROM prices VERSION BETWEEN 2 AND 4 ORDER BY item;

-- Two versions in one statement: which prices changed.
SELECT today.item, was.price AS before, today.price AS after
FROM prices AS today
JOIN prices VERSION AS OF 2 AS was ON was.item = today.item
WHERE was.price <> today.price
ORDER BY today.item;
