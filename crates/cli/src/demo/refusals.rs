//! Seven refusals, each for its own reason and with its own code, and the receipts.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use client::Client;
use client::api::GrantToken;
use contracts::message::VerdictRecord;
use crypto::Digest;
use crypto::keystore::FileKeys;
use ledger::Receipt;

use super::{Play, Refusal};
use crate::error::{Doing as _, Failure};
use crate::home::{Session, clock, now};
use crate::stage::Stage;

impl Play<'_, '_> {
    /// The grant that was honoured is presented once more.
    pub(super) async fn used_twice(&mut self, token: &GrantToken) -> Result<Refusal, Failure> {
        self.teller.say("the same grant is presented a second time");
        let again = self.people.researcher.client.redeem(token).await;
        refused("grant_used_twice", "grant_already_used", again.map(drop))
    }

    /// Another key presents a grant that is still good.
    pub(super) async fn stolen(&mut self) -> Result<(GrantToken, Refusal), Failure> {
        self.teller.say("a thief presents someone else's grant");
        let researcher = &self.people.researcher;
        let (request, _) =
            self.apply(researcher, &[self.release_contract], "research", &self.people.credential).await?;
        self.approve(&request, 2).await?;
        let judgement = researcher.client.judge(&request).await?;
        let token = judgement.grant.ok_or_else(|| Failure::new("an allowed release brought no grant"))?;
        let theft = self.people.pretender.client.redeem(&token).await;
        Ok((token, refused("grant_stolen", "grant_wrong_key", theft.map(drop))?))
    }

    /// Requests that fail before any grant: a purpose the contract does not know, an issuer that nobody accredited, an
    /// approver short.
    pub(super) async fn refused_requests(&mut self) -> Result<Vec<Refusal>, Failure> {
        let contracts = [self.release_contract];
        self.teller.say("a request for another purpose");
        let researcher = &self.people.researcher;
        let purpose = self.apply(researcher, &contracts, "marketing", &self.people.credential).await;
        let mut refusals = vec![refused("wrong_purpose", "purpose_not_allowed", purpose.map(drop))?];

        self.teller.say("a request with a credential of an issuer that nobody accredited");
        let pretender = &self.people.pretender;
        let accredited = self.apply(pretender, &contracts, "research", &self.people.diploma).await;
        refusals.push(refused("not_accredited", "not_accredited", accredited.map(drop))?);
        let own = pretender.client.requests(None).await?.items;
        let request = own.first().ok_or_else(|| Failure::new("the refused request is not on record"))?.request.id;
        self.refused.push(("not-accredited", request));

        self.teller.say("a request with one approval of two");
        let (request, _) = self.apply(researcher, &contracts, "research", &self.people.credential).await?;
        self.approve(&request, 1).await?;
        let judged = researcher.client.judge(&request).await;
        refusals.push(refused("too_few_approvals", "approvals_missing", judged.map(drop))?);
        researcher.client.cancel(&request).await?;
        self.refused.push(("cancelled", request));
        Ok(refusals)
    }

    /// A member's node records a verdict that the oracles signed, with one byte changed.
    pub(super) async fn changed_verdict(&mut self, stage: &Stage, request: &Digest) -> Result<Refusal, Failure> {
        self.teller.say("a verdict with one byte changed");
        let receipt =
            Receipt::parse(&self.people.researcher.client.receipt(request).await?).doing("the first receipt")?;
        let mut recorded = receipt.danger_unverified_entries().map(|entry| &entry.transaction.transaction);
        let verdict =
            recorded.find(|transaction| (&*transaction.contract, &*transaction.method) == ("verdicts", "record"));
        let verdict = verdict.ok_or_else(|| Failure::new("the receipt holds no verdict"))?;
        let mut record: VerdictRecord =
            wire::from_slice(&verdict.arguments, wire::Limits::small()).map_err(|error| Failure::of(&error))?;
        record.verdict.not_after ^= 1;
        let node = self.node_of(stage, "st-anna")?;
        let forged = node.submit("verdicts", "record", &record).await;
        refused("verdict_changed", "verdict_invalid", forged.map(drop))
    }

    /// A grant that was not used in time.
    pub(super) async fn after_window(&mut self, token: &GrantToken) -> Result<Refusal, Failure> {
        self.teller.say("a grant is presented after its window");
        let left = token.not_after.saturating_sub(now()) + 50;
        tokio::time::sleep(Duration::from_millis(left)).await;
        let late = self.people.researcher.client.redeem(token).await;
        refused("after_window", "grant_expired", late.map(drop))
    }

    /// Exports the chains' receipts with the consortium file, verifies each offline, and sees that one flipped byte is
    /// refused.
    pub(super) async fn receipts(
        &self,
        stage: &Stage,
        chains: Vec<(&'static str, Digest)>,
    ) -> Result<(Vec<PathBuf>, PathBuf, String), Failure> {
        let consortium = stage.consortium().await?;
        let pinned = self.directory.join("consortium.toml");
        fs::write(&pinned, consortium.to_toml()).map_err(|error| Failure::file(&pinned, &error))?;
        let directory = self.directory.join("receipts");
        fs::create_dir_all(&directory).map_err(|error| Failure::file(&directory, &error))?;
        let mut paths = Vec::new();
        for (name, request) in chains {
            // Whoever is a party of the request may have it; a member's operator may have any.
            let text = stage.member("northgate").operator.client.receipt(&request).await?;
            client::verify::verify_under(&text, &consortium)
                .map_err(|error| Failure::of(&error).stops(format!("the receipt `{name}` does not verify")))?;
            let path = directory.join(format!("{name}.receipt"));
            fs::write(&path, &text).map_err(|error| Failure::file(&path, &error))?;
            let mut changed = text.into_bytes();
            let at = usize::from(u16::from_be_bytes(crypto::random())) % changed.len();
            changed[at] ^= 1;
            let changed = String::from_utf8_lossy(&changed).into_owned();
            if client::verify::verify_under(&changed, &consortium).is_ok() {
                return Err(Failure::new(format!("the receipt `{name}` still verifies with byte {at} flipped")));
            }
            paths.push(path);
        }
        Ok((paths, pinned, consortium.fingerprint()))
    }

    /// A client that acts with the key of a member's node, as a member that cheats would.
    fn node_of(&self, stage: &Stage, member: &str) -> Result<Client, Failure> {
        let Session { client, .. } = &stage.member(member).operator;
        let passphrase = crypto::keystore::Passphrase::read(&self.directory.join("passphrase"))?;
        let keys = FileKeys::open(self.directory.join(member).join("node").join("keys.sealed"), &passphrase)?;
        Ok(Client::new(client.endpoint().clone(), Arc::new(keys), NODE_KEY, client.chain(), clock())?)
    }
}

/// Checks that something was refused, and with this code.
fn refused(case: &'static str, expected: &str, outcome: Result<(), client::Error>) -> Result<Refusal, Failure> {
    let Err(error) = outcome else {
        return Err(Failure::new(format!("{case}: it was allowed, where `{expected}` was due")));
    };
    match error.code() {
        Some(code) if code == expected => Ok(Refusal { case, code: code.to_owned(), told: error.to_string() }),
        _ => Err(Failure::of(&error).stops(format!("{case}: refused otherwise than with `{expected}`"))),
    }
}

/// The handle of a node's own key in its store.
const NODE_KEY: &str = "node";
