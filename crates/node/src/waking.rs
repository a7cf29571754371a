//! Has a block made where the ledger has work of its own to do, or a private payload's date has come, and nobody sends anything after
//! which that could be.

use std::sync::Arc;
use std::time::Duration;

use contracts::message::Wake;
use contracts::read;
use tokio::time::{sleep, timeout};

use crate::problem::ApiError;
use crate::service::Node;

/// Looks for as long as the node runs.
pub(crate) async fn run(node: Arc<Node>) {
    loop {
        sleep(PAUSE).await;
        let wakes = match timeout(ANSWER, wake(&node)).await {
            Ok(wakes) => wakes,
            Err(_) => Err(ApiError::new(contracts::code::UNAVAILABLE, "nobody has ordered it")),
        };
        match wakes {
            Ok(true) => tracing::debug!("a block was made for what is due"),
            Ok(false) => {}
            // Others try, too, and this node again.
            Err(error) => tracing::debug!(%error, "no block was made for what is due"),
        }
    }
}

/// Sends a transaction that does nothing, where something has been due for as long as this node waits for others to.
async fn wake(node: &Node) -> Result<bool, ApiError> {
    let view = node.replica.view()?;
    let (trigger, alarm) = (read::next_trigger(&*view)?, read::next_alarm(&*view)?);
    let deadline = read::next_deadline(&*view)?;
    // The ledger's own work, or a private payload's date that no block has reached.
    let date = node.privates.next_date().filter(|date| *date > node.replica.time());
    let triggers = [trigger, deadline].map(|trigger| trigger.map(|trigger| trigger.at));
    let due = triggers.into_iter().chain([alarm.map(|alarm| alarm.at), date]).flatten().min();
    let Some(due) = due else { return Ok(false) };
    let waited = node.now().saturating_sub(due.max(node.replica.time()));
    if waited < GRACE {
        return Ok(false);
    }
    let members = read::active_members(&*view)?;
    let Some(turn) = members.iter().position(|member| member.card.name == node.member) else { return Ok(false) };
    if waited < patience(turn) {
        return Ok(false);
    }
    drop(view);
    let wake = node.prepare("triggers", "wake", &Wake { height: node.replica.height() })?;
    node.submit_ok(vec![wake]).await?;
    Ok(true)
}

/// How long a member waits for those before it, milliseconds.
fn patience(turn: usize) -> u64 {
    GRACE + STEP.saturating_mul(turn as u64)
}

/// How long a node waits for whoever else may send something, milliseconds.
const GRACE: u64 = 2_000;
/// How much longer each next member waits, milliseconds.
const STEP: u64 = 3_000;
/// How often a node looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the ordering may take.
const ANSWER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_waits_for_those_before_it() {
        assert_eq!([patience(0), patience(1), patience(3)], [2_000, 5_000, 11_000]);
    }
}
