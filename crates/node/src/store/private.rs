//! Private payloads as this node has them: what is held and with which salt, what is missing, what was purged and is not on record yet.

use contracts::record::{Cause, Private};
use crypto::{Digest, Secret};
use sqlx::sqlite::SqlitePool;

use super::{Store, StoreError, digest};

/// How this node has a private payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is here, and its transaction on its way to the ledger.
    Draft,
    /// It is here.
    Held,
    /// It should be here.
    Missing,
    /// It was destroyed, and that is not on the ledger yet.
    Purging,
}

impl Standing {
    /// As it is stored, and shown.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Held => "held",
            Self::Missing => "missing",
            Self::Purging => "purging",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Draft, Self::Held, Self::Missing, Self::Purging].into_iter().find(|one| one.name() == name)
    }
}

/// What is known of a private payload before it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its identity.
    pub(crate) id: Digest,
    /// The sender's member.
    pub(crate) sender: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// When it is to be purged, Unix milliseconds.
    pub(crate) purge_after: Option<u64>,
}

impl From<&Private> for Known {
    fn from(private: &Private) -> Self {
        let Private { id, sender, put, .. } = private;
        Self { id: *id, sender: sender.clone(), size: put.size, purge_after: put.purge_after }
    }
}

/// A private payload's row, without its salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) known: Known,
    pub(crate) standing: Standing,
    /// Since when it stands here at all, Unix milliseconds.
    pub(crate) since: u64,
    /// Of one that is purging: why and when, Unix milliseconds.
    pub(crate) purged: Option<(Cause, u64)>,
    /// How often it was tried in vain to fetch it, or to put its purge on record.
    pub(crate) tries: u32,
}

/// How many there are, and how large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Held ones.
    pub(crate) held: u64,
    /// Bytes of them.
    pub(crate) bytes: u64,
    /// Missing ones.
    pub(crate) missing: u64,
    /// Since when the oldest is missing, Unix milliseconds; 0 where none is.
    pub(crate) missing_since: u64,
    /// Purged ones that are not on record.
    pub(crate) purging: u64,
    /// The next date at which one is to be purged, Unix milliseconds.
    pub(crate) next_date: Option<u64>,
}

type Columns = (Vec<u8>, String, i64, String, i64, Option<i64>, Option<i64>, Option<i64>, i64);

impl Store {
    /// How this node has a private payload; none where it knows nothing of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn private(&self, id: &Digest) -> Result<Option<Row>, StoreError> {
        let rows = rows(&self.writer, "id = ?1", &[Value::Bytes(id.as_ref())]).await?;
        Ok(rows.into_iter().next())
    }

    /// Some that stand so, those first that were not tried for longest and are due at `now`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn privates(&self, standing: Standing, now: u64) -> Result<Vec<Row>, StoreError> {
        let wanted = "standing = ?1 AND next <= ?2 ORDER BY next LIMIT 64";
        rows(&self.readers, wanted, &[Value::Text(standing.name()), Value::Number(now)]).await
    }

    /// Missing ones that are due to be asked for at `now`: at most four of one sender, 16 in all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn missing_privates(&self, now: u64) -> Result<Vec<Row>, StoreError> {
        let wanted = "id IN (SELECT id FROM (SELECT id, next, row_number() OVER (PARTITION BY sender ORDER BY next, id) AS place \
                      FROM private WHERE standing = 'missing' AND next <= ?1) WHERE place <= 4 ORDER BY place, next LIMIT 16)";
        rows(&self.readers, wanted, &[Value::Number(now)]).await
    }

    /// Some whose date is not after `time`, and that are not purged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn dated_privates(&self, time: u64) -> Result<Vec<Row>, StoreError> {
        let wanted = "standing IN ('held', 'missing') AND purge_after <= ?1 LIMIT 64";
        rows(&self.readers, wanted, &[Value::Number(time)]).await
    }

    /// The bytes that are held of a sender, and in all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn private_room(&self, sender: &str) -> Result<(u64, u64), StoreError> {
        let (own, all): (i64, i64) = sqlx::query_as(
            "SELECT coalesce(sum(CASE WHEN sender = ? THEN size END), 0), coalesce(sum(size), 0) FROM private \
             WHERE standing IN ('draft', 'held')",
        )
        .bind(sender)
        .fetch_one(&self.writer)
        .await?;
        Ok((own as u64, all as u64))
    }

    /// What the key of a payload that is here derives from.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn private_salt(&self, id: &Digest) -> Result<Option<Secret<[u8; 32]>>, StoreError> {
        let row: Option<(Vec<u8>,)> =
            sqlx::query_as("SELECT salt FROM private WHERE id = ? AND standing IN ('draft', 'held')")
                .bind(id.as_ref())
                .fetch_optional(&self.writer)
                .await?;
        let corrupt = |_| StoreError::Corrupt { table: "private", key: id.to_string() };
        row.map(|(salt,)| salt.try_into().map(Secret::new).map_err(corrupt)).transpose()
    }

    /// That a payload is here, under a key from this salt, as a draft or for good. False where it was before, or has been purged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn keep_private(
        &self,
        known: &Known,
        salt: &Secret<[u8; 32]>,
        draft: bool,
        now: u64,
    ) -> Result<bool, StoreError> {
        let standing = if draft { Standing::Draft } else { Standing::Held };
        // It rests beside the node's own secret, without which it opens nothing.
        let salt = salt.expose(|salt| salt.to_vec());
        let kept = sqlx::query(
            "INSERT INTO private (id, sender, size, standing, salt, since, purge_after) VALUES (?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (id) DO UPDATE SET standing = excluded.standing, salt = excluded.salt, since = excluded.since, tries = 0, next = 0 \
             WHERE standing = 'missing'",
        )
        .bind(known.id.as_ref())
        .bind(&known.sender)
        .bind(known.size as i64)
        .bind(standing.name())
        .bind(salt)
        .bind(now as i64)
        .bind(known.purge_after.map(|date| date as i64))
        .execute(&self.writer)
        .await?;
        Ok(kept.rows_affected() > 0)
    }

    /// A draft's transaction is on the ledger.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn settle_private(&self, id: &Digest) -> Result<(), StoreError> {
        sqlx::query("UPDATE private SET standing = 'held' WHERE id = ? AND standing = 'draft'")
            .bind(id.as_ref())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// That one should be here, unless something is known of it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn miss_private(&self, known: &Known, now: u64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO private (id, sender, size, standing, salt, since, purge_after) VALUES (?, ?, ?, 'missing', x'', ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(known.id.as_ref())
        .bind(&known.sender)
        .bind(known.size as i64)
        .bind(now as i64)
        .bind(known.purge_after.map(|date| date as i64))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// One was tried in vain: it is tried again at `next`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn retry_private(&self, id: &Digest, next: u64) -> Result<(), StoreError> {
        sqlx::query("UPDATE private SET tries = min(tries + 1, 1000000), next = ? WHERE id = ?")
            .bind(next as i64)
            .bind(id.as_ref())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// All are tried again at once.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn retry_privates(&self) -> Result<(), StoreError> {
        sqlx::query("UPDATE private SET tries = 0, next = 0 WHERE next > 0").execute(&self.writer).await?;
        Ok(())
    }

    /// Destroys what a payload's key derives from, and keeps why and when until that is on record. False where that was done before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn purge_private(&self, known: &Known, (cause, at): (Cause, u64)) -> Result<bool, StoreError> {
        let purged = sqlx::query(
            "INSERT INTO private (id, sender, size, standing, salt, since, purge_after, cause, at) \
             VALUES (?1, ?2, ?3, 'purging', x'', ?4, ?5, ?6, ?4) \
             ON CONFLICT (id) DO UPDATE SET standing = 'purging', salt = x'', cause = excluded.cause, at = excluded.at, tries = 0, next = 0 \
             WHERE standing <> 'purging'",
        )
        .bind(known.id.as_ref())
        .bind(&known.sender)
        .bind(known.size as i64)
        .bind(at as i64)
        .bind(known.purge_after.map(|date| date as i64))
        .bind(cause as i64)
        .execute(&self.writer)
        .await?;
        self.settle().await?;
        Ok(purged.rows_affected() > 0)
    }

    /// The time of a purge that is to be put on record, where the ledger does not take the one that was kept.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn redate_private(&self, id: &Digest, at: u64) -> Result<(), StoreError> {
        sqlx::query("UPDATE private SET at = ? WHERE id = ? AND standing = 'purging'")
            .bind(at as i64)
            .bind(id.as_ref())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Forgets all of a payload; nothing of the row is left in the file.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn forget_private(&self, id: &Digest) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM private WHERE id = ?").bind(id.as_ref()).execute(&self.writer).await?;
        self.settle().await
    }

    /// How many there are.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(crate) async fn count_privates(&self) -> Result<Counts, StoreError> {
        let (held, bytes, missing, since, purging, date): (i64, i64, i64, i64, i64, Option<i64>) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE standing IN ('draft', 'held')), \
             coalesce(sum(size) FILTER (WHERE standing IN ('draft', 'held')), 0), \
             count(*) FILTER (WHERE standing = 'missing'), coalesce(min(since) FILTER (WHERE standing = 'missing'), 0), \
             count(*) FILTER (WHERE standing = 'purging'), \
             min(purge_after) FILTER (WHERE standing IN ('held', 'missing')) FROM private",
        )
        .fetch_one(&self.readers)
        .await?;
        let [held, bytes, missing, missing_since, purging] = [held, bytes, missing, since, purging].map(|n| n as u64);
        Ok(Counts { held, bytes, missing, missing_since, purging, next_date: date.map(|date| date as u64) })
    }
}

/// In a copy, nothing is held: no key of it derives from anything there, and drafts are not begun.
pub(super) async fn strip(copy: &SqlitePool) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM private WHERE standing = 'draft'").execute(copy).await?;
    sqlx::query("UPDATE private SET standing = 'missing', salt = x'', tries = 0, next = 0 WHERE standing = 'held'")
        .execute(copy)
        .await?;
    Ok(())
}

/// What is bound to a condition.
enum Value<'a> {
    Bytes(&'a [u8]),
    Text(&'a str),
    Number(u64),
}

async fn rows(pool: &SqlitePool, wanted: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
    let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new(
        "SELECT id, sender, size, standing, since, purge_after, cause, at, tries FROM private WHERE ",
    );
    query.push(wanted);
    let mut query = query.build_query_as::<Columns>();
    for value in values {
        query = match value {
            Value::Bytes(bytes) => query.bind(*bytes),
            Value::Text(text) => query.bind(*text),
            Value::Number(number) => query.bind(i64::try_from(*number).unwrap_or(i64::MAX)),
        };
    }
    query.fetch_all(pool).await?.into_iter().map(row).collect()
}

fn row(columns: Columns) -> Result<Row, StoreError> {
    let (id, sender, size, standing, since, purge_after, cause, at, tries) = columns;
    let id = digest(&id, "private")?;
    let corrupt = || StoreError::Corrupt { table: "private", key: id.to_string() };
    let standing = Standing::from_name(&standing).ok_or_else(corrupt)?;
    let cause = match cause {
        None => None,
        Some(0) => Some(Cause::Sender),
        Some(1) => Some(Cause::Date),
        Some(2) => Some(Cause::Member),
        Some(_) => return Err(corrupt()),
    };
    let purged = cause.zip(at.map(|at| at as u64));
    if (standing == Standing::Purging) != purged.is_some() {
        return Err(corrupt());
    }
    let known = Known { id, sender, size: size as u64, purge_after: purge_after.map(|date| date as u64) };
    Ok(Row { known, standing, since: since as u64, purged, tries: u32::try_from(tries).unwrap_or(u32::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(byte: u8, sender: &str) -> Known {
        Known { id: Digest::from([byte; 32]), sender: sender.into(), size: 100, purge_after: Some(5_000) }
    }

    #[tokio::test]
    async fn what_is_purged_stays_purged_and_its_salt_is_in_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("node.sqlite")).await.unwrap();
        let one = known(1, "st-anna");
        let salt = || Secret::new([0xa7; 32]);
        store.miss_private(&one, 10).await.unwrap();
        assert_eq!(store.private(&one.id).await.unwrap().unwrap().standing, Standing::Missing);
        assert!(store.private_salt(&one.id).await.unwrap().is_none());
        assert!(store.keep_private(&one, &salt(), false, 20).await.unwrap());
        assert!(!store.keep_private(&one, &Secret::new([1; 32]), false, 20).await.unwrap(), "the first one stays");
        store.miss_private(&one, 30).await.unwrap();
        assert!(store.private_salt(&one.id).await.unwrap().unwrap().expose(|salt| *salt == [0xa7; 32]));
        assert_eq!(store.private_room("st-anna").await.unwrap(), (100, 100));
        assert_eq!(store.private_room("riverside").await.unwrap(), (0, 100));
        assert_eq!(store.dated_privates(4_999).await.unwrap(), []);
        assert_eq!(store.dated_privates(5_000).await.unwrap().len(), 1);

        let copied = directory.path().join("copy");
        std::fs::create_dir(&copied).unwrap();
        store.copy(&copied.join("node.sqlite")).await.unwrap();
        let found = |directory: &std::path::Path| {
            std::fs::read_dir(directory)
                .unwrap()
                .flatten()
                .filter(|entry| entry.path().is_file())
                .any(|file| std::fs::read(file.path()).unwrap().windows(32).any(|window| window == [0xa7; 32]))
        };
        assert!(found(directory.path()) && !found(&copied), "a backup has no salt");
        let copy = Store::open(&copied.join("node.sqlite")).await.unwrap();
        assert_eq!(copy.private(&one.id).await.unwrap().unwrap().standing, Standing::Missing);
        copy.close().await;

        assert!(store.purge_private(&one, (Cause::Date, 40)).await.unwrap());
        assert!(!store.purge_private(&one, (Cause::Member, 50)).await.unwrap());
        assert!(!found(directory.path()));
        let row = store.private(&one.id).await.unwrap().unwrap();
        assert_eq!((row.standing, row.purged), (Standing::Purging, Some((Cause::Date, 40))));
        assert!(!store.keep_private(&one, &salt(), false, 60).await.unwrap(), "it does not come back");
        assert!(store.private_salt(&one.id).await.unwrap().is_none());
        assert_eq!(store.count_privates().await.unwrap(), Counts { purging: 1, ..Counts::default() });
        store.forget_private(&one.id).await.unwrap();
        assert_eq!(store.private(&one.id).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_round_is_fair_to_senders_and_waits_between_tries() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("node.sqlite")).await.unwrap();
        for byte in 0..40 {
            store.miss_private(&known(byte, "flooder"), 0).await.unwrap();
        }
        store.miss_private(&known(200, "st-anna"), 0).await.unwrap();
        let senders = |rows: &[Row]| {
            let of = |name: &str| rows.iter().filter(|row| row.known.sender == name).count();
            (of("flooder"), of("st-anna"))
        };
        let due = store.missing_privates(1).await.unwrap();
        assert_eq!(senders(&due), (4, 1));
        for row in &due {
            store.retry_private(&row.known.id, 1_000).await.unwrap();
        }
        let next = store.missing_privates(1).await.unwrap();
        assert_eq!(senders(&next), (4, 0));
        assert!(next.iter().all(|row| !due.contains(row)));
        store.retry_privates().await.unwrap();
        assert_eq!(senders(&store.missing_privates(1).await.unwrap()), (4, 1));
        let counts = store.count_privates().await.unwrap();
        assert_eq!((counts.missing, counts.held, counts.next_date), (41, 0, Some(5_000)));
    }

    #[tokio::test]
    async fn a_draft_is_here_and_settles() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("node.sqlite")).await.unwrap();
        let one = known(3, "st-anna");
        assert!(store.keep_private(&one, &Secret::new([9; 32]), true, 5).await.unwrap());
        assert_eq!(store.privates(Standing::Draft, 5).await.unwrap().len(), 1);
        assert_eq!(store.dated_privates(u64::MAX).await.unwrap(), [], "not before it is on the ledger");
        store.settle_private(&one.id).await.unwrap();
        assert_eq!(store.private(&one.id).await.unwrap().unwrap().standing, Standing::Held);
    }
}
