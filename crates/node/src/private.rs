//! Payloads that only some members hold: put, given and taken between nodes, fetched where they are missing, purged for good.
//!
//! The page is `docs/spec/private-data.md`. [`rules`] decide by the ledger who may do what, [`files`] keep what rests here.

mod files;
mod rules;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::api::{PrivatePlaced, PrivateSubmission, PrivateView};
use contracts::message::{Opening, PrivateAttest, PrivateNamed, PrivatePut, private_commitment, purge_statement};
use contracts::record::{Cause, Private, Role};
use contracts::{MAX_PRIVATE, code, read};
use crypto::keystore::Keys as _;
use crypto::{Digest, Label, PublicKey, Secret};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use ledger::{SignedTransaction, VerifiedTransaction};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use wire::Limits;

use self::files::Files;
use self::rules::{Ground, Outcome, givers, obtain};
use crate::config::PrivateSection;
use crate::message::{AskPrivate, Done, PrivateTold};
use crate::problem::ApiError;
use crate::service::{MINT, NODE, Node};
use crate::store::{Counts, Known, PrivateRow, Standing};

/// A node's private payloads.
pub(crate) struct Privates {
    files: Files,
    room: PrivateSection,
    /// Held while one is kept or purged, so that neither overtakes the other and the room is counted right.
    turn: tokio::sync::Mutex<()>,
    /// There is something to say to the ledger, or to fetch.
    news: Notify,
    counts: Mutex<Counts>,
    /// Where the next look at what the ledger waits for goes on.
    place: Mutex<Option<String>>,
    /// The next date at which one of them is to be purged.
    next_date: AtomicU64,
    /// Until when nothing is said of what is held, since the ledger did not take it; Unix milliseconds.
    quiet: AtomicU64,
}

impl Privates {
    /// Those under a node's data.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn open(data: &Path, room: PrivateSection) -> std::io::Result<Self> {
        Ok(Self {
            files: Files::open(data)?,
            room,
            turn: Default::default(),
            news: Notify::new(),
            counts: Default::default(),
            place: Default::default(),
            next_date: AtomicU64::new(u64::MAX),
            quiet: AtomicU64::new(0),
        })
    }

    /// How many there are, as they were last counted.
    pub(crate) fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The most bytes that are kept.
    pub(crate) const fn most(&self) -> u64 {
        self.room.max_bytes
    }

    /// When the next of them is to be purged, Unix milliseconds.
    pub(crate) fn next_date(&self) -> Option<u64> {
        Some(self.next_date.load(Ordering::Relaxed)).filter(|date| *date < u64::MAX)
    }
}

/// Takes a payload in from one of this member's people: keeps it, has its commitment recorded, gives it to the recipients' nodes.
///
/// # Errors
/// `private_off`, `private_invalid`, `private_mismatch`, `private_full`; the ledger's refusal.
pub(crate) async fn put(node: &Node, submission: PrivateSubmission) -> Result<PrivatePlaced, ApiError> {
    let PrivateSubmission { transaction, opening } = submission;
    let signed = SignedTransaction::from_bytes(&transaction)?;
    let transaction = VerifiedTransaction::verify(signed, &node.replica.chain())?;
    let (contract, method) = (&*transaction.transaction().contract, &*transaction.transaction().method);
    if (contract, method) != ("private", "put") {
        let told = format!("a `private.put` is expected here, not `{contract}.{method}`");
        return Err(ApiError::new(code::MALFORMED, told));
    }
    let put: PrivatePut = wire::from_slice(&transaction.transaction().arguments, Limits::small())
        .map_err(|error| ApiError::new(code::MALFORMED, error.to_string()))?;
    if read::private_begun(&*node.replica.view()?)?.is_none() {
        return Err(ApiError::new(code::PRIVATE_OFF, "nobody has begun with private payloads"));
    }
    let sender = transaction.transaction().sender;
    permit(node, &sender)?;
    let size = opening.payload.len() as u64;
    if size == 0 || size > MAX_PRIVATE || put.purge_after.is_some_and(|date| i64::try_from(date).is_err()) {
        return Err(ApiError::new(
            code::PRIVATE_INVALID,
            format!("a payload has 1 to {MAX_PRIVATE} bytes, and a date"),
        ));
    }
    let commitment = private_commitment(&node.replica.chain(), &node.member, &put.recipients, &opening);
    if (put.size, put.commitment) != (size, commitment) {
        return Err(ApiError::new(code::PRIVATE_MISMATCH, "the transaction commits to another payload"));
    }
    let id = transaction.id();
    let known = Known { id, sender: node.member.clone(), size, purge_after: put.purge_after };
    // Before the ledger has it: what is on the ledger, somebody holds.
    keep(node, &known, &opening, true).await?;
    let placed = node.submit(vec![transaction]).await?;
    let placed = placed.into_iter().next().ok_or_else(|| ApiError::internal("one transaction was submitted"))?;
    node.audit.record(&sender.to_string(), "private.put", &id.to_string(), &placed.code, &put.label).await?;
    if placed.code != ledger::OK {
        discard(node, &id).await?;
        let told = format!("the private payload was refused; transaction {id} is on record");
        return Err(ApiError::coded(&placed.code, told));
    }
    node.store.settle_private(&id).await?;
    node.privates.news.notify_waiters();
    let told =
        join_all(put.recipients.iter().map(|recipient| tell(node, recipient, placed.height, (&id, &opening)))).await;
    let (mut held, mut waiting) = (Vec::new(), Vec::new());
    for (recipient, told) in put.recipients.iter().zip(told) {
        match told {
            Ok(()) => held.push(recipient.clone()),
            Err(failure) => {
                // It fetches it when it is back.
                tracing::info!(private = %id, recipient, %failure, "a recipient has not got a private payload yet");
                waiting.push(recipient.clone());
            }
        }
    }
    Ok(PrivatePlaced { id, height: placed.height, held, waiting })
}

/// Gives one recipient's node a payload.
async fn tell(node: &Node, recipient: &str, height: u64, (id, opening): (&Digest, &Opening)) -> Result<(), ApiError> {
    let told = PrivateTold { height, private: *id, opening: opening.clone() };
    let telling = node.call::<_, Done>(recipient, "/peer/v1/private", &told);
    timeout(TELL, telling).await.map_err(|_| silent(recipient))?.map(drop)
}

fn silent(member: &str) -> ApiError {
    ApiError::new(code::PEER_UNREACHABLE, format!("{member}: no answer in time"))
}

/// The caller is this member's operator, or a principal of it with role `owner`.
fn permit(node: &Node, key: &PublicKey) -> Result<(), ApiError> {
    match crate::api::person(node, key)? {
        Some((member, roles))
            if member == node.member && roles.iter().any(|role| [Role::Owner, Role::Operator].contains(role)) =>
        {
            Ok(())
        }
        _ => {
            let told = format!("this is for {}'s operator and its principals with the role owner", node.member);
            Err(ApiError::new(code::NOT_PERMITTED, told))
        }
    }
}

/// Takes what the sender's node gives.
///
/// # Errors
/// As [`Ground::take`]; `private_full`.
pub(crate) async fn receive(node: &Node, giver: &str, told: PrivateTold) -> Result<Done, ApiError> {
    let PrivateTold { height, private: id, opening } = told;
    node.replica.wait_for(height).await?;
    let taken = taken(node, giver, &id, &opening);
    let taken = match taken.and_then(|private| only_sender(giver, private)) {
        Ok(private) => keep(node, &Known::from(&private), &opening, false).await,
        Err(error) => Err(error),
    };
    let (code, detail) = taken.as_ref().map_or_else(|error| (&*error.code, &*error.detail), |()| (ledger::OK, ""));
    node.audit.record(giver, "private.take", &id.to_string(), code, detail).await?;
    taken?;
    node.privates.news.notify_waiters();
    Ok(Done {})
}

fn only_sender(giver: &str, private: Private) -> Result<Private, ApiError> {
    match private.sender == giver {
        true => Ok(private),
        false => Err(ApiError::new(code::NOT_PERMITTED, "the sender alone gives it unasked")),
    }
}

fn taken(node: &Node, giver: &str, id: &Digest, opening: &Opening) -> Result<Private, ApiError> {
    let time = node.replica.time();
    let view = node.replica.view()?;
    Ground { state: &*view, chain: node.replica.chain(), own: &node.member, time }.take(giver, id, opening)
}

/// Gives another holder's node what it asks for.
///
/// # Errors
/// As [`Ground::give`]; `private_missing`.
pub(crate) async fn give(node: &Node, asker: &str, ask: AskPrivate) -> Result<Opening, ApiError> {
    let id = ask.private;
    let may = {
        let time = node.replica.time();
        let view = node.replica.view()?;
        let ground = Ground { state: &*view, chain: node.replica.chain(), own: &node.member, time };
        ground.give(asker, &id, node.now())
    };
    let found = match may {
        Ok(_) => load(node, &id).await,
        Err(error) => Err(error),
    };
    let code = found.as_ref().map_or_else(|error| &*error.code, |_| ledger::OK);
    node.audit.record(asker, "private.give", &id.to_string(), code, "").await?;
    found
}

/// A payload for one of this member's people.
///
/// # Errors
/// `not_permitted`, `unknown_private`, `private_purged`, `private_missing`.
pub(crate) async fn open(node: &Node, caller: &PublicKey, id: &Digest) -> Result<Opening, ApiError> {
    permit(node, caller)?;
    {
        let time = node.replica.time();
        let view = node.replica.view()?;
        Ground { state: &*view, chain: node.replica.chain(), own: &node.member, time }.may_have(id)?;
    }
    let found = load(node, id).await;
    let code = found.as_ref().map_or_else(|error| &*error.code, |_| ledger::OK);
    node.audit.record(&caller.to_string(), "private.read", &id.to_string(), code, "").await?;
    found
}

/// Destroys what this recipient's node holds of a payload, at the wish of its own people, and has that recorded.
///
/// # Errors
/// `not_permitted`, also where the member is the sender, which orders the purge at all holders instead; `private_purged`.
pub(crate) async fn drop_own(node: &Node, caller: &PublicKey, id: &Digest) -> Result<PrivateView, ApiError> {
    permit(node, caller)?;
    let private = {
        let time = node.replica.time();
        let view = node.replica.view()?;
        Ground { state: &*view, chain: node.replica.chain(), own: &node.member, time }.may_have(id)?
    };
    if private.sender == node.member {
        return Err(ApiError::new(
            code::NOT_PERMITTED,
            "the sender's people have it purged by all: sign `private.purge`",
        ));
    }
    destroy(node, &private, Cause::Member, &caller.to_string()).await?;
    view(node, find(node, id)?).await
}

/// What the ledger says of a private payload.
///
/// # Errors
/// `unknown_private`.
pub(crate) fn find(node: &Node, id: &Digest) -> Result<Private, ApiError> {
    let found = read::private(&*node.replica.view()?, id)?;
    found.ok_or_else(|| ApiError::new(code::UNKNOWN_PRIVATE, format!("no private payload {id}")))
}

/// A private payload as the ledger and this node have it.
pub(crate) async fn view(node: &Node, private: Private) -> Result<PrivateView, ApiError> {
    let row = node.store.private(&private.id).await?;
    let here = match &row {
        Some(row) => row.standing.name(),
        None if private.is_purged_by(&node.member) => "purged",
        None if private.is_holder(&node.member) => Standing::Missing.name(),
        None => "none",
    };
    let due = private.due(node.replica.time());
    Ok(PrivateView { here: here.to_owned(), tries: row.map_or(0, |row| row.tries), due, private })
}

/// Opens a payload that rests here.
async fn load(node: &Node, id: &Digest) -> Result<Opening, ApiError> {
    let missing = || ApiError::new(code::PRIVATE_MISSING, format!("`{}` does not hold it", node.member));
    let salt = node.store.private_salt(id).await?.ok_or_else(missing)?;
    let key = files::key(&node.keys.secret(MINT)?, &salt, id);
    let (files, own) = (node.privates.files.clone(), *id);
    let found = tokio::task::spawn_blocking(move || files.read(&key, &own)).await.map_err(ApiError::internal)?;
    match found.map_err(ApiError::internal)? {
        Some(opening) => Ok(opening),
        // The file is gone or was changed: it is fetched anew, unless it was purged meanwhile.
        None => {
            let _turn = node.privates.turn.lock().await;
            if node.store.private_salt(id).await?.is_some() {
                tracing::error!(private = %id, "a private payload's file is gone or was changed; it is fetched anew");
                node.store.forget_private(id).await?;
                if let Ok(private) = find(node, id) {
                    node.store.miss_private(&Known::from(&private), node.now()).await?;
                }
            }
            Err(missing())
        }
    }
}

/// Keeps a payload, sealed, where there is room for it. The same again changes nothing.
async fn keep(node: &Node, known: &Known, opening: &Opening, draft: bool) -> Result<(), ApiError> {
    let _turn = node.privates.turn.lock().await;
    match node.store.private(&known.id).await?.map(|row| row.standing) {
        Some(Standing::Held | Standing::Draft) => return Ok(()),
        Some(Standing::Purging) => return Err(ApiError::new(code::PRIVATE_PURGED, "it was purged here")),
        Some(Standing::Missing) | None => {}
    }
    check_room(node, known).await?;
    let salt = Secret::random();
    let key = files::key(&node.keys.secret(MINT)?, &salt, &known.id);
    let (files, id, opening) = (node.privates.files.clone(), known.id, opening.clone());
    let written = tokio::task::spawn_blocking(move || files.write(&key, &id, &opening)).await;
    written.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
    node.store.keep_private(known, &salt, draft, node.now()).await?;
    Ok(())
}

async fn check_room(node: &Node, known: &Known) -> Result<(), ApiError> {
    let PrivateSection { max_bytes, max_bytes_per_member } = node.privates.room;
    let (own, all) = node.store.private_room(&known.sender).await?;
    match own.saturating_add(known.size) <= max_bytes_per_member && all.saturating_add(known.size) <= max_bytes {
        true => Ok(()),
        false => {
            let told = format!(
                "{own} bytes of `{}` are kept, of at most {max_bytes_per_member}, and {all} in all, of at most {max_bytes}",
                known.sender
            );
            Err(ApiError::new(code::PRIVATE_FULL, told))
        }
    }
}

/// Removes a draft that the ledger does not have, or what the ledger has as purged.
async fn discard(node: &Node, id: &Digest) -> Result<(), ApiError> {
    let _turn = node.privates.turn.lock().await;
    node.store.forget_private(id).await?;
    node.privates.files.remove(id).map_err(ApiError::internal)
}

/// Destroys a payload and what its key derives from.
async fn destroy(node: &Node, private: &Private, cause: Cause, actor: &str) -> Result<(), ApiError> {
    let _turn = node.privates.turn.lock().await;
    // The key first: what a crash leaves behind cannot be read.
    let first = node.store.purge_private(&Known::from(private), (cause, node.now())).await?;
    node.privates.files.remove(&private.id).map_err(ApiError::internal)?;
    if first {
        let detail = format!("{}: {cause}", private.put.label);
        node.audit.record(actor, "private.purge", &private.id.to_string(), "ok", &detail).await?;
    }
    node.privates.news.notify_waiters();
    Ok(())
}

/// Sees to this node's private payloads as long as it runs.
pub(crate) async fn run(node: Arc<Node>) {
    while let Err(error) = begin(&node).await {
        tracing::warn!(%error, "private payloads were not looked through; it is tried again");
        sleep(PAUSE).await;
    }
    tokio::join!(watch(&node), fetch(&node));
}

/// Compares what is here with what the ledger says, once: a node that was restored lacks what it held.
async fn begin(node: &Arc<Node>) -> Result<(), ApiError> {
    node.store.retry_privates().await?;
    let files = node.privates.files.clone();
    let names = tokio::task::spawn_blocking(move || files.names()).await.map_err(ApiError::internal)?;
    for name in names.map_err(ApiError::internal)? {
        let known = match name.parse::<Digest>() {
            Ok(id) => node.store.private_salt(&id).await?.is_some(),
            Err(_) => false,
        };
        if !known {
            node.privates.files.remove_name(&name).map_err(ApiError::internal)?;
        }
    }
    let mut after = None;
    loop {
        let (own, page) = (Arc::clone(node), after);
        let read = move || {
            read::privates_of(&*own.replica.view()?, &own.member, page.as_deref(), read::MAX_PAGE)
                .map_err(ApiError::from)
        };
        let page = tokio::task::spawn_blocking(read).await.map_err(ApiError::internal)??;
        for private in &page.items {
            heed(node, private).await?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Does at once what the ledger's word of a payload demands of this node, and tells whether it has yet to say that it holds it.
async fn heed(node: &Node, private: &Private) -> Result<bool, ApiError> {
    let row = node.store.private(&private.id).await?.map(|row| row.standing);
    if private.is_purged_by(&node.member) {
        // After a restore it may be thought missing.
        if row.is_some() {
            discard(node, &private.id).await?;
        }
        return Ok(false);
    }
    match (private.due(node.replica.time()), row) {
        (_, Some(Standing::Purging)) => {}
        (Some(cause), _) => destroy(node, private, cause, "node").await?,
        (None, None) => {
            node.store.miss_private(&Known::from(private), node.now()).await?;
            node.privates.news.notify_waiters();
        }
        (None, Some(Standing::Held)) => return Ok(!private.held.iter().any(|held| held.member == node.member)),
        (None, Some(Standing::Draft | Standing::Missing)) => {}
    }
    Ok(false)
}

/// Follows the ledger: what is missing, what is to be purged, what has yet to be said.
async fn watch(node: &Arc<Node>) {
    loop {
        if let Err(error) = round(node).await {
            tracing::warn!(%error, "private payloads were not seen to; it is tried again");
        }
        tokio::select! {
            () = node.privates.news.notified() => sleep(REST).await,
            () = sleep(PAUSE) => {}
        }
    }
}

async fn round(node: &Arc<Node>) -> Result<(), ApiError> {
    if read::private_begun(&*node.replica.view()?)?.is_none() {
        return Ok(());
    }
    let mut to_hold = Vec::new();
    let after = node.privates.place.lock().unwrap_or_else(PoisonError::into_inner).take();
    let own = Arc::clone(node);
    let read = move || {
        read::open_privates(&*own.replica.view()?, &own.member, after.as_deref(), read::MAX_PAGE)
            .map_err(ApiError::from)
    };
    let page = tokio::task::spawn_blocking(read).await.map_err(ApiError::internal)??;
    for private in &page.items {
        if heed(node, private).await? && private.put.recipients.contains(&node.member) && to_hold.len() < BATCH {
            to_hold.push(private.id);
        }
    }
    *node.privates.place.lock().unwrap_or_else(PoisonError::into_inner) = page.next;
    for row in node.store.dated_privates(node.replica.time()).await? {
        match find(node, &row.known.id) {
            Ok(private) => drop(heed(node, &private).await?),
            // A copy of the ledger that does not know it yet.
            Err(error) => tracing::debug!(private = %row.known.id, %error, "a date is not looked at"),
        }
    }
    settle_drafts(node).await?;
    let counts = node.store.count_privates().await?;
    node.privates.next_date.store(counts.next_date.unwrap_or(u64::MAX), Ordering::Relaxed);
    *node.privates.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
    // Of a member that is suspended or removed the ledger takes nothing.
    if read::barred(&*node.replica.view()?, &node.member)?.is_some() {
        return Ok(());
    }
    hold(node, &to_hold).await?;
    attest(node).await
}

/// Says on the ledger that this node holds what it holds.
async fn hold(node: &Node, ids: &[Digest]) -> Result<(), ApiError> {
    if ids.is_empty() || node.now() < node.privates.quiet.load(Ordering::Relaxed) {
        return Ok(());
    }
    let prepared = ids.iter().map(|id| node.prepare("private", "hold", &PrivateNamed { private: *id }));
    let placed = submit(node, prepared.collect::<Result<_, _>>()?).await?;
    for (id, code) in ids.iter().zip(placed) {
        if ![ledger::OK, code::ALREADY_RECORDED.code, code::PRIVATE_PURGED.code].contains(&code.as_str()) {
            tracing::warn!(private = %id, code, "the ledger did not take that a private payload is held");
            node.privates.quiet.store(node.now().saturating_add(QUIET), Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Puts on the ledger what was purged here.
async fn attest(node: &Node) -> Result<(), ApiError> {
    let (mut rows, mut said) = (Vec::new(), Vec::new());
    for row in node.store.privates(Standing::Purging, node.now()).await? {
        let Some((cause, at)) = row.purged else { continue };
        // A copy of the ledger that does not know it yet, after a restore.
        let Ok(private) = find(node, &row.known.id) else { continue };
        if private.is_purged_by(&node.member) {
            node.store.forget_private(&private.id).await?;
            continue;
        }
        let statement = purge_statement(&node.replica.chain(), &private.id, &private.put, &node.member, (cause, at));
        let signature = node.keys.sign(NODE, Label::PURGE, &statement)?;
        let attest = PrivateAttest { private: private.id, cause, at, signature };
        said.push(node.prepare("private", "attest", &attest)?);
        rows.push(row);
    }
    if said.is_empty() {
        return Ok(());
    }
    for (row, code) in rows.iter().zip(submit(node, said).await?) {
        let id = &row.known.id;
        if [ledger::OK, code::ALREADY_RECORDED.code].contains(&code.as_str()) {
            node.store.forget_private(id).await?;
            continue;
        }
        tracing::warn!(private = %id, code, "the ledger did not take the record of a purge");
        // This node's clock may not be the others'.
        node.store.redate_private(id, node.replica.time()).await?;
        node.store.retry_private(id, node.now().saturating_add(backoff(row.tries))).await?;
    }
    Ok(())
}

/// The outcomes of transactions, in time.
async fn submit(node: &Node, transactions: Vec<VerifiedTransaction>) -> Result<Vec<String>, ApiError> {
    let placed = timeout(ANSWER, node.submit(transactions)).await;
    let placed = placed.map_err(|_| ApiError::new(code::UNAVAILABLE, "nobody has ordered it"))??;
    Ok(placed.into_iter().map(|placed| placed.code).collect())
}

/// Drafts whose transaction came onto the ledger after all, or never can any more.
async fn settle_drafts(node: &Node) -> Result<(), ApiError> {
    let now = node.now();
    for PrivateRow { known, since, .. } in node.store.privates(Standing::Draft, now).await? {
        if find(node, &known.id).is_ok() {
            node.store.settle_private(&known.id).await?;
        } else if now.saturating_sub(since) > DRAFT && node.replica.time().saturating_sub(since) > DRAFT {
            discard(node, &known.id).await?;
        }
    }
    Ok(())
}

/// Fetches what is missing, round by round.
async fn fetch(node: &Node) {
    loop {
        match node.store.missing_privates(node.now()).await {
            Err(error) => tracing::warn!(%error, "missing private payloads are not known"),
            Ok(rows) => {
                let fetched = stream::iter(rows).map(|row| async move {
                    if let Err(error) = fetch_one(node, &row).await {
                        tracing::warn!(private = %row.known.id, %error, "a missing private payload was not asked for");
                    }
                });
                fetched.buffer_unordered(AT_ONCE).collect::<()>().await;
            }
        }
        tokio::select! {
            () = node.privates.news.notified() => {}
            () = sleep(PAUSE) => {}
        }
    }
}

async fn fetch_one(node: &Node, row: &PrivateRow) -> Result<(), ApiError> {
    let (id, later) = (row.known.id, node.now().saturating_add(backoff(row.tries)));
    // First, so that one that cannot be asked for does not come again at once.
    node.store.retry_private(&id, later).await?;
    let private = find(node, &id)?;
    heed(node, &private).await?;
    if private.due(node.now()).is_some() || private.is_purged_by(&node.member) {
        return Ok(());
    }
    check_room(node, &row.known).await?;
    let ask = |giver: String| async move {
        let wanted = AskPrivate { private: id };
        let asked = node.call::<_, Opening>(&giver, "/peer/v1/private/ask", &wanted);
        timeout(ASK, asked).await.map_err(|_| silent(&giver))?
    };
    let fits = |giver: &str, opening: &Opening| taken(node, giver, &id, opening).map(drop);
    let Outcome { found, refused } = obtain(givers(&private, &node.member), ask, fits).await;
    for (giver, error) in refused {
        if error.code == code::PRIVATE_MISMATCH.code {
            node.audit.record(&giver, "private.refuse", &id.to_string(), &error.code, &error.detail).await?;
        }
        tracing::debug!(private = %id, giver, %error, "a holder did not give a private payload");
    }
    let Some((giver, opening)) = found else { return Ok(()) };
    node.audit.record("node", "private.fetch", &id.to_string(), "ok", &format!("from {giver}")).await?;
    keep(node, &row.known, &opening, false).await?;
    node.privates.news.notify_waiters();
    Ok(())
}

/// How long to wait after so many attempts, milliseconds.
fn backoff(tries: u32) -> u64 {
    (2_000u64 << tries.min(16)).min(MOST_WAIT)
}

/// Between two looks, and at least.
const PAUSE: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_millis(100);
/// How long the recipients' nodes have to take what they are given, and a holder's to give what it is asked for.
const TELL: Duration = Duration::from_secs(15);
const ASK: Duration = Duration::from_secs(15);
/// How long the ordering may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Payloads that are asked for at once.
const AT_ONCE: usize = 4;
/// What is said in one submission.
const BATCH: usize = 64;
/// How long nothing is said after the ledger has refused it, milliseconds.
const QUIET: u64 = 60_000;
/// The longest time between two attempts, milliseconds.
const MOST_WAIT: u64 = 5 * 60 * 1000;
/// How long a draft waits for its transaction, which lives for an hour at most, milliseconds.
const DRAFT: u64 = 2 * 3600 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rare_but_never_end() {
        assert_eq!(
            [0, 1, 2, 7, 8, 100, u32::MAX].map(backoff),
            [2_000, 4_000, 8_000, 256_000, 300_000, 300_000, 300_000]
        );
    }
}
