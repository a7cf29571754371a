//! Domain separation: which protocol step a hash or signature belongs to.

/// A domain label. Two uses never share one; `docs/spec/labels.md` lists them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label(&'static str);

impl Label {
    /// Digest and signature of a ledger transaction.
    pub const TRANSACTION: Self = Self("sottovoce/v1/transaction");
    /// Digest of a block header.
    pub const HEADER: Self = Self("sottovoce/v1/header");
    /// Digest of the genesis: the chain's name.
    pub const GENESIS: Self = Self("sottovoce/v1/genesis");
    /// Digest of a transaction's events.
    pub const EVENTS: Self = Self("sottovoce/v1/events");
    /// Leaf of the transaction log.
    pub const OUTCOME: Self = Self("sottovoce/v1/outcome");
    /// Digest of a slate's header: what validators vote on.
    pub const SLATE: Self = Self("sottovoce/v1/slate");
    /// Digest of a slate's transactions.
    pub const SLATE_BODY: Self = Self("sottovoce/v1/slate-body");
    /// Hash of a key in the world state.
    pub const STATE_KEY: Self = Self("sottovoce/v1/state-key");
    /// Digest of a contract's code.
    pub const CODE: Self = Self("sottovoce/v1/code");
    /// Digest of a verifier of proofs: its system and its key.
    pub const VERIFIER: Self = Self("sottovoce/v1/verifier");
    /// Salted commitment to a payload that stays off the ledger.
    pub const COMMITMENT: Self = Self("sottovoce/v1/commitment");
    /// Identity of an asset.
    pub const ASSET: Self = Self("sottovoce/v1/asset");
    /// Digest of a contract's terms.
    pub const TERMS: Self = Self("sottovoce/v1/terms");
    /// Digest of a policy text.
    pub const POLICY: Self = Self("sottovoce/v1/policy");
    /// Digest of a declarative program.
    pub const PROGRAM: Self = Self("sottovoce/v1/program");
    /// Digest of an appraisal.
    pub const APPRAISAL: Self = Self("sottovoce/v1/appraisal");
    /// The oracles' verdict.
    pub const VERDICT: Self = Self("sottovoce/v1/verdict");
    /// Proof that a requester holds a key.
    pub const PROOF_OF_POSSESSION: Self = Self("sottovoce/v1/proof-of-possession");
    /// An issuer's signature over a credential.
    pub const CREDENTIAL: Self = Self("sottovoce/v1/credential");
    /// Digest of a grant token.
    pub const GRANT: Self = Self("sottovoce/v1/grant");
    /// Digest of an invitation's secret.
    pub const INVITATION: Self = Self("sottovoce/v1/invitation");
    /// Fingerprint of a consortium.
    pub const CONSORTIUM: Self = Self("sottovoce/v1/consortium");
    /// Messages of a distributed key generation.
    pub const DKG: Self = Self("sottovoce/v1/dkg");
    /// Core of a sealed object.
    pub const OBJECT_CORE: Self = Self("sottovoce/v1/object-core");
    /// Recipient stanzas of a sealed object.
    pub const STANZAS: Self = Self("sottovoce/v1/stanzas");
    /// Info string of HPKE key wraps.
    pub const WRAP: Self = Self("sottovoce/v1/wrap");
    /// Keys derived from a data key.
    pub const DERIVE: Self = Self("sottovoce/v1/derive");
    /// Identifier of a public key.
    pub const KEY_ID: Self = Self("sottovoce/v1/key-id");
    /// A key store's file.
    pub const KEY_STORE: Self = Self("sottovoce/v1/key-store");
    /// A party's sealed share of a result.
    pub const RESULT_SHARE: Self = Self("sottovoce/v1/result-share");
    /// Digest of what a party of a joint computation sent and received.
    pub const TRANSCRIPT: Self = Self("sottovoce/v1/transcript");
    /// A session of joint computation.
    pub const SESSION: Self = Self("sottovoce/v1/session");
    /// Digests and keys of a secure aggregation.
    pub const SECAGG: Self = Self("sottovoce/v1/secagg");
    /// A client's keys for a secure aggregation.
    pub const SECAGG_KEYS: Self = Self("sottovoce/v1/secagg-keys");
    /// A client's consent to the set of survivors of a secure aggregation.
    pub const SECAGG_SURVIVORS: Self = Self("sottovoce/v1/secagg-survivors");
    /// An aggregation by two servers that check inputs.
    pub const PRIO: Self = Self("sottovoce/v1/prio");
    /// Parts of shares that one holder vouches for as another opens them.
    pub const OPENING: Self = Self("sottovoce/v1/opening");
    /// Commitment to a part of a coin that parties of a joint computation toss.
    pub const COIN: Self = Self("sottovoce/v1/coin");
    /// What two parties of a joint computation should both hold.
    pub const AGREEMENT: Self = Self("sottovoce/v1/agreement");
    /// Comparison of the keys that sets of parties share.
    pub const SET_KEYS: Self = Self("sottovoce/v1/set-keys");
    /// What a checkpoint of a joint computation is of.
    pub const CHECKPOINT: Self = Self("sottovoce/v1/checkpoint");
    /// Key of a computation's checkpoints on a node's disk.
    pub const CHECKPOINT_KEY: Self = Self("sottovoce/v1/checkpoint-key");
    /// A member's new operator key, which the members are to put in the lost one's place.
    pub const RECOVERY: Self = Self("sottovoce/v1/recovery");
    /// What a validator's ML-DSA key signs of a checkpoint.
    pub const COSIGNATURE: Self = Self("sottovoce/v1/cosignature");
    /// Proof that a validator's node holds the ML-DSA key that it registers.
    pub const COSIGNER: Self = Self("sottovoce/v1/cosigner");
    /// Identifier of an ML-DSA key.
    pub const ML_DSA_KEY: Self = Self("sottovoce/v1/ml-dsa-key");
    /// What a signer's ML-DSA key signs of a transaction that makes a contract, or consents under one.
    pub const CONTRACT: Self = Self("sottovoce/v1/contract");
    /// Proof that a signer holds the ML-DSA key that it registers, and consent of the key before.
    pub const SIGNER: Self = Self("sottovoce/v1/signer");
    /// What escrow agents share, hand on and open.
    pub const ESCROW: Self = Self("sottovoce/v1/escrow");
    /// Entry of a node's audit trail.
    pub const AUDIT: Self = Self("sottovoce/v1/audit");
    /// Salted commitment to a payload that some members hold, bound to chain, sender and recipients.
    pub const PRIVATE: Self = Self("sottovoce/v1/private");
    /// Key of a private payload on a node's disk.
    pub const PRIVATE_KEY: Self = Self("sottovoce/v1/private-key");
    /// A member's node has destroyed a private payload.
    pub const PURGE: Self = Self("sottovoce/v1/purge");
    /// What a backup of a node holds.
    pub const BACKUP: Self = Self("sottovoce/v1/backup");

    /// The label's text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// The label as a prefix: one length byte, then the text.
    pub(crate) fn prefix(self) -> Vec<u8> {
        let length = u8::try_from(self.0.len()).expect("labels are shorter than 256 bytes");
        let mut prefix = Vec::with_capacity(1 + self.0.len());
        prefix.push(length);
        prefix.extend_from_slice(self.0.as_bytes());
        prefix
    }
}
