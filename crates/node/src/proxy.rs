//! The access proxy: honours a grant by rewrapping the data key to the requester's ephemeral key and streaming
//! ciphertext. It never holds a whole object and never writes plaintext.
//!
//! Order of what it does: token, possession and window (cheap, local), then the ledger's record of the one redemption,
//! then the first byte. The same key may resume by range until the grant ends.

use client::api::{GrantToken, Redemption};
use contracts::code;
use contracts::message::{GrantIssue, ReleaseRecord, redemption};
use contracts::read;
use contracts::record::{Grant, Request};
use crypto::{Digest, Label, PublicKey};
use ledger::VerifiedTransaction;
use vault::{Access, Export, Stanzas};

use crate::assets;
use crate::problem::ApiError;
use crate::service::{Node, RECIPIENT};
use crate::token::Claims;

/// The transaction that issues the grant of an allowed release, and the token that stands for it.
pub(crate) fn grant(
    node: &Node,
    request: &Request,
    verdict_ends: u64,
) -> Result<Option<(VerifiedTransaction, GrantToken)>, ApiError> {
    let Some(named) = request.apply.contracts.first() else { return Ok(None) };
    let view = node.replica.view()?;
    let contract = read::contract(&view, &named.contract)?
        .ok_or_else(|| ApiError::new(code::UNKNOWN_CONTRACT, named.contract.to_string()))?;
    if contract.terms.means != policy::Means::Release || contract.owner != node.member {
        return Ok(None);
    }
    // Clocks differ by a little: the window opens that much earlier, and is no shorter for it.
    let (now, seconds) = (node.now(), u64::from(contract.terms.grant.seconds));
    let not_before = now.saturating_sub(contracts::GRANT_SKEW);
    let not_after = (now + seconds * 1000).min(verdict_ends);
    let issue = GrantIssue { request: request.id, contract: contract.id, not_before, not_after };
    let transaction = node.prepare("grants", "issue", &issue)?;
    let claims = Claims { grant: transaction.id(), holder: request.requester, not_before, not_after };
    let token = GrantToken { grant: claims.grant, token: node.mint.issue(&claims)?.into(), not_before, not_after };
    Ok(Some((transaction, token)))
}

/// The token of a request's grant, for its holder.
pub(crate) fn token(node: &Node, caller: &PublicKey, request: &Digest) -> Result<GrantToken, ApiError> {
    let view = node.replica.view()?;
    let request =
        read::request(&view, request)?.ok_or_else(|| ApiError::new(code::UNKNOWN_REQUEST, request.to_string()))?;
    let grant =
        request.grant.ok_or_else(|| ApiError::new(code::UNKNOWN_GRANT, "no grant was issued for this request"))?;
    let grant = own_grant(node, &grant)?;
    if grant.holder != *caller {
        return Err(ApiError::new(code::GRANT_WRONG_KEY, "the grant belongs to another key"));
    }
    let Grant { id, holder, not_before, not_after, .. } = grant;
    let token = node.mint.issue(&Claims { grant: id, holder, not_before, not_after })?;
    Ok(GrantToken { grant: id, token: token.into(), not_before, not_after })
}

/// Redeems a grant: records the release, then hands out the object under stanzas for the requester alone.
///
/// # Errors
/// `grant_wrong_key`, `grant_not_yet`, `grant_expired`, `grant_already_used`, `grant_revoked`, ...
pub(crate) async fn redeem(
    node: &Node,
    caller: &PublicKey,
    id: &Digest,
    redemption: &Redemption,
) -> Result<Export, ApiError> {
    let kept = node.store.grant(id).await?;
    let (export, record) = match release(node, caller, id, redemption, kept.as_deref()) {
        Ok(release) => release,
        Err(error) => return Err(refuse(node, caller, id, error).await),
    };
    // Kept before the ledger takes it, so that a redemption that is recorded can always be resumed.
    let (actor, subject, detail) = (caller.to_string(), id.to_string(), format!("root {}", record.root));
    let attempt = node.audit.record(&actor, "object.release", &subject, "attempt", &detail);
    let (first, attempt) = tokio::join!(node.store.put_grant(id, &export.1), attempt);
    attempt?;
    if !first? && kept.is_none() {
        let error = ApiError::new(code::BUSY, "the same grant is being redeemed on another connection").with_retry(1);
        return Err(refuse(node, caller, id, error).await);
    }
    if let Err(error) = node.submit_ok(vec![node.prepare("releases", "record", &record)?]).await {
        return Err(refuse(node, caller, id, error).await);
    }
    node.audit.record(&actor, "object.release", &subject, "ok", "").await?;
    Ok(export.0)
}

/// Resumes a redeemed grant for its holder: the same object under the same stanzas.
///
/// # Errors
/// As [`redeem`]; `unknown_grant` where it was not redeemed.
pub(crate) async fn resume(node: &Node, caller: &PublicKey, id: &Digest) -> Result<Export, ApiError> {
    let grant = own_grant(node, id)?;
    let outcome = async {
        if grant.holder != *caller {
            return Err(ApiError::new(code::GRANT_WRONG_KEY, "the grant belongs to another key"));
        }
        if node.now() > grant.not_after {
            return Err(ApiError::new(code::GRANT_EXPIRED, "the grant's window is over"));
        }
        if grant.revoked {
            return Err(ApiError::new(code::GRANT_REVOKED, "the owner revoked the grant"));
        }
        let redeemed = grant
            .redeemed
            .as_ref()
            .ok_or_else(|| ApiError::new(code::UNKNOWN_GRANT, "the grant was not redeemed yet"))?;
        let kept = node.store.grant(id).await?.filter(|kept| crypto::sha256(&[kept]) == redeemed.stanzas);
        let kept = kept.ok_or_else(|| ApiError::internal("a redeemed grant's stanzas are kept"))?;
        let stanzas = Stanzas::parse(&kept)?;
        let (object, _) = assets::object(node, &grant.asset)?;
        Ok(node.vault.export(&object, Some(&stanzas))?)
    };
    match outcome.await {
        Ok(export) => {
            node.audit.record(&caller.to_string(), "object.resume", &id.to_string(), "ok", "").await?;
            Ok(export)
        }
        Err(error) => Err(refuse(node, caller, id, error).await),
    }
}

/// The checks and the rewrap: the object to stream with its stanzas' bytes, and what to record first.
///
/// A redemption that was cut short before the ledger took it has left its stanzas; they are used again.
fn release(
    node: &Node,
    caller: &PublicKey,
    id: &Digest,
    redeem: &Redemption,
    kept: Option<&[u8]>,
) -> Result<((Export, Vec<u8>), ReleaseRecord), ApiError> {
    let now = node.now();
    let claims = node.mint.check(&redeem.token, caller, now)?;
    let grant = own_grant(node, id)?;
    if claims.grant != *id || (claims.holder, claims.not_after) != (grant.holder, grant.not_after) {
        return Err(ApiError::new(code::GRANT_INVALID, "the token stands for another grant"));
    }
    let message = redemption(&node.replica.chain(), id, redeem.signed);
    if grant.holder.verify(Label::PROOF_OF_POSSESSION, &message, &redeem.possession).is_err() {
        return Err(ApiError::new(code::GRANT_WRONG_KEY, "the proof of possession is not by the grant's holder"));
    }
    let view = node.replica.view()?;
    let request = read::request(&view, &grant.request)?
        .ok_or_else(|| ApiError::new(code::UNKNOWN_REQUEST, grant.request.to_string()))?;
    let (object, root) = assets::object(node, &grant.asset)?;
    let head = node.vault.head(&object)?;
    let stanzas = match kept {
        Some(kept) => Stanzas::parse(kept),
        None => head.rewrap(&Access::Handle(&*node.keys, RECIPIENT), [&request.apply.ephemeral]),
    };
    let stanzas = stanzas?;
    let bytes = stanzas.to_bytes();
    let record = ReleaseRecord {
        grant: *id,
        root,
        stanzas: crypto::sha256(&[&bytes]),
        suite: request.apply.ephemeral.suite(),
        possession: redeem.possession,
        signed: redeem.signed,
    };
    let export = node.vault.export(&object, Some(&stanzas))?;
    Ok(((export, bytes), record))
}

/// Puts a refusal on the audit trail.
async fn refuse(node: &Node, caller: &PublicKey, id: &Digest, error: ApiError) -> ApiError {
    match node.audit.record(&caller.to_string(), "object.release", &id.to_string(), &error.code, &error.detail).await {
        Ok(_) => error,
        Err(failed) => failed.into(),
    }
}

/// A grant that this node honours.
fn own_grant(node: &Node, id: &Digest) -> Result<Grant, ApiError> {
    let grant = read::grant(&node.replica.view()?, id)?.filter(|grant| grant.owner == node.member);
    grant.ok_or_else(|| ApiError::new(code::UNKNOWN_GRANT, "this node issued no such grant"))
}
