//! Searching the node's read model: what is asked, as node and client share it, and how it is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crypto::{Digest, PublicKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::{Found, FoundEvent, FoundObject, FoundTransaction};
use crate::client::{Client, Error, escape};

/// Which transactions; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Transactions {
    /// Whose identity begins with these hexadecimal digits.
    pub id: Option<String>,
    /// Signed by this key.
    #[param(value_type = Option<String>)]
    pub sender: Option<PublicKey>,
    /// Of this contract of the ledger, such as `requests`.
    pub contract: Option<String>,
    /// Of this method, such as `apply`.
    pub method: Option<String>,
    /// With this outcome: `ok`, a code, or `refused` for all that is not `ok`.
    pub code: Option<String>,
    /// In this block or a later one.
    pub from_height: Option<u64>,
    /// In this block or an earlier one.
    pub to_height: Option<u64>,
    /// In a block of this time or later, Unix milliseconds.
    pub since: Option<u64>,
    /// In a block of this time or earlier, Unix milliseconds.
    pub until: Option<u64>,
    /// Where to begin: `newest` (unless stated) or `oldest`.
    #[param(value_type = Option<String>)]
    pub order: Option<Order>,
    /// At most so many, up to 200; 50 unless stated.
    pub limit: Option<u32>,
    /// The `next` of the page before, of the same search.
    pub after: Option<String>,
}

/// Which events; all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Events {
    /// Of this name (`request.allowed`), or of all names that begin with this word (`request`).
    pub name: Option<String>,
    /// That concern this member.
    pub member: Option<String>,
    /// About this.
    pub subject: Option<String>,
    /// That belong to this request.
    #[param(value_type = Option<String>)]
    pub request: Option<Digest>,
    /// In this block or a later one.
    pub from_height: Option<u64>,
    /// In this block or an earlier one.
    pub to_height: Option<u64>,
    /// In a block of this time or later, Unix milliseconds.
    pub since: Option<u64>,
    /// In a block of this time or earlier, Unix milliseconds.
    pub until: Option<u64>,
    /// Where to begin: `newest` (unless stated) or `oldest`.
    #[param(value_type = Option<String>)]
    pub order: Option<Order>,
    /// At most so many, up to 200; 50 unless stated.
    pub limit: Option<u32>,
    /// The `next` of the page before, of the same search.
    pub after: Option<String>,
}

/// Which members, assets, contracts and requests; all that is given must hold. Blocks and times are those of the transaction that made it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct Objects {
    /// Of this kind: `member`, `asset`, `contract`, `request`.
    #[param(value_type = Option<String>)]
    pub kind: Option<ObjectKind>,
    /// That stand so, such as `active` or `pending` (docs/spec/read-model.md lists them).
    pub status: Option<String>,
    /// Requests that were refused with this code.
    pub code: Option<String>,
    /// Whose name begins with this: a member's, an asset's, a request's purpose.
    pub name: Option<String>,
    /// Whose identity begins with this: hexadecimal digits, or a member's name.
    pub id: Option<String>,
    /// That concern this member: its assets and contracts, the requests that it is a party to.
    pub member: Option<String>,
    /// That stand under this: contracts of an asset, requests under a contract.
    #[param(value_type = Option<String>)]
    pub under: Option<Digest>,
    /// Made by this key.
    #[param(value_type = Option<String>)]
    pub maker: Option<PublicKey>,
    /// In this block or a later one.
    pub from_height: Option<u64>,
    /// In this block or an earlier one.
    pub to_height: Option<u64>,
    /// In a block of this time or later, Unix milliseconds.
    pub since: Option<u64>,
    /// In a block of this time or earlier, Unix milliseconds.
    pub until: Option<u64>,
    /// Where to begin: `newest` (unless stated) or `oldest`.
    #[param(value_type = Option<String>)]
    pub order: Option<Order>,
    /// At most so many, up to 200; 50 unless stated.
    pub limit: Option<u32>,
    /// The `next` of the page before, of the same search.
    pub after: Option<String>,
}

/// Where a search begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// With what came last.
    #[default]
    Newest,
    /// With what came first.
    Oldest,
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A member.
    Member,
    /// A registered asset.
    Asset,
    /// A contract over an asset.
    Contract,
    /// A request.
    Request,
}

impl ObjectKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Member, Self::Asset, Self::Contract, Self::Request];

    /// Its name, as the API has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Asset => "asset",
            Self::Contract => "contract",
            Self::Request => "request",
        }
    }
}

impl Client {
    /// `GET /v1/search/transactions`: a page of transactions.
    ///
    /// # Errors
    /// As all calls.
    pub async fn search_transactions(&self, which: &Transactions) -> Result<Found<FoundTransaction>, Error> {
        self.search("transactions", which).await
    }

    /// `GET /v1/search/events`: a page of events.
    ///
    /// # Errors
    /// As all calls.
    pub async fn search_events(&self, which: &Events) -> Result<Found<FoundEvent>, Error> {
        self.search("events", which).await
    }

    /// `GET /v1/search/objects`: a page of members, assets, contracts and requests.
    ///
    /// # Errors
    /// As all calls.
    pub async fn search_objects(&self, which: &Objects) -> Result<Found<FoundObject>, Error> {
        self.search("objects", which).await
    }

    async fn search<T: DeserializeOwned>(&self, what: &str, which: &impl Serialize) -> Result<T, Error> {
        self.get(&path(what, which)).await
    }
}

fn path(what: &str, which: &impl Serialize) -> String {
    let fields = serde_json::to_value(which).expect("a search has texts and numbers only");
    let mut path = format!("/v1/search/{what}");
    let mut mark = '?';
    // In the order of their names, however JSON keeps them.
    let fields: BTreeMap<_, _> = fields.as_object().into_iter().flatten().collect();
    for (key, value) in fields {
        let value = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        _ = write!(path, "{mark}{key}={}", escape(&value));
        mark = '&';
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_what_is_given() {
        assert_eq!(path("events", &Events::default()), "/v1/search/events");
        let which = Objects {
            kind: Some(ObjectKind::Request),
            name: Some("care & more".into()),
            limit: Some(7),
            order: Some(Order::Oldest),
            ..Objects::default()
        };
        assert_eq!(
            path("objects", &which),
            "/v1/search/objects?kind=request&limit=7&name=care%20%26%20more&order=oldest"
        );
    }
}
