//! What a node tells of itself.

use client::Client;
use tokio::runtime::Runtime;

/// The value of one series, where the node has it.
pub(crate) fn metric(runtime: &Runtime, client: &Client, series: &str) -> Option<f64> {
    let text = runtime.block_on(async {
        let asked = client.endpoint().ask(http::Method::GET, "/metrics", http::HeaderMap::new(), client::http::empty());
        asked.await.unwrap().text().await.unwrap()
    });
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}
