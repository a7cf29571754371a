-- The read model's tables, in words that SQLite and PostgreSQL share: `database.rs` puts each one's own types in place of
-- BIGINT and TEXT. docs/spec/read-model.md says what they hold. Another format is another number in `read_model.format`.
CREATE TABLE blocks (
    height BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    first BIGINT NOT NULL,
    transactions BIGINT NOT NULL,
    digest TEXT NOT NULL
);
CREATE INDEX blocks_at ON blocks (at, height);

CREATE TABLE transactions (
    place BIGINT PRIMARY KEY,
    id TEXT NOT NULL,
    height BIGINT NOT NULL,
    sender TEXT NOT NULL,
    contract TEXT NOT NULL,
    method TEXT NOT NULL,
    code TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE UNIQUE INDEX transactions_id ON transactions (id);
CREATE INDEX transactions_sender ON transactions (sender, place);
CREATE INDEX transactions_contract ON transactions (contract, place);
CREATE INDEX transactions_refused ON transactions (place, code) WHERE code <> 'ok';

CREATE TABLE events (
    place BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    height BIGINT NOT NULL,
    at BIGINT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    request TEXT,
    detail TEXT NOT NULL,
    members TEXT NOT NULL,
    PRIMARY KEY (place, ordinal)
);
CREATE INDEX events_name ON events (name, place, ordinal);
CREATE INDEX events_subject ON events (subject, place, ordinal);
CREATE INDEX events_request ON events (request, place, ordinal) WHERE request IS NOT NULL;

CREATE TABLE event_members (
    member TEXT NOT NULL,
    place BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    PRIMARY KEY (member, place, ordinal)
);

CREATE TABLE objects (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT,
    owner TEXT,
    maker TEXT,
    status TEXT NOT NULL,
    code TEXT,
    version BIGINT,
    made BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    changed BIGINT,
    changed_at BIGINT,
    PRIMARY KEY (id, kind)
);
CREATE INDEX objects_made ON objects (made);
CREATE INDEX objects_kind ON objects (kind, made);
CREATE INDEX objects_status ON objects (status, made);
CREATE INDEX objects_name ON objects (name);
CREATE INDEX objects_maker ON objects (maker, made);

CREATE TABLE object_links (
    target TEXT NOT NULL,
    made BIGINT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (target, made, kind, id)
);
