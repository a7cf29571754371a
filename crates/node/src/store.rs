//! What a node keeps beside ledger and vault: openings of commitments, shares of results, tokens of grants. SQLite.
//!
//! Every write is durable when its call returns; one writer commits what waits as one group, so that concurrent requests
//! share one flush to disk. Nothing here is believed without the ledger: an opening is stored under
//! the commitment it opens, a share with the transaction that recorded it.

mod private;

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contracts::message::Opening;
use crypto::Digest;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, QueryBuilder, Sqlite};
use tokio::sync::{mpsc, oneshot};
use wire::Bytes;

pub(crate) use self::private::{Counts, Known, Row as PrivateRow, Standing};

/// The node's tables. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    // SQLite has one writer: waiting for it in our own queue is fair, waiting on its lock is not.
    writer: SqlitePool,
    readers: SqlitePool,
    queue: mpsc::Sender<Waiting>,
    recent: Arc<Mutex<VecDeque<Recent>>>,
}

/// An opening that was just kept, under its request: the steps that follow soon read it.
struct Recent {
    request: Option<Digest>,
    commitment: Digest,
    opening: Opening,
}

/// A party's sealed share of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// The party: a member's name.
    pub(crate) party: String,
    /// The share, sealed to the requester.
    pub(crate) sealed: Bytes,
    /// The transaction that recorded it.
    pub(crate) transaction: Digest,
}

impl Store {
    /// Opens or creates the database file, brings its tables up to date and starts the writer. Must run inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be opened or is of a newer version.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let writer = pool(path, 1, PAGE).await?;
        sqlx::migrate!("migrations/store").run(&writer).await?;
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(writer.clone(), waiting));
        Ok(Self { writer, readers: pool(path, 4, PAGE).await?, queue, recent: Arc::default() })
    }

    /// Keeps what opens a commitment; the same again changes nothing. `kind` says what it is (`justification`,
    /// `evidence`, `particulars`), `request` what it belongs to, `created` is in Unix milliseconds.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn put_opening(
        &self,
        kind: &str,
        request: Option<&Digest>,
        opening: &Opening,
        created: u64,
    ) -> Result<(), StoreError> {
        self.put_openings(request, &[(kind, opening)], created).await
    }

    /// Keeps several openings, all with one way to disk; as [`Store::put_opening`].
    ///
    /// # Errors
    /// [`StoreError::Database`]: none is kept.
    pub(crate) async fn put_openings(
        &self,
        request: Option<&Digest>,
        openings: &[(&str, &Opening)],
        created: u64,
    ) -> Result<(), StoreError> {
        let rows = openings.iter().map(|(kind, opening)| OpeningRow {
            commitment: opening.commitment(),
            kind: (*kind).to_owned(),
            request: request.copied(),
            bytes: wire::to_vec(*opening),
            created,
        });
        let (done, outcome) = oneshot::channel();
        self.enqueue(Waiting::Openings { rows: rows.collect(), done }).await?;
        outcome.await.map_err(|_| StoreError::Unavailable)??;
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, opening) in openings.iter().filter(|(_, opening)| opening.payload.len() <= MAX_RECENT_BYTES) {
            if recent.len() == MAX_RECENT {
                recent.pop_front();
            }
            let (request, commitment) = (request.copied(), opening.commitment());
            recent.push_back(Recent { request, commitment, opening: (*opening).clone() });
        }
        Ok(())
    }

    fn recent(&self, request: Option<&Digest>, commitment: &Digest) -> Option<Opening> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let found = recent.iter().rev().find(|one| one.commitment == *commitment && one.request.as_ref() == request);
        found.map(|one| one.opening.clone())
    }

    /// What opens a commitment, as kept for this very request (or for none): whoever copies another request's commitment
    /// does not get at what opens it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when what is stored opens another commitment; [`StoreError::Database`].
    pub(crate) async fn opening(
        &self,
        request: Option<&Digest>,
        commitment: &Digest,
    ) -> Result<Option<Opening>, StoreError> {
        if let Some(opening) = self.recent(request, commitment) {
            return Ok(Some(opening));
        }
        let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT bytes FROM openings WHERE commitment = ? AND request = ?")
            .bind(commitment.as_ref())
            .bind(request.map_or(&[][..], AsRef::as_ref))
            .fetch_optional(&self.readers)
            .await?;
        let Some((bytes,)) = row else { return Ok(None) };
        match wire::from_slice::<Opening>(&bytes, wire::Limits::large()) {
            Ok(opening) if opening.commitment() == *commitment => Ok(Some(opening)),
            _ => Err(StoreError::Corrupt { table: "openings", key: commitment.to_string() }),
        }
    }

    /// Keeps a party's share; another share of the same party for the same request replaces it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn put_share(&self, request: &Digest, share: &Share) -> Result<(), StoreError> {
        sqlx::query("INSERT OR REPLACE INTO shares (request, party, sealed, tx) VALUES (?, ?, ?, ?)")
            .bind(request.as_ref())
            .bind(&share.party)
            .bind(&*share.sealed)
            .bind(share.transaction.as_ref())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// The shares of a request's result stored here, by party.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn shares(&self, request: &Digest) -> Result<Vec<Share>, StoreError> {
        let rows: Vec<(String, Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT party, sealed, tx FROM shares WHERE request = ? ORDER BY party")
                .bind(request.as_ref())
                .fetch_all(&self.readers)
                .await?;
        rows.into_iter()
            .map(|(party, sealed, tx)| Ok(Share { party, sealed: sealed.into(), transaction: digest(&tx, "shares")? }))
            .collect()
    }

    /// What the keys of a computation's checkpoints are derived with: `fresh`, unless there is something already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn session(&self, request: &Digest, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        sqlx::query("INSERT INTO sessions (request, salt) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(request.as_ref())
            .bind(&fresh[..])
            .execute(&self.writer)
            .await?;
        let (salt,): (Vec<u8>,) = sqlx::query_as("SELECT salt FROM sessions WHERE request = ?")
            .bind(request.as_ref())
            .fetch_one(&self.writer)
            .await?;
        salt.try_into().map_err(|_| StoreError::Corrupt { table: "sessions", key: request.to_string() })
    }

    /// Forgets a computation's session; nothing of the row is left in the file.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn end_session(&self, request: &Digest) -> Result<(), StoreError> {
        let ended =
            sqlx::query("DELETE FROM sessions WHERE request = ?").bind(request.as_ref()).execute(&self.writer).await?;
        if ended.rows_affected() > 0 { self.settle().await } else { Ok(()) }
    }

    /// The requests whose computations this node holds anything of.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn computed(&self) -> Result<Vec<Digest>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT request FROM shares UNION SELECT request FROM sessions")
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(|(request,)| digest(&request, "shares")).collect()
    }

    /// Deletes a request's shares kept under attempts; the one that became the result's stays.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn drop_attempts(&self, request: &Digest) -> Result<(), StoreError> {
        let dropped = sqlx::query("DELETE FROM shares WHERE request = ? AND party LIKE 'attempt %'")
            .bind(request.as_ref())
            .execute(&self.writer)
            .await?;
        if dropped.rows_affected() > 0 { self.settle().await } else { Ok(()) }
    }

    /// Deletes all shares of a request's computation. Its session stays until [`Store::end_session`], made where there was none.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn destroy_shares(&self, request: &Digest) -> Result<(), StoreError> {
        let mut change = self.writer.begin().await?;
        sqlx::query("INSERT OR REPLACE INTO sessions (request, salt) VALUES (?, x'')")
            .bind(request.as_ref())
            .execute(&mut *change)
            .await?;
        sqlx::query("DELETE FROM shares WHERE request = ?").bind(request.as_ref()).execute(&mut *change).await?;
        change.commit().await?;
        self.settle().await
    }

    /// Empties the write-ahead log into the file, where deleted rows are overwritten.
    async fn settle(&self) -> Result<(), StoreError> {
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.writer).await?;
        Ok(())
    }

    /// Keeps a grant's token; a second token for the same grant is not taken. True when it was kept.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn put_grant(&self, grant: &Digest, token: &[u8]) -> Result<bool, StoreError> {
        let (done, outcome) = oneshot::channel();
        self.enqueue(Waiting::Grant { grant: *grant, token: token.to_vec(), done }).await?;
        outcome.await.map_err(|_| StoreError::Unavailable)?
    }

    /// A grant's token.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn grant(&self, grant: &Digest) -> Result<Option<Bytes>, StoreError> {
        let row: Option<(Vec<u8>,)> = sqlx::query_as("SELECT token FROM grants WHERE grant_id = ?")
            .bind(grant.as_ref())
            .fetch_optional(&self.readers)
            .await?;
        Ok(row.map(|(token,)| token.into()))
    }

    async fn enqueue(&self, waiting: Waiting) -> Result<(), StoreError> {
        self.queue.send(waiting).await.map_err(|_| StoreError::Unavailable)
    }

    /// Copies the tables into a new file as of one moment, without what the keys of computations' checkpoints and of private payloads
    /// derive from: with it, some could be read that are destroyed by then.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) async fn copy(&self, path: &Path) -> Result<(), sqlx::Error> {
        vacuum(&self.readers, path).await?;
        let copy = pool(path, 1, PAGE).await?;
        sqlx::query("UPDATE sessions SET salt = randomblob(32) WHERE length(salt) = 32").execute(&copy).await?;
        private::strip(&copy).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&copy).await?;
        copy.close().await;
        Ok(())
    }

    /// Waits for what is under way and closes the file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// What waits to be written.
enum Waiting {
    Openings { rows: Vec<OpeningRow>, done: oneshot::Sender<Result<(), StoreError>> },
    Grant { grant: Digest, token: Vec<u8>, done: oneshot::Sender<Result<bool, StoreError>> },
}

struct OpeningRow {
    commitment: Digest,
    kind: String,
    request: Option<Digest>,
    bytes: Vec<u8>,
    created: u64,
}

/// Writes what waits, group by group, until the store is gone.
async fn write(pool: SqlitePool, mut queue: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(GROUP);
    while queue.recv_many(&mut group, GROUP).await > 0 {
        let (mut rows, mut openings, mut tokens, mut grants) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for waiting in group.drain(..) {
            match waiting {
                Waiting::Openings { rows: more, done } => {
                    rows.extend(more);
                    openings.push(done);
                }
                Waiting::Grant { grant, token, done } => {
                    tokens.push((grant, token));
                    grants.push(done);
                }
            }
        }
        if !rows.is_empty() {
            let written = write_openings(&pool, &rows).await.map_err(unavailable);
            openings.into_iter().for_each(|done| drop(done.send(written.map_err(|()| StoreError::Unavailable))));
        }
        if !tokens.is_empty() {
            let written = write_grants(&pool, &tokens).await.map_err(unavailable);
            for ((at, done), (grant, _)) in grants.into_iter().enumerate().zip(&tokens) {
                // Of two tokens for one grant the first was taken.
                let first = tokens[..at].iter().all(|(other, _)| other != grant);
                let kept = written.as_ref().map(|kept| first && kept.contains(grant));
                drop(done.send(kept.map_err(|()| StoreError::Unavailable)));
            }
        }
    }
}

/// The reason goes to the log, once for the group.
fn unavailable(error: sqlx::Error) {
    tracing::error!(%error, "the node's database cannot be written");
}

/// One statement, hence one transaction and one flush.
async fn write_openings(pool: &SqlitePool, rows: &[OpeningRow]) -> Result<(), sqlx::Error> {
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO openings (commitment, kind, request, bytes, created) ");
    insert.push_values(rows, |mut values, row| {
        values.push_bind(row.commitment.as_ref()).push_bind(&row.kind);
        values.push_bind(row.request.as_ref().map_or(&[][..], AsRef::as_ref));
        values.push_bind(&row.bytes).push_bind(row.created as i64);
    });
    insert.push(" ON CONFLICT DO NOTHING");
    insert.build().persistent(rows.len() <= KEPT).execute(pool).await?;
    Ok(())
}

/// As [`write_openings`]; the grants that had no token yet.
async fn write_grants(pool: &SqlitePool, tokens: &[(Digest, Vec<u8>)]) -> Result<HashSet<Digest>, sqlx::Error> {
    let mut insert = QueryBuilder::<Sqlite>::new("INSERT INTO grants (grant_id, token) ");
    insert.push_values(tokens, |mut values, (grant, token)| {
        values.push_bind(grant.as_ref()).push_bind(token);
    });
    insert.push(" ON CONFLICT DO NOTHING RETURNING grant_id");
    let kept: Vec<(Vec<u8>,)> = insert.build_query_as().persistent(tokens.len() <= KEPT).fetch_all(pool).await?;
    Ok(kept.iter().filter_map(|(grant,)| wire::Fixed::from_slice(grant).map(Digest)).collect())
}

/// Why the store failed; none of these is the caller's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// SQLite failed.
    #[error("the node's database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// A write failed, for the reason in the log.
    #[error("the node's database cannot be written")]
    Unavailable,
    /// The tables cannot be brought up to date.
    #[error("the node's tables cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row is not what was written.
    #[error("the row {key} of table {table} was altered")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row.
        key: String,
    },
}

/// Copies a database, as of one moment, into a new file.
pub(crate) async fn vacuum(pool: &SqlitePool, path: &Path) -> Result<(), sqlx::Error> {
    let path = path.to_str().ok_or_else(|| sqlx::Error::Io(std::io::Error::other("its path is not Unicode")))?;
    sqlx::query("VACUUM INTO ?").bind(path).execute(pool).await?;
    Ok(())
}

/// Connections to a database file in WAL mode; a commit is on disk when it returns. A new file gets pages of so many bytes.
pub(crate) async fn pool(path: &Path, connections: u32, page: u32) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .page_size(page)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        .pragma("trusted_schema", "OFF")
        // 16 MiB of a new file's pages: those that every commit writes go to the file once for many of them.
        .pragma("wal_autocheckpoint", (WAL / page).to_string())
        .busy_timeout(Duration::from_secs(10))
        .disable_statement_logging();
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
}

fn digest(bytes: &[u8], table: &'static str) -> Result<Digest, StoreError> {
    let bytes: Result<[u8; 32], _> = bytes.try_into();
    bytes.map(Into::into).map_err(|_| StoreError::Corrupt { table, key: "with a digest of another length".into() })
}

/// Bytes of a page, SQLite's own choice.
pub(crate) const PAGE: u32 = 4_096;
/// Bytes of the log of writes at which they go to the file.
const WAL: u32 = 16 << 20;

/// Openings kept in memory, and the longest of them in bytes.
const MAX_RECENT: usize = 256;
const MAX_RECENT_BYTES: usize = 4096;
/// Writes that may wait; further ones wait to be let in.
const QUEUE: usize = 1024;
/// Writes in one group: at most 9 openings of 5 parameters each, SQLite takes 32,766.
const GROUP: usize = 128;
/// Groups of many sizes make many statements: those of few rows, the common case, are kept prepared.
const KEPT: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_is_there_after_opening_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.sqlite");
        let request = Digest::from([1; 32]);
        let opening = Opening::new(b"a study of recovery".to_vec());
        let share = Share { party: "st-anna".into(), sealed: vec![1, 2].into(), transaction: Digest::from([3; 32]) };

        let store = Store::open(&path).await.unwrap();
        store.put_opening("justification", Some(&request), &opening, 5).await.unwrap();
        store.put_opening("justification", Some(&request), &opening, 6).await.unwrap();
        store.put_share(&request, &share).await.unwrap();
        assert!(store.put_grant(&request, b"token").await.unwrap());
        assert!(!store.put_grant(&request, b"other").await.unwrap());
        store.close().await;

        let store = Store::open(&path).await.unwrap();
        let commitment = opening.commitment();
        // Another request that copies the commitment does not get at what opens it.
        assert_eq!(store.opening(None, &commitment).await.unwrap(), None);
        assert_eq!(store.opening(Some(&commitment), &commitment).await.unwrap(), None);
        assert_eq!(store.opening(Some(&request), &commitment).await.unwrap(), Some(opening));
        assert_eq!(store.shares(&request).await.unwrap(), [share]);
        assert_eq!(store.grant(&request).await.unwrap().as_deref(), Some(&b"token"[..]));
    }

    #[tokio::test]
    async fn what_is_destroyed_is_in_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("node.sqlite")).await.unwrap();
        let [first, second] = [1, 2].map(|request| Digest::from([request; 32]));
        let share = |party: &str, byte| Share {
            party: party.into(),
            sealed: vec![byte; 500].into(),
            transaction: Digest::from([3; 32]),
        };
        for (party, byte) in [("st-anna", 0xa1), ("attempt 77", 0xa2), ("recorded attempt", 0xa3)] {
            store.put_share(&first, &share(party, byte)).await.unwrap();
            store.put_share(&second, &share(party, byte + 16)).await.unwrap();
        }
        let salt = store.session(&first, [0xb1; 32]).await.unwrap();
        assert_eq!(salt, [0xb1; 32]);
        assert_eq!(store.session(&first, [0xb2; 32]).await.unwrap(), salt, "the first one stays");
        assert_eq!(store.computed().await.unwrap(), [first, second]);

        let found = |byte: u8| {
            let files = std::fs::read_dir(directory.path()).unwrap();
            files
                .into_iter()
                .any(|file| std::fs::read(file.unwrap().path()).unwrap().windows(30).any(|window| window == [byte; 30]))
        };
        assert!([0xa1, 0xa2, 0xb1, 0xb3].map(&found) == [true; 4], "what is there is found");
        store.drop_attempts(&first).await.unwrap();
        assert!(!found(0xa2) && found(0xb2), "only that request's");
        let left: Vec<_> = store.shares(&first).await.unwrap().into_iter().map(|share| share.party).collect();
        assert_eq!(left, ["recorded attempt", "st-anna"]);
        store.destroy_shares(&first).await.unwrap();
        store.destroy_shares(&second).await.unwrap();
        assert_eq!([0xa1, 0xa3, 0xb1, 0xb3].map(&found), [false; 4]);
        assert_eq!(store.computed().await.unwrap(), [first, second], "until it is on record");
        store.end_session(&first).await.unwrap();
        store.end_session(&second).await.unwrap();
        assert!(store.computed().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn of_many_writes_at_once_each_has_its_own_outcome() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("node.sqlite")).await.unwrap();
        let grants: Vec<Digest> = (0..3).map(|grant| Digest::from([grant; 32])).collect();
        let tokens: Vec<[u8; 1]> = (0..60).map(|token| [token]).collect();
        let opening = Opening::new(b"one for all".to_vec());
        let writes = tokens.iter().enumerate().map(|(at, token)| {
            let (grant, store, opening) = (&grants[at % 3], &store, &opening);
            async move {
                let kept = store.put_opening("evidence", Some(grant), opening, 0);
                let (kept, first) = tokio::join!(kept, store.put_grant(grant, token));
                kept.unwrap();
                first.unwrap().then_some((grant, token))
            }
        });
        let first: Vec<_> = futures_util::future::join_all(writes).await.into_iter().flatten().collect();
        assert_eq!(first.len(), 3, "each grant has one token");
        for (grant, token) in first {
            assert_eq!(store.grant(grant).await.unwrap().as_deref(), Some(&token[..]));
            assert_eq!(store.opening(Some(grant), &opening.commitment()).await.unwrap().as_ref(), Some(&opening));
        }
        store.writer.close().await;
        assert!(matches!(store.put_grant(&opening.commitment(), b"late").await, Err(StoreError::Unavailable)));
    }

    #[tokio::test]
    async fn an_altered_opening_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("node.sqlite")).await.unwrap();
        let opening = Opening::new(b"one".to_vec());
        store.put_opening("evidence", None, &opening, 0).await.unwrap();
        let other = wire::to_vec(&Opening::new(b"two".to_vec()));
        sqlx::query("UPDATE openings SET bytes = ?").bind(other).execute(&store.writer).await.unwrap();
        store.close().await;
        let store = Store::open(&directory.path().join("node.sqlite")).await.unwrap();
        assert!(matches!(store.opening(None, &opening.commitment()).await, Err(StoreError::Corrupt { .. })));
    }
}
