//! The OpenAPI 3.1 document, made from the handlers.

use axum::response::{IntoResponse, Response};
use client::api as types;
use http::header;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, OpenApi as Description, RefOr, Type};
use utoipa::{Modify, OpenApi};

use super::{
    backup, escrow, events, governance, log, members, modules, private, release, request, search, signers, validators,
    verifiers,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sottovoce node",
        description = "One member's node. Requests are signed with the caller's Ed25519 key (RFC 9421); refusals are application/problem+json with a stable code. Ledger records are described in docs/spec/contracts.md. Every answer says in `sotto-height` how far the node's copy of the ledger is; a caller who names the highest that it was told, at any node, in the same header of its next call is not answered from before that: the node waits up to 5 seconds to get there, then refuses with `ledger_behind` (503, `Retry-After`), at once where it is more than 10,000 blocks behind. The height is a hint and decides nothing else.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        super::health,
        super::ready,
        super::metrics,
        super::consortium,
        super::checkpoint,
        super::certificate,
        members::submit,
        members::transaction,
        members::members,
        members::principals,
        members::issuers,
        signers::show,
        validators::keys,
        validators::seats,
        members::oracles,
        members::establish,
        escrow::show,
        escrow::opening,
        governance::list,
        governance::show,
        governance::parameters,
        governance::recoveries,
        members::seal,
        members::assets,
        members::contracts,
        members::contract,
        modules::list,
        modules::show,
        modules::kept,
        verifiers::list,
        verifiers::show,
        members::particulars,
        private::put,
        private::list,
        private::show,
        private::payload,
        private::purge,
        members::rotate,
        members::audit,
        backup::begin,
        backup::fetch,
        request::apply,
        request::list,
        request::show,
        request::judge,
        request::explain,
        request::receipt,
        request::inbox,
        release::grant,
        release::redeem,
        release::resume,
        release::compute,
        release::cancel,
        release::share,
        events::events,
        search::transactions,
        search::events,
        search::objects,
        log::checkpoint,
        log::tile,
        log::consistency,
        log::inclusion,
        log::records,
        log::state,
    ),
    components(schemas(types::Problem)),
    modifiers(&Heights)
)]
struct Document;

/// The header that every call but those about the node itself may carry.
struct Heights;

impl Modify for Heights {
    fn modify(&self, description: &mut Description) {
        let schema = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).build();
        let height = ParameterBuilder::new()
            .name(client::seen::HEIGHT.as_str())
            .parameter_in(ParameterIn::Header)
            .description(Some("The height of the ledger that the node must have reached before it answers."))
            .schema(Some(schema))
            .build();
        let paths = description.paths.paths.iter_mut().filter(|(path, _)| path.starts_with("/v1/"));
        for (_, path) in paths {
            let methods = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
            for operation in methods.into_iter().flatten() {
                operation.parameters.get_or_insert_default().push(RefOr::T(height.clone()));
            }
        }
    }
}

/// This document.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text()).into_response()
}

/// The document as JSON text.
pub(crate) fn text() -> String {
    Document::openapi().to_pretty_json().expect("the document is plain data")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What the API promises changes only together with this file, by `BLESS=1 cargo test`.
    #[test]
    fn the_document_is_the_published_one() {
        let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec/openapi.json");
        let document = super::text() + "\n";
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&published, &document).unwrap();
        }
        assert!(
            std::fs::read_to_string(published).unwrap() == document,
            "docs/spec/openapi.json is not what is served"
        );
    }
}
