-- Computations that this node holds something of beside shares: what the keys of their checkpoints are derived with.
CREATE TABLE sessions (
    request BLOB PRIMARY KEY NOT NULL,
    salt BLOB NOT NULL
) STRICT, WITHOUT ROWID;
