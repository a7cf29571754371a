//! Joint computation: collect every party's sealed share, check it against the ledger, add up.

use std::time::Duration;

use contracts::record::Request;
use crypto::kem::Sealed;
use crypto::{Digest, Label, hash};
use mpc::additive::Share;
use query::{Answer, Program};
use wire::Limits;

use crate::api::ResultShare;
use crate::client::{Client, Error};
use crate::flow::Ephemeral;

impl Client {
    /// Has the parties of an allowed request compute, then [collects](Client::collect) the result.
    ///
    /// # Errors
    /// As [`Client::collect`].
    pub async fn compute_and_collect(&self, request: &Digest, ephemeral: &Ephemeral) -> Result<Answer, Error> {
        let view = self.request(request).await?;
        let first = view.request.owners.first().ok_or(Error::Unfit("the request names no contract"))?;
        self.at_member(first).await?.compute(request).await?;
        self.collect(request, ephemeral).await
    }

    /// The result of a computation that the parties have finished: each party's share from its own node, compared with
    /// the digest it recorded on the ledger, opened with the request's key, and all added up.
    ///
    /// # Errors
    /// [`Error::Share`] names the party whose share is missing, differs from the recorded one or does not open;
    /// [`Error::Answer`] where the shares contradict each other.
    pub async fn collect(&self, request: &Digest, ephemeral: &Ephemeral) -> Result<Answer, Error> {
        let applied = self.request(request).await?.request;
        let (mut shares, mut program) = (Vec::new(), None);
        for (named, owner) in applied.apply.contracts.iter().zip(&applied.owners) {
            let contract = self.contract(&named.contract).await?;
            let bytes =
                contract.terms.program.ok_or(Error::Unfit("the contract is for release, not for a computation"))?;
            program.get_or_insert(bytes);
            shares.push(self.at_member(owner).await?.share(request).await?);
        }
        let program = Program::from_bytes(&program.ok_or(Error::Unfit("the request names no contract"))?);
        let program = program.map_err(|error| Error::Answer(error.to_string()))?;
        // This node may learn of the parties' records a moment after the parties themselves.
        let mut recorded = self.request(request).await?.request;
        for _ in 0..RECORDS_PATIENCE {
            if recorded.results.len() == recorded.owners.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            recorded = self.request(request).await?.request;
        }
        open(&recorded, &recorded.owners, &shares, &program, ephemeral)
    }
}

/// The answer in these shares, one of each of `owners` in the order of the request's contracts.
///
/// # Errors
/// As [`Client::collect`].
pub fn open(
    request: &Request,
    owners: &[String],
    shares: &[ResultShare],
    program: &Program,
    ephemeral: &Ephemeral,
) -> Result<Answer, Error> {
    let session = session(&request.id);
    let parties = u16::try_from(owners.len()).map_err(|_| Error::Unfit("a computation has fewer parties"))?;
    if shares.len() != owners.len() || request.apply.contracts.len() != owners.len() {
        return Err(Error::Unfit("there is not one share and one contract for each party"));
    }
    let mut opened = Vec::with_capacity(shares.len());
    for (index, (owner, share)) in (0..parties).zip(owners.iter().zip(shares)) {
        let refuse = |reason: String| Error::Share { party: owner.clone(), reason };
        let contract = request.apply.contracts[usize::from(index)].contract;
        let record = request.results.iter().find(|record| record.contract == contract);
        let record = record.ok_or_else(|| refuse("it is not recorded on the ledger".into()))?;
        if share.party != *owner || record.share != crypto::sha256(&[&share.sealed]) {
            return Err(refuse("it is not the one recorded on the ledger".into()));
        }
        if (record.session, record.program) != (session, program.digest()) || record.parties != owners {
            return Err(refuse("it is recorded under another session, program or list of parties".into()));
        }
        let sealed: Sealed =
            wire::from_slice(&share.sealed, Limits::large()).map_err(|error| refuse(error.to_string()))?;
        let plain =
            ephemeral.open(&share_info(owner), session.as_ref(), &sealed).map_err(|error| refuse(error.to_string()))?;
        // A share alone is uniform; the sum of all is what the requester may know.
        opened.push(plain.expose(|bytes| Share::from_bytes(index, bytes)).map_err(|error| refuse(error.to_string()))?);
    }
    let sums = Share::sum(session, &opened).map_err(|error| Error::Answer(error.to_string()))?;
    program.answer(&sums, parties).map_err(|error| Error::Answer(error.to_string()))
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
/// How often, a tenth of a second apart, the records are asked for.
const RECORDS_PATIENCE: u32 = 100;
