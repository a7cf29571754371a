//! What a principal does in one go: sign and submit a transaction, apply, approve.

use std::sync::Arc;

use contracts::message::{
    Apply, Approve, Cancel, ContractVersion, EvidenceCommitment, Opening, PrivatePut, private_commitment,
};
use crypto::kem::{PrivateKey, RecipientKey, Sealed};
use crypto::keystore::{self, Keys};
use crypto::{Digest, Secret};
use ledger::{OK, SignedTransaction, Transaction};
use minicbor::Encode;
use vault::Access;
use wire::Fixed;

use crate::api::{Application, PrivatePlaced, PrivateSubmission, TransactionResult};
use crate::client::{Client, Error};

/// Milliseconds for which a transaction may still enter a block: long enough for a slow node, short enough that a
/// lost answer is soon settled.
pub const TRANSACTION_LIFE: u64 = 5 * 60 * 1000;

/// The private half of a request's ephemeral key. Cheap to clone.
#[derive(Clone)]
pub enum Ephemeral {
    /// In a key store, by handle.
    Stored(Arc<dyn Keys>, String),
    /// In memory only.
    Held(Arc<PrivateKey>),
}

impl Ephemeral {
    /// The public half.
    ///
    /// # Errors
    /// Those of the key store.
    pub fn public(&self) -> Result<RecipientKey, keystore::Error> {
        match self {
            Self::Stored(keys, handle) => keys.recipient(handle),
            Self::Held(key) => Ok(key.public().clone()),
        }
    }

    /// As whom a sealed object is opened.
    pub fn access(&self) -> Access<'_> {
        match self {
            Self::Stored(keys, handle) => Access::Handle(&**keys, handle),
            Self::Held(key) => Access::Private(key),
        }
    }

    /// Opens what was sealed to the public half.
    ///
    /// # Errors
    /// Those of the key store; [`keystore::Error::Sealed`] where it does not open.
    pub fn open(&self, info: &[u8], aad: &[u8], sealed: &Sealed) -> Result<Secret<Vec<u8>>, keystore::Error> {
        match self {
            Self::Stored(keys, handle) => keys.unwrap(handle, info, aad, sealed),
            Self::Held(key) => Ok(key.open(info, aad, sealed)?),
        }
    }
}

/// What a requester applies with.
#[derive(Clone, Debug)]
pub struct Applying {
    /// The contracts, each with the version that was read.
    pub contracts: Vec<ContractVersion>,
    /// One of the contracts' purposes.
    pub purpose: String,
    /// For the approvers: at most 4,000 bytes. It stays off the ledger.
    pub justification: String,
    /// Kind and bytes of each evidence; the bytes stay off the ledger.
    pub evidence: Vec<(String, Vec<u8>)>,
    /// The result will be sealed to this key.
    pub ephemeral: RecipientKey,
}

/// A payload for some members.
pub struct Putting {
    /// What it is called, in the open: 1–64 characters of `a-z 0-9 - .`.
    pub label: String,
    /// The members that receive it.
    pub recipients: Vec<String>,
    /// 1 to [`contracts::MAX_PRIVATE`] bytes.
    pub payload: Vec<u8>,
    /// When all are to purge it, Unix milliseconds.
    pub purge_after: Option<u64>,
}

impl Client {
    /// Puts a payload that only `member`, which the client acts for, and the recipients hold: salted, committed to on the ledger, handed to the own node.
    ///
    /// # Errors
    /// The node's or the ledger's refusal.
    pub async fn put_private(&self, member: &str, putting: Putting) -> Result<PrivatePlaced, Error> {
        let Putting { label, mut recipients, payload, purge_after } = putting;
        recipients.sort_unstable();
        recipients.dedup();
        let opening = Opening::new(payload);
        let commitment = private_commitment(&self.chain(), member, &recipients, &opening);
        let size = opening.payload.len() as u64;
        let put = PrivatePut { label, commitment, size, recipients, purge_after };
        let transaction = self.sign_transaction("private", "put", &put)?.to_bytes().into();
        self.post_private(&PrivateSubmission { transaction, opening }).await
    }

    /// Signs a call of `contract.method` with these arguments, valid for [`TRANSACTION_LIFE`].
    ///
    /// # Errors
    /// [`Error::Keys`].
    pub fn sign_transaction<A: Encode<()>>(
        &self,
        contract: &str,
        method: &str,
        arguments: &A,
    ) -> Result<SignedTransaction, Error> {
        self.unsigned(contract, method, arguments).sign_with(|label, message| self.sign(label, message))
    }

    /// A call of `contract.method` that is yet to be signed.
    pub(crate) fn unsigned<A: Encode<()>>(&self, contract: &str, method: &str, arguments: &A) -> Transaction {
        Transaction {
            chain: self.chain(),
            sender: self.key(),
            nonce: Fixed(crypto::random()),
            expires: self.now() + TRANSACTION_LIFE,
            contract: contract.to_owned(),
            method: method.to_owned(),
            arguments: wire::to_vec(arguments).into(),
        }
    }

    /// Signs and submits a call of `contract.method`; it is durable on the ledger when this returns.
    ///
    /// # Errors
    /// [`Error::Refused`] where the ledger recorded a refusal.
    pub async fn submit<A: Encode<()>>(
        &self,
        contract: &str,
        method: &str,
        arguments: &A,
    ) -> Result<TransactionResult, Error> {
        let signed = self.sign_transaction(contract, method, arguments)?;
        Ok(self.submit_signed(&[signed]).await?.remove(0))
    }

    /// Submits transactions signed before, in this order. Submitting one again is harmless: its identity is the
    /// idempotency key.
    ///
    /// # Errors
    /// [`Error::Refused`] for the first of them that the ledger refused.
    pub async fn submit_signed(&self, transactions: &[SignedTransaction]) -> Result<Vec<TransactionResult>, Error> {
        let bytes = transactions.iter().map(|signed| signed.to_bytes().into()).collect();
        let results = self.transactions(bytes).await?.results;
        let ours = transactions.iter().map(SignedTransaction::id);
        if !results.iter().map(|result| result.id).eq(ours) {
            return Err(Error::Unfit("the node answered for other transactions than the ones submitted"));
        }
        results.into_iter().map(accepted).collect()
    }

    /// Applies for a release or a computation; returns the request's identity. Justification and evidence go to the
    /// node, which hands them to the owners; the ledger holds salted commitments to them.
    ///
    /// # Errors
    /// [`Error::Refused`] where the ledger recorded a refusal.
    pub async fn apply(&self, applying: Applying) -> Result<TransactionResult, Error> {
        let justification = Opening::new(applying.justification.into_bytes());
        let (kinds, evidence): (Vec<_>, Vec<_>) =
            applying.evidence.into_iter().map(|(kind, bytes)| (kind, Opening::new(bytes))).unzip();
        let commitments = kinds.into_iter().zip(&evidence);
        let apply = Apply {
            contracts: applying.contracts,
            purpose: applying.purpose,
            ephemeral: applying.ephemeral,
            justification: justification.commitment(),
            evidence: commitments
                .map(|(kind, opening)| EvidenceCommitment { kind, commitment: opening.commitment() })
                .collect(),
        };
        let signed = self.sign_twice("requests", "apply", &apply).await?;
        let application = Application { transaction: signed.to_bytes().into(), justification, evidence };
        let result = self.post_request(&application).await?;
        if result.id != signed.id() {
            return Err(Error::Unfit("the node answered for another request than the one made"));
        }
        accepted(result)
    }

    /// Approves a request under a contract, or, with `approve` false, objects to it.
    ///
    /// # Errors
    /// [`Error::Refused`] where the ledger recorded a refusal.
    pub async fn approve(
        &self,
        request: &Digest,
        contract: &Digest,
        approve: bool,
    ) -> Result<TransactionResult, Error> {
        let approve = Approve { request: *request, contract: *contract, approve };
        self.submit_twice_signed("requests", "approve", &approve).await
    }

    /// Withdraws one's own request.
    ///
    /// # Errors
    /// [`Error::Refused`] where the ledger recorded a refusal.
    pub async fn cancel(&self, request: &Digest) -> Result<TransactionResult, Error> {
        self.submit("requests", "cancel", &Cancel { request: *request }).await
    }
}

fn accepted(result: TransactionResult) -> Result<TransactionResult, Error> {
    if result.code == OK { Ok(result) } else { Err(Error::Refused { code: result.code, transaction: result.id }) }
}
