//! The OpenAPI 3.1 document, made from the handlers.

use axum::response::{IntoResponse, Response};
use client::api as types;
use http::header;
use utoipa::OpenApi;

use super::{log, members, release, request};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sottovoce node",
        description = "One member's node. Requests are signed with the caller's Ed25519 key (RFC 9421); refusals are application/problem+json with a stable code. Ledger records are described in docs/spec/contracts.md.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        super::health,
        super::ready,
        super::metrics,
        super::consortium,
        super::checkpoint,
        members::submit,
        members::transaction,
        members::members,
        members::principals,
        members::issuers,
        members::oracles,
        members::establish,
        members::seal,
        members::assets,
        members::contracts,
        members::contract,
        members::particulars,
        members::audit,
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
        log::checkpoint,
        log::tile,
        log::consistency,
        log::inclusion,
        log::records,
        log::state,
    ),
    components(schemas(types::Problem))
)]
struct Document;

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
