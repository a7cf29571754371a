//! Identifiers as people type them: whole, a unique beginning of at least six digits, or a name.

use client::Client;
use client::api::RequestView;
use contracts::record::{Asset, Contract, Standing};
use crypto::Digest;

use crate::error::Failure;

/// The one of `candidates` whose identifier begins with `prefix`.
///
/// # Errors
/// Where it is no beginning of an identifier, or of none or of several of them; `what` names the kind of thing.
pub(crate) fn prefix<T>(what: &str, text: &str, candidates: Vec<(Digest, T)>) -> Result<T, Failure> {
    let text = text.to_ascii_lowercase();
    if text.len() < LEAST || text.len() > 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::new(format!("`{text}` names no {what}"))
            .hint(format!("give the identifier, or its first digits: {LEAST} of them at least")));
    }
    let mut found: Vec<(Digest, T)> =
        candidates.into_iter().filter(|(id, _)| id.to_string().starts_with(&text)).collect();
    match found.len() {
        0 => Err(Failure::new(format!("no {what} that you can see begins with `{text}`")).hint(format!(
            "list them and check the digits; a whole identifier of 64 digits finds others' {what}s too"
        ))),
        1 => Ok(found.remove(0).1),
        several => Err(Failure::new(format!("{several} {what}s begin with `{text}`")).hint("give more digits")),
    }
}

/// A contract: identifier, unique beginning, or `MEMBER/ASSET/MEANS` (the newest active one; `MEANS` may be left out
/// where there is one only).
///
/// # Errors
/// Where there is none such, or several.
pub(crate) async fn contract(client: &Client, text: &str) -> Result<Contract, Failure> {
    if let Ok(id) = text.parse::<Digest>() {
        return Ok(client.contract(&id).await?);
    }
    let contracts = client.contracts().await?;
    let Some((owner, rest)) = text.split_once('/') else {
        return prefix("contract", text, contracts.into_iter().map(|one| (one.id, one)).collect());
    };
    let (name, means) = rest.split_once('/').map_or((rest, None), |(name, means)| (name, Some(means)));
    let asset = asset(client, &format!("{owner}/{name}")).await?;
    let mut fitting: Vec<Contract> = contracts
        .into_iter()
        .filter(|one| one.terms.asset == asset.id && one.standing == Standing::Active)
        .filter(|one| means.is_none_or(|means| one.terms.means.as_str() == means))
        .collect();
    fitting.sort_by_key(|one| one.since);
    let kinds = fitting.iter().map(|one| one.terms.means).collect::<std::collections::BTreeSet<_>>().len();
    match fitting.pop() {
        Some(_) if kinds > 1 => Err(Failure::new(format!("`{text}` has contracts for release and for compute"))
            .hint(format!("say which: {owner}/{name}/release or {owner}/{name}/compute"))),
        Some(newest) => Ok(newest),
        None => Err(Failure::new(format!("no active contract is about `{text}`")).hint("see `sotto contract list`")),
    }
}

/// An asset: identifier, unique beginning, or `MEMBER/NAME`.
///
/// # Errors
/// Where there is none such.
pub(crate) async fn asset(client: &Client, text: &str) -> Result<Asset, Failure> {
    let assets = client.assets().await?;
    match text.split_once('/') {
        None => prefix("asset", text, assets.into_iter().map(|one| (one.id, one)).collect()),
        Some((owner, name)) => assets
            .into_iter()
            .find(|one| one.owner == owner && one.registered.name == name)
            .ok_or_else(|| Failure::new(format!("there is no asset `{text}`")).hint("see `sotto asset list`")),
    }
}

/// A request: identifier, or a unique beginning among one's own and those that wait for one's approval.
///
/// # Errors
/// Where there is none such, or several.
pub(crate) async fn request(client: &Client, text: &str) -> Result<Digest, Failure> {
    if let Ok(id) = text.parse::<Digest>() {
        return Ok(id);
    }
    let mut candidates: Vec<(Digest, Digest)> = Vec::new();
    for view in own(client).await?.into_iter().chain(inbox(client).await?) {
        let id = view.request.id;
        if !candidates.iter().any(|(known, _)| *known == id) {
            candidates.push((id, id));
        }
    }
    prefix("request", text, candidates)
}

/// All of the caller's requests, oldest first.
///
/// # Errors
/// The node's.
pub(crate) async fn own(client: &Client) -> Result<Vec<RequestView>, Failure> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let page = client.requests(after.as_deref()).await?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() || items.len() >= MOST {
            return Ok(items);
        }
    }
}

/// All requests that wait for the caller's approval.
///
/// # Errors
/// The node's.
pub(crate) async fn inbox(client: &Client) -> Result<Vec<RequestView>, Failure> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let page = client.inbox(after.as_deref()).await?;
        items.extend(page.items);
        after = page.next;
        if after.is_none() || items.len() >= MOST {
            return Ok(items);
        }
    }
}

/// Fewest digits of an abbreviated identifier.
const LEAST: usize = 6;
/// Most items that a listing reads.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_must_be_long_enough_known_and_unique() {
        let id = |first: u8, second: u8| {
            let mut bytes = [0; 32];
            (bytes[0], bytes[1], bytes[2], bytes[3]) = (first, 1, 2, second);
            Digest::from(bytes)
        };
        let candidates = || vec![(id(0xaa, 1), 1), (id(0xaa, 2), 2), (id(0xbb, 1), 3)];
        assert_eq!(prefix("request", "BB0102", candidates()).unwrap(), 3);
        assert_eq!(prefix("request", "aa010202", candidates()).unwrap(), 2);
        assert_eq!(prefix("request", &id(0xaa, 1).to_string(), candidates()).unwrap(), 1);
        for (text, told) in [
            ("aa0102", "2 requests begin with"),
            ("cc0102", "no request that you can see"),
            ("bb010", "6 of them at least"),
            ("northgate", "names no request"),
        ] {
            let failure = prefix("request", text, candidates()).unwrap_err().render(false);
            assert!(failure.contains(told), "{told} is not in:\n{failure}");
        }
    }
}
