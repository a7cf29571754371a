//! The stable codes of refusals, and what to do about each. `docs/user/codes.md` is made from this table.

/// A refusal's code, its meaning and the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Stable, machine-readable.
    pub code: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do next.
    pub hint: &'static str,
}

impl Code {
    /// A refusal with this code; `message` tells what was found.
    pub(crate) fn refuse(&self, message: impl Into<String>) -> ledger::Failure {
        ledger::Failure::refuse(self.code, message)
    }
}

/// The outcome of a transaction that broke no rule; a verdict's decision where it allows.
pub const OK: &str = "ok";

/// Finds a code of the table.
pub fn lookup(code: &str) -> Option<&'static Code> {
    TABLE.iter().find(|entry| entry.code == code)
}

/// The table as `docs/user/codes.md` prints it.
pub fn markdown() -> String {
    let mut page = String::from(
        "# Codes of refusals\n\n\
         Every refusal carries one of these codes: in the outcome recorded on the ledger, in the `code` of a\n\
         problem+json answer, and in what `sotto` prints. A code never changes its meaning. Where a contract's own\n\
         policy names a code (`@code(\"...\")`), ask the owner.\n\n\
         | code | meaning | what to do |\n|---|---|---|\n",
    );
    for Code { code, meaning, hint } in TABLE {
        page.push_str(&format!("| `{code}` | {meaning} | {hint} |\n"));
    }
    page
}

// One list makes both the constants and the table, so that no rule can use a code that the table lacks.
macro_rules! codes {
    ($($name:ident $code:literal $meaning:literal $hint:literal)*) => {
        $(
            #[doc = $meaning]
            pub const $name: Code = Code { code: $code, meaning: $meaning, hint: $hint };
        )*

        /// Every code, in the order of the documentation.
        pub const TABLE: &[Code] = &[$($name),*];
    };
}

codes! {
    MALFORMED "malformed"
        "The bytes are not the one canonical encoding of what was expected, or a field is out of its bounds."
        "Send it with a client of the same version; the message names the field."
    OVERSIZE "oversize"
        "The message is longer than accepted."
        "Shorten it; lists, texts and programs have bounds in `docs/spec`."
    BAD_SIGNATURE "bad_signature"
        "A signature does not verify under the key that is named."
        "Sign again with the right key; nothing was changed."
    WRONG_CHAIN "wrong_chain"
        "The transaction is signed for another ledger."
        "Check the consortium file you use."
    EXPIRED "expired"
        "The transaction's or message's time has passed."
        "Check your clock, then sign and send again."
    EXPIRY_TOO_FAR "expiry_too_far"
        "The transaction would stay valid for more than an hour."
        "Check your clock, then sign with an expiry of at most an hour from now."
    REPLAYED "replayed"
        "The same signed message came before."
        "Look up the first one's outcome; sign a new one only to do it again."
    UNKNOWN_METHOD "unknown_method"
        "No contract on this ledger has that method."
        "Use a client of the same version as the ledger."
    NOT_PERMITTED "not_permitted"
        "The sender's key has no right to do this."
        "Use the key of the principal, operator or node that may; the message says which."
    UNAUTHENTICATED "unauthenticated"
        "The request is not signed by a known key, or its signature does not cover what it must."
        "Sign the request with your principal's key."
    BUSY "busy"
        "The node has as much work as it accepts."
        "Wait a moment and send the same message again; it is not done twice."
    RATE_LIMITED "rate_limited"
        "Too many requests from this key or address."
        "Wait for the time in `Retry-After`."
    UNAVAILABLE "unavailable"
        "A node that is needed does not answer."
        "Try again later; ask the member that runs it."
    LEDGER_BEHIND "ledger_behind"
        "The node's copy of the ledger is not as far as what the caller has seen at another node (`sotto-height`), and did not get there in time."
        "Wait for the time in `Retry-After` and send it again, or ask another node; if it lasts, tell the node's operator."
    PRUNED "pruned"
        "The node no longer keeps transactions of so long ago, or began from a snapshot after them."
        "Ask another member's node: one that keeps all of the log has it. The message says from which block on this one does."
    ORACLES_UNAVAILABLE "oracles_unavailable"
        "Fewer oracles answered than a verdict needs."
        "Try again later; the request stays open."
    EFFECTS_TOO_LARGE "effects_too_large"
        "The transaction would change more of the ledger than one may."
        "Split it into several."
    INTERNAL "internal"
        "The node failed; nothing is known to be wrong with the request."
        "Try again; if it stays, give the operator the request's id."
    NOT_FOUND "not_found"
        "There is nothing at this address, or not for you."
        "Check the identifier and who may read it."

    RECOVERY_OFF "recovery_off"
        "The members have not agreed on how a member's key is recovered, or ballots do not govern."
        "Decide it first: `sotto gov begin`, or `sotto gov propose parameters --recovery 2/3`."
    RECOVERY_PENDING "recovery_pending"
        "This member's key is being recovered already."
        "Wait until that takes effect or is vetoed: `sotto gov recoveries`."
    NO_RECOVERY "no_recovery"
        "No recovery is under way by this proposal."
        "See `sotto gov recoveries`: it may be over, vetoed, or not yet decided."
    KEY_NOT_IN_FORCE "key_not_in_force"
        "The key was replaced by a recovery, or waits for one to take effect, or never will."
        "Use the member's key that is in force: `sotto member show` at any member."

    NAME_INVALID "name_invalid"
        "A name has characters or a length that names may not have."
        "Use lowercase letters, digits and `-`, at most 32 characters (64 and `.` for principals and assets)."
    NAME_TAKEN "name_taken"
        "The name is in use."
        "Choose another name."
    KEY_TAKEN "key_taken"
        "The key already belongs to someone on this ledger."
        "Make a new key for the new role."
    ADDRESS_INVALID "address_invalid"
        "A member's address is not of the form `https://host:port`."
        "Give the address under which the other nodes reach this one."
    TOO_MANY "too_many"
        "A list or a count is at its bound."
        "Finish or remove some first; the message tells the bound."
    UNKNOWN_MEMBER "unknown_member"
        "No member has that name or key."
        "List the members and check the spelling."
    UNKNOWN_INVITATION "unknown_invitation"
        "The invitation does not exist, was used, or is for another name."
        "Ask the member who invited you for a new one."
    INVITATION_EXPIRED "invitation_expired"
        "The invitation's time has passed, or its time is out of bounds."
        "Ask for a new invitation; they last at most 30 days."
    UNKNOWN_PRINCIPAL "unknown_principal"
        "No principal in good standing has that key."
        "Have the member's operator add the principal."
    UNKNOWN_ISSUER "unknown_issuer"
        "No issuer with that key is accredited."
        "List the issuers; a regulator accredits them."

    BALLOTS_GOVERN "ballots_govern"
        "The members decide this by ballots; nobody does so alone any more."
        "Propose it with `sotto gov propose`; `sotto gov parameters` tells how many must vote for it."
    BALLOTS_DO_NOT_GOVERN "ballots_do_not_govern"
        "This consortium is not governed by ballots."
        "The founder or a regulator has them begin, for good: `sotto gov begin`."
    UNKNOWN_PROPOSAL "unknown_proposal"
        "No proposal has that identity."
        "List them: `sotto gov list --all`."
    PROPOSAL_CLOSED "proposal_closed"
        "The proposal has passed, failed, was withdrawn, or its time has run out."
        "See `sotto gov show`; propose it again if it is still wanted."
    PROPOSAL_OPEN "proposal_open"
        "The ballots so far decide nothing, and there is still time to vote."
        "Wait for the members that have not voted; `sotto gov show` tells which."
    MEMBER_BARRED "member_barred"
        "The member is suspended or was removed by ballot: nothing it signs is taken."
        "A suspended member can be reinstated by ballot of the others; a removed one joins anew, in another name."
    ORACLES_TOO_FEW "oracles_too_few"
        "Fewer oracles would be left than a verdict needs."
        "Have a new epoch of oracles without the member first: `sotto gov propose oracles`, then `sotto member oracles establish`."

    ESCROW_TOO_FEW "escrow_too_few"
        "Fewer escrow agents would be left, or are there, than it takes to open or to hand the key on."
        "Have other agents take the key over first: `sotto gov propose escrow`; where too few are left for that, make a new key with `--fresh`."
    ESCROW_EPOCH "escrow_epoch"
        "The escrow agents' epoch or run is not the one that is named, or its shares are still needed."
        "See `sotto escrow show` for what is under way and in force."
    NO_ESCROW "no_escrow"
        "There is no such escrow key: nothing was sealed under it, or the consortium has no escrow agents."
        "Members name the agents by ballot: `sotto gov propose escrow`; `sotto escrow show` tells who they are."

    EPOCH_INVALID "epoch_invalid"
        "The oracle epoch is not the one that comes next, or not the one in force."
        "Read the current oracle epoch and start from it."
    ORDERING_BEGUN "ordering_begun"
        "The validators of the ledger's epoch order it together already."
        "Nothing; `sotto member validators show` tells who they are."
    ML_DSA_OFF "ml_dsa_off"
        "The members have not decided to sign this with ML-DSA."
        "Nothing, or decide it first: `sotto gov propose parameters --ml-dsa on` for checkpoints, `--ml-dsa-contracts on` for contracts."
    ML_DSA_MISSING "ml_dsa_missing"
        "ML-DSA signs here beside Ed25519, and that signature or the key for it is missing: a validator's node has registered none, or a contract, application, approval or principal is not signed twice."
        "Contracts: use this version's `sotto`, which makes and registers a key by itself; `sotto signer show` tells what it lacks. Validators: keep the member's node running, which does so too; who joins needs a version that makes one: `sotto join`."
    VALIDATORS_MISSING "validators_missing"
        "There are too few validators to order the ledger together, or the nodes of some have not said where they take part."
        "Have four members join at least, each with a `[validator]` section in its node's configuration, and their nodes running."
    ALREADY_CONFIRMED "already_confirmed"
        "The participant has confirmed this oracle epoch."
        "Nothing: wait for the others, or see the events for differing data."

    MODULE_REFUSED "module_refused"
        "The module is no contract: it needs what contracts may not have, or lacks what they must."
        "The message says what; the rules are in `docs/spec/wasm.md`."
    UNKNOWN_MODULE "unknown_module"
        "The member has not stored that module, or has stored another since."
        "Check its digest; have the proposing member store it again."
    TOO_MANY_CONTRACTS "too_many_contracts"
        "The ledger has as many contracts in WebAssembly as it may."
        "Have the members uninstall and erase one."
    CONTRACT_ERASING "contract_erasing"
        "What an earlier contract of this name kept is being erased."
        "Erase the rest with `sotto module sweep`, then install."
    VERIFIER_REFUSED "verifier_refused"
        "The verifying key is none of its system, or one that no contract could use."
        "The message says what; the rules are in `docs/spec/proofs.md`."
    UNKNOWN_VERIFIER "unknown_verifier"
        "No verifier of that name is registered, or another than the one that was meant."
        "Look at `sotto verifier list`; propose anew, naming the one that is registered now."
    VERIFIER_EXISTS "verifier_exists"
        "A verifier of that name is registered, and the proposal does not say that it takes its place."
        "Choose another name, or propose it with `--replace`."
    OUT_OF_FUEL "out_of_fuel"
        "The contract's method needs more work than one call may."
        "Ask for less at a time, or ask the contract's authors."
    CALL_TOO_DEEP "call_too_deep"
        "The contract's functions called each other too deeply."
        "Ask the contract's authors."
    CONTRACT_FAILED "contract_failed"
        "The contract broke off: an error in it, or arguments that it does not expect."
        "Check the arguments; if they are right, ask the contract's authors."
    CONTRACT_FULL "contract_full"
        "The contract would keep more than the members gave it room for."
        "Have it delete what is not needed, or propose more room for it."
    BLOCK_FULL "block_full"
        "The block has had as much work of contracts in WebAssembly as one may; nothing is wrong with this."
        "Try again: sign it anew, for a later block."

    UNKNOWN_ASSET "unknown_asset"
        "No asset has that identity."
        "List the assets."
    ASSET_RETIRED "asset_retired"
        "The asset was retired by its owner."
        "Ask the owner which asset replaces it."
    ASSET_INVALID "asset_invalid"
        "The asset's description is out of bounds, or its commitments are not of a known kind."
        "Register it as a table with distinct columns or as a file, with a `sealed-object-v1` root."

    TERMS_INVALID "terms_invalid"
        "The contract's terms break a bound; the message names the field."
        "Change the field and offer again."
    UNKNOWN_APPROVER "unknown_approver"
        "An approver is not a principal of the owner with role `approver`."
        "Add the principal with that role, or name others."
    PROGRAM_INVALID "program_invalid"
        "The program is not canonical, not well-formed, or out of bounds."
        "Check it with `sotto contract check`."
    MINIMUM_GROUP_TOO_SMALL "minimum_group_too_small"
        "The program would release groups smaller than the terms allow."
        "Raise the program's minimum group to that of the terms."
    NO_PROTOCOL "no_protocol"
        "No protocol offered today withstands what the terms assume of corrupt or absent parties."
        "`additive` withstands semi-honest parties, all but one; `rep3` one malicious party of exactly three; `shamir` c corrupt parties and d that vanish among 2c + d + 1. State what one of them keeps, or name `helpers`."
    UNKNOWN_CONTRACT "unknown_contract"
        "No contract has that identity."
        "List the contracts."
    CONTRACT_NOT_IN_FORCE "contract_not_in_force"
        "The contract is suspended, revoked, or outside its window."
        "See the contract's standing and window; ask its owner."
    CONTRACT_CHANGED "contract_changed"
        "The contract has another version than the one the request was made under."
        "Read the new terms and apply again."

    CONTRACTS_MISMATCH "contracts_mismatch"
        "The contracts named together do not fit: a release takes one; a computation two or more of distinct owners with the same program."
        "Name contracts that carry the same program, one per owner."
    PURPOSE_NOT_ALLOWED "purpose_not_allowed"
        "The contract does not allow the purpose."
        "Apply for one of the purposes in the contract."
    TOO_MANY_OPEN "too_many_open"
        "The requester has as many undecided requests, or the member as many open proposals, as are allowed."
        "Wait for decisions, or withdraw some."
    UNKNOWN_REQUEST "unknown_request"
        "No request has that identity."
        "Check the identifier; a request that broke a rule at once has a receipt but no record."
    REQUEST_CLOSED "request_closed"
        "The request is no longer in the state that this step needs."
        "See where the request stands."
    REQUEST_EXPIRED "request_expired"
        "Nobody decided the request in the time that the members have agreed on, or before a contract's window ended."
        "Apply again, and ask the approvers beforehand; `sotto gov parameters` tells how long a request waits."
    ALREADY_VOTED "already_voted"
        "The approver has approved or objected already, or the member has voted."
        "Nothing: each speaks once."
    OBJECTED "objected"
        "An approver objected to the request."
        "Ask the owner what would make it acceptable."
    DECLINED "declined"
        "The owner declined the request."
        "Ask the owner for the reason."

    NOT_ACCREDITED "not_accredited"
        "The evidence does not prove the claim that the contract asks for."
        "Get a credential from an issuer that the consortium accredited."
    APPROVALS_MISSING "approvals_missing"
        "Fewer approvers have approved than the contract asks for."
        "Wait for the approvers, then ask for judgement again."
    POLICY_DENIED "policy_denied"
        "The contract's policy does not permit the request."
        "See `sotto request explain`; it names the policies that decided."
    MEANS_NOT_ALLOWED "means_not_allowed"
        "The contract offers its asset by other means."
        "Apply under a contract for `release` or for `compute`, as you need."
    POLICY_ERROR "policy_error"
        "The contract's policy is invalid, is not the one committed to, or failed."
        "Ask the owner to amend the contract."
    EVIDENCE_MISSING "evidence_missing"
        "Evidence or a justification that the request commits to did not arrive."
        "Send it to the owner's node again."
    EVIDENCE_INVALID "evidence_invalid"
        "Evidence is of an unknown kind, out of its time, about another key, or not what the request committed to."
        "Send the evidence the request names; its kind must be `credential`."

    VERDICT_INVALID "verdict_invalid"
        "The verdict was not signed by the oracles in force, or says what the ledger contradicts."
        "Ask the oracles for a verdict on this request; do not change it."
    VERDICT_EXPIRED "verdict_expired"
        "The verdict's time has passed."
        "Ask for judgement again, or apply again."

    UNKNOWN_GRANT "unknown_grant"
        "No grant has that identity."
        "Check the identifier."
    GRANT_EXISTS "grant_exists"
        "The request has its grant already."
        "Use that grant; to enjoy the data again, apply again."
    GRANT_INVALID "grant_invalid"
        "The grant would last longer than the contract or the verdict allows."
        "Issue it within the contract's seconds and the verdict's time."
    GRANT_ALREADY_USED "grant_already_used"
        "The grant was redeemed; it can be used once."
        "Apply again for another release."
    GRANT_WRONG_KEY "grant_wrong_key"
        "The redemption is not signed by the key that holds the grant."
        "Redeem it with the key that applied; a grant cannot be passed on."
    GRANT_EXPIRED "grant_expired"
        "The grant's window has passed."
        "Apply again, and fetch within the window."
    GRANT_NOT_YET "grant_not_yet"
        "The grant's window has not begun."
        "Wait for its first moment; check your clock."
    GRANT_REVOKED "grant_revoked"
        "The owner revoked the grant."
        "Ask the owner."
    ROOT_MISMATCH "root_mismatch"
        "The object to be released is not the registered one."
        "The owner's operator should check the vault against the registration."

    ORACLES_MISSING "oracles_missing"
        "The consortium has no oracles yet."
        "A regulator's operator establishes them: `sotto member oracles establish`."
    ORACLE_DISAGREES "oracle_disagrees"
        "An oracle came to another judgement, or to other grounds, than was proposed."
        "The message tells what differs; the owner's operator should compare clocks and versions."
    PEER_UNREACHABLE "peer_unreachable"
        "Another member's node does not answer."
        "Try again; if it lasts, tell the operator of that member."
    GRANT_NARROWED "grant_narrowed"
        "The grant's token was narrowed and does not allow this."
        "Use the token as it was issued."

    PRIVATE_OFF "private_off"
        "Private payloads are not begun with on this ledger."
        "A regulator's or the founder's operator begins, once all members' nodes have this version: `sotto private begin`."
    PRIVATE_INVALID "private_invalid"
        "A private payload's size, recipients or date, or what is said of its purge, is out of bounds."
        "The message says what; the bounds are in `docs/spec/private-data.md`."
    UNKNOWN_PRIVATE "unknown_private"
        "No private payload has this identity."
        "Check the identifier: `sotto private list`."
    PRIVATE_PURGED "private_purged"
        "The private payload is to be purged, or was purged here."
        "It does not come back; ask the sender to put it again."
    PRIVATE_MISSING "private_missing"
        "This node does not hold the private payload, or not yet."
        "Wait: it is fetched from the sender or another recipient. If it lasts, ask the sender whether its node runs."
    PRIVATE_MISMATCH "private_mismatch"
        "The payload or its salt is not what the ledger's commitment is to."
        "Whoever sent it has other bytes; the audit trail names the member."
    PRIVATE_FULL "private_full"
        "The node keeps as many private payloads of this sender, or in all, as it accepts."
        "Purge what is no longer needed, or raise `private.max_bytes` in the node's configuration."

    RESULT_MISMATCH "result_mismatch"
        "The result's session, program, parties or protocol do not follow from the request."
        "The party's operator should check which program its node ran."
    ALREADY_RECORDED "already_recorded"
        "What this would record or bring about is so already."
        "Nothing: it counts once."
    SIMULATED_REFUSED "simulated_refused"
        "A part of the computation was simulated, which the contract does not accept."
        "Run it for real."
    COMPUTATION_FAILED "computation_failed"
        "A party left or broke the protocol; no result came out."
        "Try again later; the message names the party, what it was at, and why."
    COMPUTATION_CANCELLED "computation_cancelled"
        "The requester or a party's operator has ended the computation; no result came out."
        "Ask for it again, or withdraw the request."
    NOT_WITNESSED "not_witnessed"
        "Fewer of the witnesses that you rely on have cosigned the log than you demand."
        "Add what witnesses have cosigned to the receipt, `sotto receipt witness RECEIPT --out FILE`, from a member whose node asks them (`--member`); or hold it to a witnessed mirror, `--log DIR`."
    WITNESS_NOT_INDEPENDENT "witness_not_independent"
        "A witness that you name has a validator's key, or the key of another that you name."
        "Name witnesses with keys of their own, as `sotto witness show` prints them."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_plain() {
        let distinct: BTreeSet<&str> = TABLE.iter().map(|entry| entry.code).collect();
        assert_eq!(distinct.len(), TABLE.len());
        for entry in TABLE {
            assert!(entry.code.len() <= 32 && entry.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(!entry.meaning.contains('|') && !entry.hint.contains('|'));
            assert_eq!(lookup(entry.code), Some(entry));
        }
        assert_eq!(lookup(OK), None);
    }

    /// `BLESS=1 cargo test` writes the page.
    #[test]
    fn the_page_equals_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/user/codes.md");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        assert!(std::fs::read_to_string(path).unwrap() == markdown(), "run BLESS=1 cargo test -p sottovoce-contracts");
    }
}
