//! The OpenAPI 3.1 document, made from the handlers.

use axum::response::{IntoResponse, Response};
use client::api as types;
use http::header;
use utoipa::OpenApi;

use super::{members, release, request};

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
        release::share,
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
