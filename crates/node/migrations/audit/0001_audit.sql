-- The audit trail: a chain of digests over every field, in order, without gaps.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY NOT NULL,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, sequence);
