//! The decision: structured checks in a fixed order, then Cedar; every check is explained, the first to fail gives
//! the code.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use cedar_policy::{
    Context, Decision as Verdict, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request,
    RestrictedExpression,
};
use crypto::PublicKey;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::check::MAX_TIME;
use crate::engine::{AUTHORIZER, CEDAR_SCHEMA, Compiled, Entry, compiled};
use crate::terms::{Disclosed, Means, Terms};
use crate::{calendar, codes};

/// What the node knows about a request at the moment of decision. None of it is the requester's word, except that the
/// requester signed the purpose. Recorded, it replays the decision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Key of the principal who asks.
    #[n(0)]
    pub requester: PublicKey,
    /// Purpose named in the request.
    #[n(1)]
    pub purpose: String,
    /// Moment of decision, unix milliseconds.
    #[n(2)]
    pub now: u64,
    /// Valid approvals of distinct approvers of the contract.
    #[n(3)]
    pub approvals: u32,
    /// Claims that appraised evidence proved.
    #[n(4)]
    pub accreditations: BTreeSet<String>,
    /// The contract's identifier on the ledger.
    #[n(5)]
    pub contract: String,
    /// The contract's version.
    #[n(6)]
    pub version: u32,
    /// Whether the ledger holds this version as current: neither suspended, revoked nor amended since.
    #[n(7)]
    pub active: bool,
    /// What is asked for.
    #[n(8)]
    pub means: Means,
    /// The asset's name.
    #[n(9)]
    pub asset: String,
    /// The member that owns it.
    #[n(10)]
    pub owner: String,
}

/// Whether a request may be granted, and why.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whether every check is satisfied.
    #[n(0)]
    pub allow: bool,
    /// [`codes::ALLOWED`], or the code of the first check that failed.
    #[n(1)]
    pub code: String,
    /// Every check, in the order in which they count.
    #[n(2)]
    pub reasons: Vec<Reason>,
    /// Duties that come with the grant, as sorted name and value; none when refused.
    #[n(3)]
    pub obligations: Vec<(String, String)>,
    /// Names of the policies that determined Cedar's answer (`contract/1`, `sottovoce/purpose`), in textual order.
    #[n(4)]
    pub determining: Vec<String>,
}

/// One check of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// What was checked: `contract`, `window`, `purpose`, `evidence`, `approvals` or `policy`.
    #[n(0)]
    pub check: String,
    /// Whether it holds.
    #[n(1)]
    pub satisfied: bool,
    /// What was found and what is asked.
    #[n(2)]
    pub detail: String,
    /// What to do next, when it does not hold.
    #[n(3)]
    pub hint: Option<String>,
}

/// Decides a request: a pure function of its arguments, so that anyone who holds them can replay it.
///
/// The order of the codes: `contract_not_in_force`, `purpose_not_allowed`, `not_accredited`, `approvals_missing`, then
/// Cedar: a forbid's `@code`, else `policy_denied`. A policy that cannot be evaluated refuses with `policy_error`.
pub fn decide(terms: &Terms, disclosed: &Disclosed, facts: &Facts) -> Decision {
    let mut account = Account { reasons: Vec::new(), code: None };
    in_force(terms, facts, &mut account);
    purpose(terms, facts, &mut account);
    accreditation(terms, facts, &mut account);
    approvals(terms, facts, &mut account);
    let answer = cedar(terms, disclosed, facts, &mut account);

    let allow = account.code.is_none();
    let mut obligations = if allow { answer.obligations } else { Vec::new() };
    if allow {
        let particulars = &disclosed.particulars;
        obligations.extend(particulars.retention_days.map(|days| ("retention_days".to_owned(), days.to_string())));
        obligations.extend(particulars.jurisdictions.iter().map(|code| ("jurisdiction".to_owned(), code.clone())));
        obligations.sort();
        obligations.dedup();
    }
    Decision {
        allow,
        code: account.code.unwrap_or_else(|| codes::ALLOWED.to_owned()),
        reasons: account.reasons,
        obligations,
        determining: answer.determining,
    }
}

/// The reasons so far, and the first failure's code.
struct Account {
    reasons: Vec<Reason>,
    code: Option<String>,
}

impl Account {
    fn note(&mut self, check: &str, satisfied: bool, code: &str, detail: String, hint: impl Into<Option<String>>) {
        if !satisfied {
            self.code.get_or_insert_with(|| code.to_owned());
        }
        let hint = if satisfied { None } else { hint.into() };
        self.reasons.push(Reason { check: check.to_owned(), satisfied, detail, hint });
    }
}

fn in_force(terms: &Terms, facts: &Facts, account: &mut Account) {
    let code = codes::CONTRACT_NOT_IN_FORCE;
    let (state, hint) = match facts.active {
        true => ("current", String::new()),
        false => ("suspended, revoked or amended", format!("ask {} for a contract that is in force", facts.owner)),
    };
    let detail = format!("version {} of contract {} is {state}", facts.version, facts.contract);
    account.note("contract", facts.active, code, detail, hint);

    let window = terms.window;
    let [from, to, now] = [window.not_before, window.not_after, facts.now].map(calendar::text);
    let detail = format!("the contract is in force from {from} to {to}; the decision is made at {now}");
    let hint = match facts.now < window.not_before {
        true => format!("apply again after {from}"),
        false => format!("ask {} to extend the contract", facts.owner),
    };
    account.note("window", window.contains(facts.now), code, detail, hint);
}

fn purpose(terms: &Terms, facts: &Facts, account: &mut Account) {
    let listed = terms.purposes.join(", ");
    let detail = format!("the request is for `{}`; the contract allows {listed}", facts.purpose);
    let hint = format!("apply for a purpose the contract allows: {listed}");
    account.note("purpose", terms.purposes.contains(&facts.purpose), codes::PURPOSE_NOT_ALLOWED, detail, hint);
}

fn accreditation(terms: &Terms, facts: &Facts, account: &mut Account) {
    for rule in &terms.evidence {
        let proven = facts.accreditations.contains(&rule.claim);
        let detail = match proven {
            true => format!("a {} proves `{}`", rule.kind, rule.claim),
            false => format!("no valid {} proves `{}`", rule.kind, rule.claim),
        };
        let hint = format!("attach a {} for `{}` by an issuer that the consortium accredits", rule.kind, rule.claim);
        account.note("evidence", proven, codes::NOT_ACCREDITED, detail, hint);
    }
}

fn approvals(terms: &Terms, facts: &Facts, account: &mut Account) {
    let (required, listed) = (terms.approvals.required, terms.approvals.approvers.len());
    let enough = facts.approvals >= u32::from(required);
    let detail = format!("{} approved; {required} of {listed} approvers must", facts.approvals);
    account.note(
        "approvals",
        enough,
        codes::APPROVALS_MISSING,
        detail,
        "wait for the approvers, or write to them".to_owned(),
    );
}

/// What Cedar adds to the account.
#[derive(Default)]
struct Answer {
    obligations: Vec<(String, String)>,
    determining: Vec<String>,
}

fn cedar(terms: &Terms, disclosed: &Disclosed, facts: &Facts, account: &mut Account) -> Answer {
    let outcome = terms
        .check_opening(disclosed)
        .map_err(|error| error.to_string())
        .and_then(|()| compiled(&disclosed.particulars.policy).map_err(|error| error.to_string()))
        .and_then(|policies| evaluate(&policies, terms, facts).map(|evaluation| (policies, evaluation)));
    let (policies, evaluation) = match outcome {
        Ok(outcome) => outcome,
        Err(problem) => {
            let hint = format!("tell {}: the contract's policy needs mending", facts.owner);
            account.note(
                "policy",
                false,
                codes::POLICY_ERROR,
                format!("the policy cannot be evaluated: {problem}"),
                hint,
            );
            return Answer::default();
        }
    };
    let determining: Vec<&Entry> = evaluation.determining.iter().map(|i| &policies.policies[*i]).collect();
    for entry in &determining {
        let code = entry.code.as_deref().unwrap_or(codes::POLICY_DENIED);
        // A global forbid restates a structured check: where that one has spoken, it need not.
        if account.code.is_some() && entry.name.starts_with("sottovoce/") && code != codes::MEANS_NOT_ALLOWED {
            continue;
        }
        let because = entry.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        let verb = if evaluation.allow { "permits" } else { "forbids" };
        let detail = format!("policy `{}` {verb} it{because}", entry.name);
        let hint = entry.hint.clone().unwrap_or_else(|| format!("read the contract's policy, or ask {}", facts.owner));
        account.note("policy", evaluation.allow, code, detail, hint);
    }
    if !evaluation.allow && determining.is_empty() {
        let permits: Vec<&Entry> = policies.policies.iter().filter(|entry| entry.effect == Effect::Permit).collect();
        let names = permits.iter().map(|entry| format!("`{}`", entry.name)).collect::<Vec<_>>().join(", ");
        let hints = permits.iter().filter_map(|entry| entry.hint.as_deref()).collect::<Vec<_>>().join("; ");
        let hint = if hints.is_empty() { format!("read the contract's policy, or ask {}", facts.owner) } else { hints };
        account.note(
            "policy",
            false,
            codes::POLICY_DENIED,
            format!("none of the policy's permits applies: {names}"),
            hint,
        );
    }
    Answer {
        obligations: determining.iter().flat_map(|entry| entry.obligations.clone()).collect(),
        determining: determining.iter().map(|entry| entry.name.clone()).collect(),
    }
}

/// Cedar's answer, with the determining policies by position.
struct Evaluation {
    allow: bool,
    determining: Vec<usize>,
}

fn evaluate(policies: &Compiled, terms: &Terms, facts: &Facts) -> Result<Evaluation, String> {
    let request = request(terms, facts)?;
    let response = AUTHORIZER.is_authorized(&request.0, &policies.set, &request.1);
    // Cedar skips a policy that fails; a skipped forbid would allow, so any failure refuses.
    if let Some(error) = response.diagnostics().errors().next() {
        return Err(error.to_string());
    }
    let reasons: HashSet<_> = response.diagnostics().reason().collect();
    let determining = (0..policies.policies.len()).filter(|i| reasons.contains(&policies.policies[*i].id)).collect();
    Ok(Evaluation { allow: response.decision() == Verdict::Allow, determining })
}

/// Terms and facts in the schema's words, validated against it.
fn request(terms: &Terms, facts: &Facts) -> Result<(Request, Entities), String> {
    if facts.now > MAX_TIME {
        return Err("the time of decision lies after the year 9999".to_owned());
    }
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let number = RestrictedExpression::new_long;
    fn set<'a>(names: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
        RestrictedExpression::new_set(names.into_iter().map(|name| RestrictedExpression::new_string(name.clone())))
    }
    let uid = |kind: &EntityTypeName, id: String| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));

    let principal = uid(&KINDS.principal, facts.requester.to_string());
    let asset = uid(&KINDS.asset, terms.asset.to_string());
    let action = uid(&KINDS.action, facts.means.as_str().to_owned());
    let context = Context::from_pairs([
        ("purpose".to_owned(), text(&facts.purpose)),
        ("approvals".to_owned(), number(facts.approvals.into())),
        ("now".to_owned(), RestrictedExpression::new_datetime(calendar::text(facts.now))),
        ("hour".to_owned(), number(calendar::hour(facts.now))),
        ("weekday".to_owned(), number(calendar::weekday(facts.now))),
        ("contract".to_owned(), text(&facts.contract)),
        ("version".to_owned(), number(facts.version.into())),
    ])
    .map_err(|error| error.to_string())?;
    let who = HashMap::from([("accreditations".to_owned(), set(&facts.accreditations))]);
    let what = HashMap::from([
        ("name".to_owned(), text(&facts.asset)),
        ("owner".to_owned(), text(&facts.owner)),
        ("means".to_owned(), text(terms.means.as_str())),
        ("purposes".to_owned(), set(&terms.purposes)),
        ("approvals".to_owned(), number(terms.approvals.required.into())),
    ]);
    let entities = [
        Entity::new(principal.clone(), who, HashSet::new()).map_err(|error| error.to_string())?,
        Entity::new(asset.clone(), what, HashSet::new()).map_err(|error| error.to_string())?,
    ];
    let entities = Entities::from_entities(entities, Some(&CEDAR_SCHEMA)).map_err(|error| error.to_string())?;
    let request =
        Request::new(principal, action, asset, context, Some(&CEDAR_SCHEMA)).map_err(|error| error.to_string())?;
    Ok((request, entities))
}

/// The schema's entity types.
struct Kinds {
    principal: EntityTypeName,
    asset: EntityTypeName,
    action: EntityTypeName,
}

static KINDS: LazyLock<Kinds> = LazyLock::new(|| {
    let kind = |name: &str| name.parse().expect("a plain identifier is a type name");
    Kinds { principal: kind("Principal"), asset: kind("Asset"), action: kind("Action") }
});
