//! What is found: searches as statements over the tables, page by page.

use client::api::{Found, FoundEvent, FoundObject, FoundTransaction, LedgerEvent};
use client::search::{Events, ObjectKind, Objects, Order, Transactions};
use contracts::code;
use contracts::record::Notice;

use super::cursor::{Cursor, fingerprint};
use super::database::{Database, MAX_TEXT, Row, Statement, Value, Work, signed};
use super::{ReadModelError, fold};
use crate::problem::ApiError;

impl Database {
    /// A page of transactions.
    ///
    /// # Errors
    /// `malformed` for a search that is none, `busy` for one that takes too long.
    pub(super) async fn transactions(&self, which: &Transactions) -> Result<Found<FoundTransaction>, ApiError> {
        let of = fingerprint("transactions", which);
        let (order, limit) = (which.order.unwrap_or_default(), limit(which.limit));
        let after = which.after.as_deref().map(|after| Cursor::parse(after, of)).transpose()?;
        let mut find = Find::new(
            "SELECT t.place, t.id, t.height, t.at, t.sender, t.contract, t.method, t.code FROM transactions t",
        );
        if let Some(id) = &which.id {
            find.begins("t.id", hexadecimal(id)?)?;
        }
        find.equals("t.sender", which.sender.map(|sender| sender.to_string()).as_deref())?;
        find.equals("t.contract", which.contract.as_deref())?;
        find.equals("t.method", which.method.as_deref())?;
        match which.code.as_deref() {
            None => {}
            Some("refused") => find.condition("t.code <> 'ok'"),
            Some(ledger::OK) => find.condition("t.code = 'ok'"),
            code => {
                // Said twice, so that the index of the refused is used.
                find.condition("t.code <> 'ok'");
                find.equals("t.code", code)?;
            }
        }
        if let Some(after) = after {
            find.beyond("t.place", order, [Value::Number(Some(after.place()))]);
        }
        let span = Span::of([which.from_height, which.to_height, which.since, which.until]);
        let (rows, extent) = find.run(self, "t.place", &["t.place"], span, order, limit).await?;
        page(rows, extent, limit, |row| {
            let found = FoundTransaction {
                index: row.count(0)?,
                id: parsed(row, 1)?,
                height: row.count(2)?,
                at: row.count(3)?,
                sender: parsed(row, 4)?,
                contract: row.text(5)?,
                method: row.text(6)?,
                code: row.text(7)?,
            };
            let cursor = Cursor::new(of, row.number(0)?, 0, String::new(), String::new());
            Ok((found, cursor))
        })
    }

    /// A page of events; errors as [`Database::transactions`].
    pub(super) async fn events(&self, which: &Events) -> Result<Found<FoundEvent>, ApiError> {
        let of = fingerprint("events", which);
        let (order, limit) = (which.order.unwrap_or_default(), limit(which.limit));
        let after = which.after.as_deref().map(|after| Cursor::parse(after, of)).transpose()?;
        let columns =
            "SELECT e.place, e.ordinal, e.height, e.at, e.name, e.subject, e.request, e.detail, e.members, t.id FROM ";
        let key = if which.member.is_some() { ["m.place", "m.ordinal"] } else { ["e.place", "e.ordinal"] };
        let mut find = Find::new(columns);
        find.statement.push(match &which.member {
            Some(_) => "event_members m JOIN events e ON e.place = m.place AND e.ordinal = m.ordinal",
            None => "events e",
        });
        find.statement.push(" JOIN transactions t ON t.place = e.place");
        find.equals("m.member", which.member.as_deref())?;
        match which.name.as_deref() {
            Some(name) if name.contains('.') => find.equals("e.name", Some(name))?,
            Some(word) => {
                let [least, beyond] = [format!("{word}."), format!("{word}/")];
                find.condition("(e.name = ");
                find.statement.bind(text(word)?).push(" OR (e.name >= ").bind(text(&least)?).push(" AND e.name < ");
                find.statement.bind(text(&beyond)?).push("))");
            }
            None => {}
        }
        find.equals("e.subject", which.subject.as_deref())?;
        find.equals("e.request", which.request.map(|request| request.to_string()).as_deref())?;
        if let Some(after) = after {
            let place = Value::Number(Some(after.place()));
            find.beyond(&format!("({}, {})", key[0], key[1]), order, [place, Value::number(after.ordinal.into())]);
        }
        let span = Span::of([which.from_height, which.to_height, which.since, which.until]);
        let (rows, extent) = find.run(self, key[0], &key, span, order, limit).await?;
        page(rows, extent, limit, |row| {
            let (place, ordinal) = (row.number(0)?, row.count(1)?);
            let members = serde_json::from_str(&row.text(8)?).map_err(|error| sqlx::Error::Decode(error.into()))?;
            let request = row.optional_text(6)?.map(|text| text.parse()).transpose();
            let notice = Notice {
                at: row.count(3)?,
                subject: row.text(5)?,
                members,
                request: request.map_err(|_| sqlx::Error::Decode("a request's identity".into()))?,
                detail: row.text(7)?,
            };
            let found = LedgerEvent {
                id: format!("{place}.{ordinal}"),
                height: row.count(2)?,
                transaction: parsed(row, 9)?,
                name: row.text(4)?,
                notice,
            };
            let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
            Ok((found, Cursor::new(of, place, ordinal, String::new(), String::new())))
        })
    }

    /// A page of members, assets, contracts and requests; errors as [`Database::transactions`].
    pub(super) async fn objects(&self, which: &Objects) -> Result<Found<FoundObject>, ApiError> {
        let of = fingerprint("objects", which);
        let (order, limit) = (which.order.unwrap_or_default(), limit(which.limit));
        let after = which.after.as_deref().map(|after| Cursor::parse(after, of)).transpose()?;
        let columns = "SELECT o.kind, o.id, o.name, o.owner, o.maker, o.status, o.code, o.version, o.made, o.made_at, o.changed, \
                       o.changed_at FROM ";
        let mut find = Find::new(columns);
        let under = which.under.map(|under| under.to_string());
        let member = which.member.as_deref();
        // A member is found among its own links, but stands in none.
        let by = under.as_deref().or(member);
        let key = if by.is_some() { ["l.made", "l.kind", "l.id"] } else { ["o.made", "o.kind", "o.id"] };
        find.statement.push(match by {
            Some(_) => "object_links l JOIN objects o ON o.kind = l.kind AND o.id = l.id",
            None => "objects o",
        });
        find.equals("l.target", by)?;
        if let (Some(_), Some(member)) = (&under, member) {
            find.condition("EXISTS (SELECT 1 FROM object_links m WHERE m.kind = o.kind AND m.id = o.id AND m.made = o.made AND m.target = ");
            find.statement.bind(text(member)?).push(")");
        }
        find.equals("o.kind", which.kind.map(ObjectKind::name))?;
        find.equals("o.status", which.status.as_deref())?;
        find.equals("o.code", which.code.as_deref())?;
        if let Some(name) = &which.name {
            find.begins("o.name", name)?;
        }
        if let Some(id) = &which.id {
            find.begins("o.id", id)?;
        }
        find.equals("o.maker", which.maker.map(|maker| maker.to_string()).as_deref())?;
        if let Some(after) = after {
            let place = Value::Number(Some(after.place()));
            let values = [place, Value::Text(Some(after.kind)), Value::Text(Some(after.id))];
            find.beyond(&format!("({})", key.join(", ")), order, values);
        }
        let span = Span::of([which.from_height, which.to_height, which.since, which.until]);
        let span = Span { of_objects: true, ..span };
        let (rows, extent) = find.run(self, key[0], &key, span, order, limit).await?;
        page(rows, extent, limit, |row| {
            let (kind, id, made) = (row.text(0)?, row.text(1)?, row.number(8)?);
            let known = ObjectKind::ALL.into_iter().find(|known| known.name() == kind);
            // The founder, and what was made before the model begins, have none.
            let index = |place: Option<i64>| place.and_then(|place| u64::try_from(place).ok());
            let found = FoundObject {
                kind: known.ok_or_else(|| sqlx::Error::Decode("an object's kind".into()))?,
                id: id.clone(),
                name: row.optional_text(2)?,
                owner: row.optional_text(3)?,
                maker: row.optional_text(4)?.map(|text| parse(&text)).transpose()?,
                status: row.text(5)?,
                code: row.optional_text(6)?,
                version: row.optional_number(7)?.and_then(|version| version.try_into().ok()),
                made_index: index(Some(made)),
                made_at: row.count(9)?,
                changed_index: index(row.optional_number(10)?),
                changed_at: row.optional_number(11)?.map(|at| at.try_into().unwrap_or(0)),
            };
            Ok((found, Cursor::new(of, made, 0, kind, id)))
        })
    }
}

/// A question that is being put together.
struct Find {
    statement: Statement,
    has_condition: bool,
}

impl Find {
    fn new(columns: &str) -> Self {
        Self { statement: Statement::new(columns), has_condition: false }
    }

    /// Adds a condition, constant text so far.
    fn condition(&mut self, condition: &str) {
        self.statement.push(if self.has_condition { " AND " } else { " WHERE " }).push(condition);
        self.has_condition = true;
    }

    fn equals(&mut self, column: &str, wanted: Option<&str>) -> Result<(), ApiError> {
        if let Some(wanted) = wanted {
            self.condition(column);
            self.statement.push(" = ").bind(text(wanted)?);
        }
        Ok(())
    }

    /// Texts compare by their bytes: between the beginning, and the same with what comes after any character.
    fn begins(&mut self, column: &str, beginning: &str) -> Result<(), ApiError> {
        let beyond = format!("{beginning}{}", char::MAX);
        self.condition(column);
        self.statement.push(" >= ").bind(text(beginning)?);
        self.condition(column);
        self.statement.push(" < ").bind(text(&beyond)?);
        Ok(())
    }

    /// Only what comes after the last item of the page before.
    fn beyond<const N: usize>(&mut self, key: &str, order: Order, values: [Value; N]) {
        self.condition(key);
        self.statement.push(match order {
            Order::Newest => " < (",
            Order::Oldest => " > (",
        });
        for (at, value) in values.into_iter().enumerate() {
            self.statement.push(if at > 0 { ", " } else { "" }).bind(value);
        }
        self.statement.push(")");
    }

    /// Asks for one more than a page has; the rows, and what they are as of.
    async fn run(
        mut self,
        database: &Database,
        place: &str,
        key: &[&str],
        span: Span,
        order: Order,
        limit: usize,
    ) -> Result<(Vec<Row>, Extent), ApiError> {
        let mut work = database.read().await.map_err(failed)?;
        let extent = Extent::of(&mut work).await.map_err(failed)?;
        if let Some((least, beyond)) = span.places(&mut work, &extent).await.map_err(failed)? {
            self.condition(place);
            self.statement.push(" >= ").bind(Value::Number(Some(least)));
            self.condition(place);
            self.statement.push(" < ").bind(Value::Number(Some(beyond)));
        }
        let direction = match order {
            Order::Newest => " DESC",
            Order::Oldest => " ASC",
        };
        self.statement.push(" ORDER BY ");
        for (at, column) in key.iter().enumerate() {
            self.statement.push(if at > 0 { ", " } else { "" }).push(column).push(direction);
        }
        self.statement.push(" LIMIT ").bind(Value::number(limit as u64 + 1));
        let rows = work.rows(self.statement).await.map_err(failed)?;
        Ok((rows, extent))
    }
}

/// What a model is as of.
struct Extent {
    /// Its newest block.
    height: u64,
    /// The first block that is in it.
    from: u64,
    /// That one's time; none where there is none yet.
    from_at: Option<u64>,
}

impl Extent {
    async fn of(work: &mut Work) -> Result<Self, sqlx::Error> {
        let head = work.row(Statement::new("SELECT height FROM read_model")).await?;
        let height = head.map_or(Ok(0), |head| head.count(0))?;
        let first = work.row(Statement::new("SELECT height, at FROM blocks ORDER BY height ASC LIMIT 1")).await?;
        Ok(match first {
            Some(first) => Self { height, from: first.count(0)?, from_at: Some(first.count(1)?) },
            None => Self { height, from: height.saturating_add(1), from_at: None },
        })
    }
}

/// Blocks and times that a search is held to.
struct Span {
    from_height: Option<u64>,
    to_height: Option<u64>,
    since: Option<u64>,
    until: Option<u64>,
    /// Objects are searched: those that the state told of stand before all places, in the order of time.
    of_objects: bool,
}

impl Span {
    const fn of([from_height, to_height, since, until]: [Option<u64>; 4]) -> Self {
        Self { from_height, to_height, since, until, of_objects: false }
    }

    /// The places of the log that they hold: the first, and the one after the last. None where nothing was said.
    async fn places(self, work: &mut Work, extent: &Extent) -> Result<Option<(i64, i64)>, sqlx::Error> {
        let Self { from_height, to_height, since, until, of_objects } = self;
        if [from_height, to_height, since, until].iter().all(Option::is_none) {
            return Ok(None);
        }
        let is_filled = of_objects && extent.from > 0;
        let (mut least, mut beyond) = (i64::MIN, i64::MAX);
        // From the genesis on is from the founder on.
        if let Some(height) = from_height.filter(|height| !is_filled || *height > 1) {
            let place =
                place(work, "SELECT first FROM blocks WHERE height >= ", height, " ORDER BY height ASC LIMIT 1");
            least = least.max(place.await?.map_or(i64::MAX, |place| if place > 0 { place } else { i64::MIN }));
        }
        if let Some(since) = since {
            least = least.max(match extent.from_at {
                Some(at) if !is_filled || since > at => {
                    let ask = "SELECT first FROM blocks WHERE at >= ";
                    let place = place(work, ask, since, " ORDER BY at ASC, height ASC LIMIT 1").await?;
                    place.map_or(i64::MAX, |place| if place > 0 { place } else { i64::MIN })
                }
                _ => fold::by_time(since),
            });
        }
        if let Some(height) = to_height {
            let ask = "SELECT first + transactions FROM blocks WHERE height <= ";
            let place = place(work, ask, height, " ORDER BY height DESC LIMIT 1").await?;
            // All that the state told of is of blocks before the first; of which, is not known.
            let nowhere = if is_filled && height.saturating_add(1) >= extent.from { 0 } else { i64::MIN };
            beyond = beyond.min(place.unwrap_or(nowhere));
        }
        if let Some(until) = until {
            beyond = beyond.min(match extent.from_at {
                Some(at) if !is_filled || until >= at => {
                    let ask = "SELECT first + transactions FROM blocks WHERE at <= ";
                    place(work, ask, until, " ORDER BY at DESC, height DESC LIMIT 1").await?.unwrap_or(i64::MIN)
                }
                _ => fold::by_time(until).saturating_add(1),
            });
        }
        Ok(Some((least, beyond)))
    }
}

/// A place that a question about a block or a time answers with.
async fn place(work: &mut Work, begin: &str, bound: u64, end: &str) -> Result<Option<i64>, sqlx::Error> {
    let mut ask = Statement::new(begin);
    ask.bind(Value::Number(Some(signed(bound)))).push(end);
    work.row(ask).await?.map(|row| row.number(0)).transpose()
}

/// Reads a page's rows; where there was one more, there is a next page.
fn page<T>(
    mut rows: Vec<Row>,
    extent: Extent,
    limit: usize,
    read: impl Fn(&Row) -> Result<(T, Cursor), sqlx::Error>,
) -> Result<Found<T>, ApiError> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let found = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let next = found.last().filter(|_| more).map(|(_, cursor)| cursor.to_string());
    let Extent { height, from, .. } = extent;
    Ok(Found { items: found.into_iter().map(|(item, _)| item).collect(), next, height, from })
}

fn parsed<T: std::str::FromStr>(row: &Row, column: usize) -> Result<T, sqlx::Error> {
    parse(&row.text(column)?)
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, sqlx::Error> {
    text.parse().map_err(|_| sqlx::Error::Decode("a digest or a key".into()))
}

/// A text to look for.
fn text(wanted: &str) -> Result<Value, ApiError> {
    if wanted.len() > MAX_TEXT || wanted.contains('\0') {
        let detail = format!("what is searched for is longer than {MAX_TEXT} bytes, or holds a zero character");
        return Err(ApiError::new(code::MALFORMED, detail));
    }
    Ok(Value::text(wanted))
}

fn hexadecimal(beginning: &str) -> Result<&str, ApiError> {
    let good = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match (1..=64).contains(&beginning.len()) && beginning.bytes().all(good) {
        true => Ok(beginning),
        false => {
            Err(ApiError::new(code::MALFORMED, "`id` is 1 to 64 of the digits 0-9 a-f, with which an identity begins"))
        }
    }
}

fn limit(wanted: Option<u32>) -> usize {
    wanted.map_or(PAGE, |limit| limit as usize).clamp(1, MAX_PAGE)
}

/// A search that was cut off, or could not begin, was one too many; all else is the node's own.
fn failed(error: sqlx::Error) -> ApiError {
    let interrupted = match &error {
        // SQLITE_INTERRUPT, and PostgreSQL's query_canceled.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code == "9" || code == "57014"),
        sqlx::Error::PoolTimedOut => true,
        _ => false,
    };
    match interrupted {
        true => ApiError::new(code::BUSY, "the search takes too long: narrow it, by a member, a time or a block")
            .with_retry(1),
        false => ApiError::new(code::UNAVAILABLE, ReadModelError::from(error).to_string()).with_retry(10),
    }
}

/// Items of a page, unless stated, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;
