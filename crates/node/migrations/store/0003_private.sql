-- Payloads that some members hold, as this node has them beside the ledger.
CREATE TABLE private (
    id BLOB PRIMARY KEY NOT NULL,
    sender TEXT NOT NULL,
    size INTEGER NOT NULL,
    -- draft: its transaction is on its way; held; missing; purging: destroyed, and that is not on the ledger yet.
    standing TEXT NOT NULL CHECK (standing IN ('draft', 'held', 'missing', 'purging')),
    -- What its key is derived with; empty where nothing is held.
    salt BLOB NOT NULL,
    since INTEGER NOT NULL,
    purge_after INTEGER,
    -- Of one that is purging: why and when.
    cause INTEGER,
    at INTEGER,
    -- Of one that is missing or purging: how often it was tried, and when it is again.
    tries INTEGER NOT NULL DEFAULT 0,
    next INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX private_dates ON private (purge_after) WHERE purge_after IS NOT NULL;
CREATE INDEX private_turns ON private (standing, next);
