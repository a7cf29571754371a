//! Joint computation: collect every party's sealed share, check it against the ledger, add up.

use std::time::{Duration, Instant};

use contracts::Protocol;
use contracts::record::{Phase, Request};
use crypto::kem::Sealed;
use crypto::{Digest, Label, Secret, hash};
use mpc::domain::{Domain, Values};
use mpc::engine::Failure;
use query::{Answer, Program};
use wire::Limits;

use crate::api::{Computation, ResultShare};
use crate::client::{Client, Error};
use crate::flow::Ephemeral;
use crate::http as transport;

impl Client {
    /// Has the parties of an allowed request compute, then [collects](Client::collect) the result. `watch` is told from time to time
    /// how far they are.
    ///
    /// # Errors
    /// As [`Client::collect`].
    pub async fn compute_and_collect(
        &self,
        request: &Digest,
        ephemeral: &Ephemeral,
        mut watch: impl FnMut(&Computation),
    ) -> Result<Answer, Error> {
        let view = self.request(request).await?;
        // Any party can coordinate: the first that answers.
        let mut unreachable = Error::Unfit("the request names no contract");
        for party in view.request.parties() {
            match self.have_computed(party, request, &mut watch).await {
                Ok(()) => return self.collect(request, ephemeral).await,
                Err(error @ Error::Http(transport::Error::Problem(_))) => return Err(error),
                Err(error @ Error::Http(_)) => unreachable = error,
                Err(error) => return Err(error),
            }
        }
        Err(unreachable)
    }

    /// Waits until the computation that a party coordinates is done.
    async fn have_computed(
        &self,
        party: &str,
        request: &Digest,
        watch: &mut impl FnMut(&Computation),
    ) -> Result<(), Error> {
        let node = self.at_member(party).await?;
        loop {
            let asked = Instant::now();
            let computation = node.compute(request).await?;
            watch(&computation);
            if computation.done {
                return Ok(());
            }
            // A node answers after a moment; one that answers at once is not asked the faster for it.
            tokio::time::sleep(ASK_EVERY.saturating_sub(asked.elapsed())).await;
        }
    }

    /// Ends the computation of a request, whichever party coordinates it.
    ///
    /// # Errors
    /// The last party's, where none has anything under way.
    pub async fn cancel_computation(&self, request: &Digest) -> Result<(), Error> {
        let view = self.request(request).await?;
        let mut outcome = Err(Error::Unfit("the request names no contract"));
        for party in view.request.parties() {
            outcome = match self.at_member(party).await {
                Ok(node) => node.cancel_compute(request).await,
                Err(error) => Err(error),
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The result of a computation that the parties have finished: the recorded share of each from its own node, compared with
    /// the digest on the ledger, opened with the request's key, and all put together.
    ///
    /// # Errors
    /// [`Error::Share`] names the party whose share is missing, differs from the recorded one or does not open;
    /// [`Error::Answer`] where the shares contradict each other.
    pub async fn collect(&self, request: &Digest, ephemeral: &Ephemeral) -> Result<Answer, Error> {
        // This node may learn of the parties' records a moment after the parties themselves.
        let mut recorded = self.request(request).await?.request;
        for _ in 0..RECORDS_PATIENCE {
            if recorded.phase == Phase::Done {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            recorded = self.request(request).await?.request;
        }
        let mut terms = Vec::with_capacity(recorded.apply.contracts.len());
        for named in &recorded.apply.contracts {
            terms.push(self.contract(&named.contract).await?.terms);
        }
        let protocol = contracts::protocol(&terms).map_err(Error::Answer)?;
        let program = terms.first().and_then(|terms| terms.program.as_ref());
        let program = program.ok_or(Error::Unfit("the contract is for release, not for a computation"))?;
        let program = Program::from_bytes(program).map_err(|error| Error::Answer(error.to_string()))?;
        let mut shares = Vec::with_capacity(recorded.results.len());
        for record in &recorded.results {
            shares.push(self.at_member(&record.party).await?.share(request).await?);
        }
        open(&recorded, &protocol, &program, &shares, ephemeral)
    }
}

/// The answer in the shares of the parties that recorded theirs; protocol and program are those of the request's contracts.
///
/// # Errors
/// As [`Client::collect`].
pub fn open(
    request: &Request,
    protocol: &Protocol,
    program: &Program,
    shares: &[ResultShare],
    ephemeral: &Ephemeral,
) -> Result<Answer, Error> {
    let session = session(&request.id);
    let parties: Vec<&String> = request.parties().collect();
    if usize::from(protocol.parties) != parties.len() || shares.len() < protocol.enough() {
        return Err(Error::Unfit("there are not as many shares as it takes"));
    }
    let mut opened = Vec::with_capacity(shares.len());
    for share in shares {
        let refuse = |reason: &str| Error::Share { party: share.party.clone(), reason: reason.to_owned() };
        let record = request.results.iter().find(|record| record.party == share.party);
        let record = record.ok_or_else(|| refuse("it is not recorded on the ledger"))?;
        if record.share != crypto::sha256(&[&share.sealed]) {
            return Err(refuse("it is not the one recorded on the ledger"));
        }
        let index = parties.iter().position(|party| **party == share.party);
        let index = index.ok_or_else(|| refuse("it is of no party of this computation"))?;
        let fits = (record.session, record.program) == (session, program.digest())
            && record.parties.iter().eq(parties.iter().copied())
            && record.protocol == protocol.name
            && record.adversary == protocol.adversary.to_string()
            && Some(record.run) == request.results.first().map(|first| first.run);
        if !fits {
            return Err(refuse("it is recorded under another session, run, program, protocol or list of parties"));
        }
        let sealed: Sealed =
            wire::from_slice(&share.sealed, Limits::large()).map_err(|error| refuse(&error.to_string()))?;
        let info = share_info(&share.party);
        let plain = ephemeral.open(&info, session.as_ref(), &sealed).map_err(|error| refuse(&error.to_string()))?;
        opened.push((index as u16, plain));
    }
    opened.sort_by_key(|(index, _)| *index);
    let sums = match protocol.name {
        contracts::ADDITIVE => added_up(session, &parties, &opened)?,
        contracts::REP3 => replicated(&parties, &opened)?,
        _ => interpolated(protocol, &parties, &opened)?,
    };
    let owners = request.owners.len() as u16;
    program.answer(&sums, owners).map_err(|error| Error::Answer(error.to_string()))
}

/// The sums in shares of additive sharing. A share alone is uniform; the sum of all is what the requester may know.
fn added_up(session: Digest, parties: &[&String], opened: &[(u16, Secret<Vec<u8>>)]) -> Result<Vec<u64>, Error> {
    let shares: Vec<_> = opened.iter().map(|(_, share)| share.expose(Clone::clone)).collect();
    let sums = mpc::additive::combine(&session, Domain::Ring64, &shares);
    words(vec![sums.map_err(|failure| blame(&failure, parties))?])
}

/// The sums in shares of three parties' replicated sharing, each part of which two of them hold.
fn replicated(parties: &[&String], opened: &[(u16, Secret<Vec<u8>>)]) -> Result<Vec<u64>, Error> {
    let [(_, first), (_, second), (_, third)] = opened else {
        return Err(Error::Unfit("`rep3` takes three shares"));
    };
    let shares = [first, second, third].map(|share| share.expose(Clone::clone));
    words(mpc::rep3::combine(&shares).map_err(|failure| blame(&failure, parties))?)
}

/// The sums in points of polynomials, of which some may be missing.
fn interpolated(
    protocol: &Protocol,
    parties: &[&String],
    opened: &[(u16, Secret<Vec<u8>>)],
) -> Result<Vec<u64>, Error> {
    let shares: Vec<_> = opened.iter().map(|(index, share)| (*index, share.expose(Clone::clone))).collect();
    let combined = mpc::shamir::combine(protocol.parties, protocol.corrupt, &shares);
    words(combined.map_err(|failure| blame(&failure, parties))?.values)
}

/// One column of sums, as words: what a field holds as a signed number.
fn words(columns: Vec<Values>) -> Result<Vec<u64>, Error> {
    let mistaken = || Error::Answer("the shares are not of one vector of sums".into());
    let [column] = columns.as_slice() else { return Err(mistaken()) };
    match column {
        Values::Ring64(sums) => Ok(sums.clone()),
        // Sums of signed words: a negative one stands for p minus its magnitude.
        Values::P127(sums) => Ok(sums.iter().map(|sum| sum.to_i128().cast_unsigned() as u64).collect()),
        _ => Err(mistaken()),
    }
}

/// A failure in the parties' names.
fn blame(failure: &Failure, parties: &[&String]) -> Error {
    let name = |index: u16| parties.get(usize::from(index)).map_or("?", |party| party.as_str());
    match failure {
        Failure::Party { party, fault } => Error::Share { party: name(*party).to_owned(), reason: fault.to_string() },
        Failure::Dispute { low, high, fault } => Error::Answer(format!(
            "{fault}: {} or {} gave a wrong share, and which of them cannot be told",
            name(*low),
            name(*high)
        )),
        other => Error::Answer(other.to_string()),
    }
}

/// The session that a request's computation runs under: `H(SESSION, [request])`.
pub fn session(request: &Digest) -> Digest {
    hash(Label::SESSION, &[request.as_ref()])
}

/// HPKE's info for a party's sealed share: the label `RESULT_SHARE`, a slash, and the party's name. Its associated data is
/// the session.
pub fn share_info(party: &str) -> Vec<u8> {
    [Label::RESULT_SHARE.as_str().as_bytes(), b"/", party.as_bytes()].concat()
}

/// Least time between two questions how far a computation is.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How often, a tenth of a second apart, the records are asked for.
const RECORDS_PATIENCE: u32 = 100;
