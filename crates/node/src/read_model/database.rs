//! The read model's database: SQLite in a file or PostgreSQL by URL, with the same statements for both.
//!
//! Statements are made of constants and places (`?`); whatever comes from the ledger or from a caller is bound.

use std::path::Path;
use std::time::{Duration, Instant};

use crypto::Digest;
use sqlx::postgres::{PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Encode, Postgres, Row as _, Sqlite, Type};

use super::fold::{Batch, Table};
use super::{Position, ReadModelError};
use crate::config::{self, ReadModel};

/// A database, and who writes and who reads it.
#[derive(Clone)]
pub(super) enum Database {
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    Postgres { writer: PgPool, readers: PgPool },
}

/// A value to bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(Option<i64>),
    Text(Option<String>),
}

impl Value {
    /// A number of the ledger; none of them comes near the bound.
    pub(super) fn number(number: u64) -> Self {
        Self::Number(Some(signed(number)))
    }

    /// A text, as both databases take it: without U+0000, and cut after [`MAX_TEXT`] bytes.
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Some(clip(text)))
    }
}

/// A statement and what is bound in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Statement {
    text: String,
    values: Vec<Value>,
}

impl Statement {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Adds constant text, without question marks.
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        debug_assert!(!text.contains(PLACE));
        self.text.push_str(text);
        self
    }

    /// Adds the next place and binds a value to it.
    pub(super) fn bind(&mut self, value: Value) -> &mut Self {
        self.values.push(value);
        self.text.push(PLACE);
        self
    }

    /// As PostgreSQL wants it, which numbers the places; to SQLite a number is a name, which it looks for from the first on.
    fn numbered(mut self) -> Self {
        let mut parts = self.text.split(PLACE);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for (part, number) in parts.zip(1..) {
            text.push_str(&format!("${number}{part}"));
        }
        self.text = text;
        self
    }

    fn query<DB>(self) -> Query<'static, DB, DB::Arguments>
    where
        DB: sqlx::Database,
        Option<i64>: Encode<'static, DB> + Type<DB>,
        Option<String>: Encode<'static, DB> + Type<DB>,
    {
        // Constants of this module and its neighbours, and places.
        let query = sqlx::query(AssertSqlSafe(self.text));
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind(number),
            Value::Text(text) => query.bind(text),
        })
    }
}

/// A row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(super) fn number(&self, column: usize) -> Result<i64, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    pub(super) fn text(&self, column: usize) -> Result<String, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    pub(super) fn optional_number(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    pub(super) fn optional_text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }

    /// A number that was written as one without a sign.
    pub(super) fn count(&self, column: usize) -> Result<u64, sqlx::Error> {
        Ok(self.number(column)?.try_into().unwrap_or(0))
    }
}

/// A transaction of the database; without [`Work::commit`] nothing of it happens.
pub(super) enum Work {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Work {
    /// Runs a statement; how many rows it changed.
    pub(super) async fn execute(&mut self, statement: Statement) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(work) => statement.query::<Sqlite>().execute(&mut **work).await?.rows_affected(),
            Self::Postgres(work) => {
                statement.numbered().query::<Postgres>().execute(&mut **work).await?.rows_affected()
            }
        })
    }

    /// Runs a question; all its rows: the statement bounds them.
    pub(super) async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(work) => {
                statement.query::<Sqlite>().fetch_all(&mut **work).await?.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(work) => statement
                .numbered()
                .query::<Postgres>()
                .fetch_all(&mut **work)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
        })
    }

    /// The first row of an answer.
    pub(super) async fn row(&mut self, statement: Statement) -> Result<Option<Row>, sqlx::Error> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    async fn script(&mut self, script: String) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(work) => sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut **work).await.map(drop),
            Self::Postgres(work) => sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut **work).await.map(drop),
        }
    }

    /// Writes what a batch adds and changes.
    async fn write(&mut self, batch: Batch) -> Result<(), ReadModelError> {
        let (tables, changes) = batch.into_parts();
        for table in tables {
            self.insert(table).await?;
        }
        for ((kind, id), change) in changes {
            let mut update = Statement::new("UPDATE objects SET status = COALESCE(");
            update.bind(Value::Text(change.status)).push(", status), code = COALESCE(");
            update.bind(Value::Text(change.code)).push(", code), version = COALESCE(");
            update.bind(Value::Number(change.version)).push(", version), changed = ");
            update.bind(Value::Number(change.changed)).push(", changed_at = ");
            update.bind(Value::Number(change.changed_at)).push(" WHERE kind = ");
            update.bind(Value::text(kind.name())).push(" AND id = ").bind(Value::text(&id));
            if self.execute(update).await? != 1 {
                return Err(ReadModelError::Damaged("an object that is not there"));
            }
        }
        Ok(())
    }

    /// Writes the one row that says how far the model is.
    async fn head(&mut self, format: i64, chain: &Digest, at: &Position) -> Result<(), sqlx::Error> {
        let mut head = Statement::new("INSERT INTO read_model (one, format, chain, height, block, size) VALUES (1, ");
        head.bind(Value::Number(Some(format))).push(", ").bind(Value::text(&chain.to_string())).push(", ");
        head.bind(Value::number(at.height)).push(", ").bind(Value::text(&at.block.to_string())).push(", ");
        head.bind(Value::number(at.size)).push(")");
        self.execute(head).await.map(drop)
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(work) => work.commit().await,
            Self::Postgres(work) => work.commit().await,
        }
    }

    /// Writes a table's rows, many with one statement; few different statements, so that they are kept prepared.
    async fn insert(&mut self, table: Table) -> Result<(), sqlx::Error> {
        let width = table.columns.len();
        let mut values = table.values.into_iter();
        for rows in CHUNKS {
            while values.len() >= rows * width {
                let mut insert = Statement::new("INSERT INTO ");
                insert.push(table.name).push(" (").push(&table.columns.join(", ")).push(") VALUES ");
                for (at, value) in values.by_ref().take(rows * width).enumerate() {
                    insert.push(match at {
                        0 => "(",
                        at if at % width == 0 => "), (",
                        _ => ", ",
                    });
                    insert.bind(value);
                }
                insert.push(")");
                self.execute(insert).await?;
            }
        }
        Ok(())
    }
}

/// A model that is being filled from the state: nobody sees any of it before the end.
pub(super) struct Fill {
    work: Work,
}

impl Fill {
    /// Writes some of it.
    pub(super) async fn add(&mut self, batch: Batch) -> Result<(), ReadModelError> {
        // Whom the state knows, and whose joining is among the blocks as well: that says more.
        for member in batch.members() {
            let mut remove = Statement::new("DELETE FROM objects WHERE kind = 'member' AND id = ");
            remove.bind(Value::text(member));
            self.work.execute(remove).await?;
        }
        self.work.write(batch).await
    }

    /// All is written: the model is of this ledger, and there.
    pub(super) async fn end(mut self, chain: &Digest, at: &Position) -> Result<(), ReadModelError> {
        self.work.head(FILLED, chain, at).await?;
        Ok(self.work.commit().await?)
    }
}

impl Database {
    /// Opens the database that a configuration names; none where there is to be no read model.
    pub(super) async fn open(place: &ReadModel, directory: &Path) -> Result<Option<Self>, ReadModelError> {
        match &place.database {
            config::Database::None => Ok(None),
            config::Database::Sqlite => {
                let path = directory.join(FILE);
                let (writer, readers) = (sqlite(&path, 1).await?, sqlite(&path, READERS).await?);
                Ok(Some(Self::Sqlite { writer, readers }))
            }
            config::Database::Postgres(url) => {
                let mut options = url.options().map_err(ReadModelError::Url)?.disable_statement_logging();
                if let Some(path) = &place.password_file {
                    options = options.password(&password(path)?);
                }
                if options.get_application_name().is_none() {
                    options = options.application_name("sotto");
                }
                let writer = postgres().max_connections(1).connect_with(options.clone()).await?;
                let limit = SEARCH.as_millis().to_string();
                let options = options.options([("statement_timeout", limit)]);
                let readers = postgres().max_connections(READERS).connect_with(options).await?;
                Ok(Some(Self::Postgres { writer, readers }))
            }
        }
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
        }
    }

    /// Begins a transaction that writes.
    pub(super) async fn write(&self) -> Result<Work, sqlx::Error> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Work::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres { writer, .. } => Work::Postgres(writer.begin().await?),
        })
    }

    /// Begins a transaction that reads: all its answers are as of one moment, and none takes longer than [`SEARCH`].
    pub(super) async fn read(&self) -> Result<Work, sqlx::Error> {
        Ok(match self {
            Self::Sqlite { readers, .. } => {
                let mut work = readers.begin().await?;
                let until = Instant::now() + SEARCH;
                work.lock_handle().await?.set_progress_handler(STEPS, move || Instant::now() < until);
                Work::Sqlite(work)
            }
            Self::Postgres { readers, .. } => {
                Work::Postgres(readers.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
            }
        })
    }

    /// How far the model is; none where there are no tables yet. `chain` is the ledger's.
    ///
    /// # Errors
    /// [`ReadModelError::Format`], [`ReadModelError::Chain`]: only a rebuilding helps.
    pub(super) async fn position(&self, chain: &Digest) -> Result<Option<Position>, ReadModelError> {
        let mut work = self.write().await?;
        work.script(self.dialect(HEAD)).await?;
        let head = work.row(Statement::new("SELECT format, chain, height, block, size FROM read_model")).await?;
        work.commit().await?;
        let Some(head) = head else { return Ok(None) };
        let format = head.number(0)?;
        if ![FORMAT, FILLED].contains(&format) {
            return Err(ReadModelError::Format { found: format, expected: FORMAT });
        }
        let found = head.text(1)?;
        if found != chain.to_string() {
            return Err(ReadModelError::Chain { found });
        }
        let block = head.text(3)?.parse().map_err(|_| ReadModelError::Damaged("its newest block's digest"))?;
        Ok(Some(Position { height: head.count(2)?, block, size: head.count(4)? }))
    }

    /// Makes the tables, with what the genesis says.
    pub(super) async fn found(&self, chain: &Digest, batch: Batch) -> Result<(), ReadModelError> {
        let mut work = self.write().await?;
        work.script(self.dialect(TABLES)).await?;
        work.head(FORMAT, chain, &batch.to).await?;
        work.write(batch).await?;
        Ok(work.commit().await?)
    }

    /// Writes a batch together with how far the model is then: all of it, once, or nothing.
    ///
    /// # Errors
    /// [`ReadModelError::Moved`] where the model is not where the batch begins: somebody else writes to it.
    pub(super) async fn apply(&self, batch: Batch) -> Result<(), ReadModelError> {
        let (from, to) = (batch.from, batch.to);
        let mut work = self.write().await?;
        // First: of two that write, one waits here, and then finds that it is too late.
        let mut head = Statement::new("UPDATE read_model SET height = ");
        head.bind(Value::number(to.height)).push(", block = ").bind(Value::text(&to.block.to_string()));
        head.push(", size = ").bind(Value::number(to.size)).push(" WHERE one = 1 AND height = ");
        head.bind(Value::number(from.height)).push(" AND block = ").bind(Value::text(&from.block.to_string()));
        if work.execute(head).await? != 1 {
            return Err(ReadModelError::Moved);
        }
        work.write(batch).await?;
        Ok(work.commit().await?)
    }

    /// Begins to fill a model from the state, in place of the one that is there: all of it, at once, with [`Fill::end`].
    pub(super) async fn fill(&self) -> Result<Fill, ReadModelError> {
        let mut work = self.write().await?;
        for table in ALL {
            work.execute(Statement::new(&format!("DROP TABLE IF EXISTS {table}"))).await?;
        }
        work.script(self.dialect(HEAD)).await?;
        work.script(self.dialect(TABLES)).await?;
        Ok(Fill { work })
    }

    /// Drops all tables of the read model, of whatever format.
    pub(super) async fn drop_all(&self) -> Result<(), ReadModelError> {
        let mut work = self.write().await?;
        for table in ALL {
            work.execute(Statement::new(&format!("DROP TABLE IF EXISTS {table}"))).await?;
        }
        work.commit().await?;
        if let Self::Sqlite { writer, .. } = self {
            sqlx::query("VACUUM").execute(writer).await?;
        }
        Ok(())
    }

    /// Tables in this database's words. Texts compare by their bytes in both.
    fn dialect(&self, script: &str) -> String {
        match self {
            // Then a primary key of one number is the row's own.
            Self::Sqlite { .. } => script.replace("BIGINT", "INTEGER"),
            Self::Postgres { .. } => script.replace("TEXT", "TEXT COLLATE \"C\""),
        }
    }
}

/// Removes a SQLite model with its file, so that a damaged one is gone too.
pub(super) fn remove(directory: &Path) -> std::io::Result<()> {
    for ending in ["", "-wal", "-shm"] {
        match std::fs::remove_file(directory.join(format!("{FILE}{ending}"))) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn sqlite(path: &Path, connections: u32) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A crash may lose the last commits, and the height with them: they are made again from the ledger.
        .synchronous(SqliteSynchronous::Normal)
        .pragma("trusted_schema", "OFF")
        .pragma("wal_autocheckpoint", "4096")
        .pragma("journal_size_limit", "67108864")
        .busy_timeout(PATIENCE)
        .disable_statement_logging();
    SqlitePoolOptions::new()
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
}

fn postgres() -> PgPoolOptions {
    PgPoolOptions::new().min_connections(0).acquire_timeout(PATIENCE)
}

/// A password from its file, without the line's end.
fn password(path: &Path) -> Result<String, ReadModelError> {
    let refuse = |source| ReadModelError::Password { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(refuse)?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() || text.len() > MAX_PASSWORD {
        return Err(refuse(std::io::Error::other("it is empty, or longer than 1024 bytes")));
    }
    Ok(text.to_owned())
}

/// A number as the databases hold it.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn clip(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "\u{fffd}")
}

/// The one table whose form no format changes: it tells the format.
const HEAD: &str = "CREATE TABLE IF NOT EXISTS read_model (one BIGINT PRIMARY KEY, format BIGINT NOT NULL, \
    chain TEXT NOT NULL, height BIGINT NOT NULL, block TEXT NOT NULL, size BIGINT NOT NULL)";
const TABLES: &str = include_str!("../../migrations/read_model/tables.sql");
const ALL: [&str; 7] = ["read_model", "object_links", "objects", "event_members", "events", "transactions", "blocks"];
/// The format of the tables.
const FORMAT: i64 = 1;
/// That of tables which were filled from a state: the same, with nothing where the state does not say something.
const FILLED: i64 = 2;
/// Where a value is bound.
const PLACE: char = '?';
/// The SQLite file in the node's directory.
const FILE: &str = "read-model.sqlite";
/// Rows of one statement: of at most 12 columns each; SQLite takes 32,766 values, PostgreSQL 65,535.
const CHUNKS: [usize; 4] = [128, 16, 4, 1];
/// Searches at a time; others wait.
const READERS: u32 = 2;
/// How long one may take.
pub(super) const SEARCH: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 10_000;
/// How long a connection, or its turn, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest text that is kept whole, bytes: what PostgreSQL can index is 2,704.
pub(super) const MAX_TEXT: usize = 1024;
/// Longest password, bytes.
const MAX_PASSWORD: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_what_both_databases_take() {
        assert_eq!(clip("a\0b"), "a\u{fffd}b");
        let long = "ü".repeat(600);
        assert_eq!(clip(&long), "ü".repeat(512));
        assert_eq!(clip(&format!("x{long}")).len(), 1023);
        assert_eq!(signed(u64::MAX), i64::MAX);
    }
}
