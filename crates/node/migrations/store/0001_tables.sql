-- What the ledger holds only by commitment: justifications, evidence, particulars.
CREATE TABLE openings (
    commitment BLOB NOT NULL,
    -- The request it belongs to; empty for particulars.
    request BLOB NOT NULL,
    kind TEXT NOT NULL,
    bytes BLOB NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (commitment, request)
) STRICT, WITHOUT ROWID;

-- This party's and the others' sealed shares of results.
CREATE TABLE shares (
    request BLOB NOT NULL,
    party TEXT NOT NULL,
    sealed BLOB NOT NULL,
    tx BLOB NOT NULL,
    PRIMARY KEY (request, party)
) STRICT, WITHOUT ROWID;

-- Tokens of the grants this node issued.
CREATE TABLE grants (
    grant_id BLOB PRIMARY KEY NOT NULL,
    token BLOB NOT NULL
) STRICT, WITHOUT ROWID;
