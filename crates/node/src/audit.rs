//! The one choke-point: what reads, decides, releases, signs or configures is recorded here before its effect shows.
//!
//! Entries form a chain: `digest = H(AUDIT, [previous digest, CBOR of (sequence, at, actor, action, subject, code,
//! detail)])`, the first one after 32 zero bytes. One writer commits everything that waits as one group, so that
//! concurrent records share one flush to disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use client::api::AuditEntry;
use crypto::{Digest, Label, hash};
use futures_util::TryStreamExt as _;
use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Sqlite};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store;

/// The audit trail. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit {
    queue: mpsc::Sender<Waiting>,
    readers: SqlitePool,
    head: watch::Receiver<Head>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
    stop: CancellationToken,
}

/// The end of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Sequence of the newest entry; 0 when there is none.
    pub(crate) sequence: i64,
    /// Its digest; zero when there is none.
    pub(crate) digest: Digest,
}

impl Audit {
    /// Opens or creates the trail's own database file and starts its writer. Must run inside a tokio runtime.
    ///
    /// # Errors
    /// [`AuditError`] when the file cannot be opened.
    pub(crate) async fn open(path: &Path, clock: Clock, metrics: Arc<Metrics>) -> Result<Self, AuditError> {
        let pool = store::pool(path, 1, FILE_PAGE).await?;
        sqlx::migrate!("migrations/audit").run(&pool).await?;
        let newest: Option<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT sequence, digest FROM audit ORDER BY sequence DESC LIMIT 1")
                .fetch_optional(&pool)
                .await?;
        let head = match newest {
            None => GENESIS,
            Some((sequence, digest)) => Head { sequence, digest: to_digest(&digest, sequence)? },
        };
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (announce, announced) = watch::channel(head);
        let readers = store::pool(path, 2, FILE_PAGE).await?;
        let stop = CancellationToken::new();
        let writer = Writer { pool, clock, metrics: metrics.clone(), head, announce, stop: stop.clone() };
        let writer = Arc::new(Mutex::new(Some(tokio::spawn(writer.run(waiting)))));
        let audit = Self { queue, readers, head: announced, writer, stop };
        tokio::spawn(audit.clone().inspect(metrics));
        Ok(audit)
    }

    /// Records an action; it is on disk when this returns. Only then may the action's effect show.
    ///
    /// `actor` is a key, a member or `node`; `action` is `noun.verb`; `code` is `ok` or a refusal's. Fields longer than
    /// their bounds (128, 64, 256, 64, 1,024 bytes) are cut: a record never fails for its length.
    ///
    /// # Errors
    /// [`AuditError::Unavailable`] when it could not be written: the action must not go on.
    pub(crate) async fn record(
        &self,
        actor: &str,
        action: &str,
        subject: &str,
        code: &str,
        detail: &str,
    ) -> Result<i64, AuditError> {
        let body = Body {
            sequence: 0,
            at: 0,
            actor: cut(actor, 128),
            action: cut(action, 64),
            subject: cut(subject, 256),
            code: cut(code, 64),
            detail: cut(detail, 1024),
        };
        let (done, outcome) = oneshot::channel();
        self.queue.send(Waiting { body, done }).await.map_err(|_| AuditError::Unavailable)?;
        outcome.await.map_err(|_| AuditError::Unavailable)?
    }

    /// Entries after a sequence, oldest first; at most `limit` and at most 1,000.
    ///
    /// # Errors
    /// [`AuditError::Database`], [`AuditError::Broken`] when a digest has the wrong length.
    pub(crate) async fn page(&self, after: i64, limit: u32) -> Result<Vec<AuditEntry>, AuditError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?")
            .bind(after)
            .bind(limit.min(PAGE))
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(Row::entry).collect()
    }

    /// Entries on one subject after a sequence, oldest first; at most `limit` and at most 1,000.
    ///
    /// # Errors
    /// As [`Audit::page`].
    pub(crate) async fn page_of(&self, subject: &str, after: i64, limit: u32) -> Result<Vec<AuditEntry>, AuditError> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT * FROM audit WHERE subject = ? AND sequence > ? ORDER BY sequence LIMIT ?")
                .bind(subject)
                .bind(after)
                .bind(limit.min(PAGE))
                .fetch_all(&self.readers)
                .await?;
        rows.into_iter().map(Row::entry).collect()
    }

    /// The end of the chain as this process wrote it. Kept elsewhere, it shows later whether entries were cut off the end.
    pub(crate) fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// Recomputes the whole chain and compares its end with what this process wrote; constant memory.
    ///
    /// # Errors
    /// [`AuditError::Broken`] with the first sequence that is missing or altered; [`AuditError::Database`].
    pub(crate) async fn verify(&self) -> Result<Head, AuditError> {
        // Taken first: entries written while the walk goes on lie beyond it.
        let end = self.head();
        let mut rows = sqlx::query_as::<_, Row>("SELECT * FROM audit WHERE sequence <= ? ORDER BY sequence")
            .bind(end.sequence)
            .fetch(&self.readers);
        let mut last = GENESIS;
        while let Some(row) = rows.try_next().await? {
            let expected = last.sequence + 1;
            let entry = row.entry()?;
            let body = Body::from(&entry);
            if entry.sequence != expected || body.digest(&last.digest) != entry.digest {
                return Err(AuditError::Broken { sequence: expected });
            }
            last = Head { sequence: entry.sequence, digest: entry.digest };
        }
        if last == end { Ok(last) } else { Err(AuditError::Broken { sequence: last.sequence + 1 }) }
    }

    /// Copies the trail, as of one moment, into a new file.
    ///
    /// # Errors
    /// What SQLite says.
    pub(crate) async fn copy(&self, path: &Path) -> Result<(), sqlx::Error> {
        store::vacuum(&self.readers, path).await
    }

    /// Writes what waits and closes the file; records from now on fail, on every clone.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        if let Some(writer) = self.writer.lock().await.take() {
            // It ends by itself once the queue is empty; a panic in it has failed its records already.
            let _ = writer.await;
        }
        self.readers.close().await;
    }
}

impl Audit {
    /// Says whether the chain held at the start; beside the work, because a long trail takes a while.
    async fn inspect(self, metrics: Arc<Metrics>) {
        match self.verify().await {
            Ok(Head { sequence, digest }) => {
                metrics.audit_intact.set(&[], 1.0);
                tracing::info!(sequence, %digest, "the audit trail holds");
            }
            Err(error @ AuditError::Broken { .. }) => {
                metrics.audit_intact.set(&[], 0.0);
                tracing::error!(%error, "the audit trail does not hold");
            }
            // Closed while walking, most likely: nothing is known.
            Err(error) => tracing::warn!(%error, "the audit trail was not inspected"),
        }
    }
}

/// Why the trail failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The record could not be written, for the reason in the log.
    #[error("the audit trail cannot be written")]
    Unavailable,
    /// The chain does not hold.
    #[error("the audit trail was altered at or before entry {sequence}")]
    Broken {
        /// The first entry that is missing or altered.
        sequence: i64,
    },
    /// SQLite failed.
    #[error("the audit trail's database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables cannot be brought up to date.
    #[error("the audit trail's table cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// What waits to be written.
struct Waiting {
    body: Body,
    done: oneshot::Sender<Result<i64, AuditError>>,
}

/// The only one that writes.
struct Writer {
    pool: SqlitePool,
    clock: Clock,
    metrics: Arc<Metrics>,
    head: Head,
    announce: watch::Sender<Head>,
    stop: CancellationToken,
}

impl Writer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut group = Vec::with_capacity(GROUP);
        loop {
            let received = tokio::select! {
                received = waiting.recv_many(&mut group, GROUP) => received,
                // Nothing more comes in; what waits is still written.
                () = self.stop.cancelled(), if !waiting.is_closed() => {
                    waiting.close();
                    continue;
                }
            };
            if received == 0 {
                break;
            }
            let started = Instant::now();
            let outcome = self.commit(&mut group).await;
            self.metrics.audit_seconds.observe(&[], started.elapsed().as_secs_f64());
            match outcome {
                Ok(()) => {
                    self.metrics.audit_records.add(&["ok"], group.len() as u64);
                    self.announce.send_replace(self.head);
                    group.drain(..).for_each(|waiting| drop(waiting.done.send(Ok(waiting.body.sequence))));
                }
                Err(error) => {
                    tracing::error!(%error, records = group.len(), "the audit trail cannot be written");
                    self.metrics.audit_records.add(&["failed"], group.len() as u64);
                    group.drain(..).for_each(|waiting| drop(waiting.done.send(Err(AuditError::Unavailable))));
                }
            }
        }
        self.pool.close().await;
    }

    /// One statement, hence one transaction and one flush. The head moves only when it succeeded.
    async fn commit(&mut self, group: &mut [Waiting]) -> Result<(), sqlx::Error> {
        let at = (self.clock)();
        let mut head = self.head;
        let mut digests = Vec::with_capacity(group.len());
        for waiting in group.iter_mut() {
            waiting.body.sequence = head.sequence + 1;
            waiting.body.at = at;
            head = Head { sequence: waiting.body.sequence, digest: waiting.body.digest(&head.digest) };
            digests.push(head.digest);
        }
        let mut insert = QueryBuilder::<Sqlite>::new(
            "INSERT INTO audit (sequence, at, actor, action, subject, code, detail, digest) ",
        );
        insert.push_values(group.iter().zip(&digests), |mut row, (waiting, digest)| {
            let body = &waiting.body;
            row.push_bind(body.sequence).push_bind(body.at as i64).push_bind(&body.actor).push_bind(&body.action);
            row.push_bind(&body.subject).push_bind(&body.code).push_bind(&body.detail).push_bind(digest.as_ref());
        });
        // Groups of many sizes make many statements: those of a few records, the common case, are kept prepared.
        insert.build().persistent(group.len() <= KEPT).execute(&self.pool).await?;
        self.head = head;
        Ok(())
    }
}

/// What the digest covers.
#[derive(Default, minicbor::Encode)]
#[cbor(array)]
struct Body {
    #[n(0)]
    sequence: i64,
    #[n(1)]
    at: u64,
    #[n(2)]
    actor: String,
    #[n(3)]
    action: String,
    #[n(4)]
    subject: String,
    #[n(5)]
    code: String,
    #[n(6)]
    detail: String,
}

impl Body {
    fn digest(&self, previous: &Digest) -> Digest {
        hash(Label::AUDIT, &[previous.as_ref(), &wire::to_vec(self)])
    }
}

impl From<&AuditEntry> for Body {
    fn from(entry: &AuditEntry) -> Self {
        let AuditEntry { sequence, at, actor, action, subject, code, detail, digest: _ } = entry.clone();
        Self { sequence, at, actor, action, subject, code, detail }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    sequence: i64,
    at: i64,
    actor: String,
    action: String,
    subject: String,
    code: String,
    detail: String,
    digest: Vec<u8>,
}

impl Row {
    fn entry(self) -> Result<AuditEntry, AuditError> {
        let Self { sequence, at, actor, action, subject, code, detail, digest } = self;
        let digest = to_digest(&digest, sequence)?;
        Ok(AuditEntry { sequence, at: at as u64, actor, action, subject, code, detail, digest })
    }
}

fn to_digest(bytes: &[u8], sequence: i64) -> Result<Digest, AuditError> {
    let bytes: Result<[u8; 32], _> = bytes.try_into();
    bytes.map(Into::into).map_err(|_| AuditError::Broken { sequence })
}

/// At most `most` bytes, cut between characters.
fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

/// Before the first entry.
const GENESIS: Head = Head { sequence: 0, digest: Digest(wire::Fixed([0; 32])) };
/// Records that may wait; further ones wait to be let in.
const QUEUE: usize = 4096;
/// Largest group whose statement is kept prepared.
const KEPT: usize = 8;
/// Records in one statement: 8 parameters each, SQLite takes 32,766.
const GROUP: usize = 1024;
/// Bytes of a page of its file: each record writes one of the index by subjects, most of which come in no order.
const FILE_PAGE: u32 = 1_024;
/// Longest page.
const PAGE: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(path: &Path) -> Audit {
        Audit::open(path, Arc::new(|| 7), Metrics::new()).await.unwrap()
    }

    async fn alter(path: &Path, sql: &'static str) {
        let pool = store::pool(path, 1, FILE_PAGE).await.unwrap();
        sqlx::query(sql).execute(&pool).await.unwrap();
        pool.close().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn records_form_a_chain_across_groups_and_restarts() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.sqlite");
        let audit = open(&path).await;
        assert_eq!(audit.verify().await.unwrap(), GENESIS);
        assert_eq!(audit.record("node", "node.start", "st-anna", "ok", "").await.unwrap(), 1);
        let tasks: Vec<_> = (0..300)
            .map(|index| {
                let audit = audit.clone();
                tokio::spawn(async move {
                    audit.record("key", "object.release", &format!("s{}", index % 3), "ok", "x").await.unwrap()
                })
            })
            .collect();
        let mut sequences = Vec::new();
        for task in tasks {
            sequences.push(task.await.unwrap());
        }
        sequences.sort_unstable();
        assert_eq!(sequences, (2..=301).collect::<Vec<_>>());
        let head = audit.verify().await.unwrap();
        audit.close().await;
        assert!(matches!(audit.record("a", "b", "c", "ok", "").await, Err(AuditError::Unavailable)));

        let audit = open(&path).await;
        assert_eq!(audit.head(), head);
        assert_eq!(audit.record("node", "node.start", "st-anna", "ok", "").await.unwrap(), 302);
        assert_eq!(audit.verify().await.unwrap().sequence, 302);
        let page = audit.page(299, 2).await.unwrap();
        assert_eq!(page.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [300, 301]);
        assert_eq!(page[1].digest, head.digest);
        assert_eq!(audit.page_of("s1", 0, 1000).await.unwrap().len(), 100);
    }

    #[tokio::test]
    async fn an_altered_trail_is_noticed() {
        let cases: [(&str, i64); 5] = [
            ("DELETE FROM audit WHERE sequence = 3", 3),
            ("DELETE FROM audit WHERE sequence = 5", 5),
            ("UPDATE audit SET code = 'not_permitted' WHERE sequence = 2", 2),
            ("UPDATE audit SET digest = zeroblob(32) WHERE sequence = 4", 4),
            ("UPDATE audit SET digest = x'00' WHERE sequence = 1", 1),
        ];
        for (sql, broken) in cases {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("audit.sqlite");
            let audit = open(&path).await;
            for _ in 0..5 {
                audit.record("key", "request.judge", "r", "ok", "").await.unwrap();
            }
            alter(&path, sql).await;
            assert!(
                matches!(audit.verify().await, Err(AuditError::Broken { sequence }) if sequence == broken),
                "{sql}"
            );
        }
    }

    #[tokio::test]
    async fn a_start_tells_whether_the_trail_holds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.sqlite");
        for (sql, intact) in [("UPDATE audit SET at = at", "1"), ("DELETE FROM audit WHERE sequence = 1", "0")] {
            let audit = open(&path).await;
            audit.record("node", "node.start", "st-anna", "ok", "").await.unwrap();
            audit.close().await;
            alter(&path, sql).await;
            let metrics = Metrics::new();
            let audit = Audit::open(&path, Arc::new(|| 7), metrics.clone()).await.unwrap();
            let line = format!("sottovoce_audit_intact {intact}");
            let told = async {
                while !metrics.render().lines().any(|found| found == line) {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(std::time::Duration::from_secs(30), told).await.unwrap();
            audit.close().await;
        }
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_written_fails() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.sqlite");
        let audit = open(&path).await;
        alter(&path, "ALTER TABLE audit RENAME TO elsewhere").await;
        assert!(matches!(audit.record("a", "b", "c", "ok", "").await, Err(AuditError::Unavailable)));
        alter(&path, "ALTER TABLE elsewhere RENAME TO audit").await;
        assert_eq!(audit.record("a", "b", "c", "ok", "").await.unwrap(), 1, "a failed group leaves no gap");
    }

    #[tokio::test]
    async fn a_record_is_cut_to_its_bounds() {
        let directory = tempfile::tempdir().unwrap();
        let audit = open(&directory.path().join("audit.sqlite")).await;
        audit.record(&"ä".repeat(100), "a", "s", "ok", &"x".repeat(5000)).await.unwrap();
        let entry = audit.page(0, 1).await.unwrap().remove(0);
        assert_eq!((entry.actor.len(), entry.detail.len(), entry.at), (128, 1024, 7));
    }

    /// `cargo test --release -p sottovoce-node -- --ignored --nocapture audit_latency` prints it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "a measurement"]
    async fn audit_latency() {
        let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let audit = open(&directory.path().join("audit.sqlite")).await;
        for clients in [1, 8, 32, 128] {
            let started = Instant::now();
            let tasks: Vec<_> = (0..clients)
                .map(|_| {
                    let audit = audit.clone();
                    tokio::spawn(async move {
                        let mut times = Vec::new();
                        for _ in 0..200 {
                            let started = Instant::now();
                            audit.record("key", "object.release", "subject", "ok", "detail").await.unwrap();
                            times.push(started.elapsed());
                        }
                        times
                    })
                })
                .collect();
            let mut times = Vec::new();
            for task in tasks {
                times.extend(task.await.unwrap());
            }
            times.sort_unstable();
            let rate = times.len() as f64 / started.elapsed().as_secs_f64();
            println!(
                "{clients} clients: p50 {:?} p95 {:?}, {rate:.0} records/s",
                times[times.len() / 2],
                times[times.len() * 95 / 100]
            );
        }
    }
}
