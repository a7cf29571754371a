//! Whether the ports through which validators order together are open to here.

use std::time::Duration;

use client::Client;
use client::api::Seat;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Findings, Level};

/// Tries each validator's seat, where a node lives: these ports need be open to nobody else.
pub(super) async fn look(client: &Client, has_node: bool, findings: &mut Findings) {
    let seats = match client.seats().await {
        Ok(seats) => seats,
        Err(error) => {
            let hint = "its log says why; an earlier version does not tell where validators take part";
            return findings.bad(Level::Warning, "port", "", error.to_string(), hint);
        }
    };
    if !has_node {
        if !seats.is_empty() {
            findings.ok("port", "", "not tried: no node lives in this home, and only nodes use the validators' ports");
        }
        return;
    }
    let tried = seats.into_iter().map(|seat| async move {
        let tried = connect(&seat.address).await;
        (seat, tried)
    });
    for (Seat { member, address }, tried) in futures_util::future::join_all(tried).await {
        match tried {
            Ok(()) => findings.ok("port", member, format!("{address} takes a validator's connections")),
            Err(why) => findings.bad(
                Level::Warning,
                "port",
                member,
                format!("{address}: {why}"),
                "does that node run and vote? If so open this port (validator.listen) to all validators' nodes, in every firewall between",
            ),
        }
    }
}

/// Connects and hangs up, which the other end takes for a handshake that broke off.
async fn connect(address: &str) -> Result<(), String> {
    match timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_port_is_open_as_long_as_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(connect(&address).await, Ok(()));
        drop(listener);
        assert!(connect(&address).await.unwrap_err().contains("refused"));
    }
}
