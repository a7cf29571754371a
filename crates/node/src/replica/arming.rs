//! The ML-DSA key with which this member cosigns beside Ed25519: made and registered where the members have decided on it.

use std::sync::Arc;
use std::time::Duration;

use contracts::message::{Registration, registration};
use contracts::read;
use crypto::keystore::{self, FileKeys, Keys as _};
use crypto::{Digest, Label, mldsa};
use tokio::time::sleep;

use super::Own;
use crate::problem::ApiError;
use crate::service::{COSIGNER_ML_DSA, Node};

impl Own {
    /// The handle of the ML-DSA key with this public key, where this node holds it.
    pub(super) fn ml_dsa_cosigner(&self, key: &mldsa::PublicKey) -> Option<String> {
        let mut handles = self.ml_dsa_cosigners();
        handles.find(|handle| self.keys.ml_dsa(handle).is_ok_and(|public| public == *key))
    }

    /// Handles of ML-DSA keys that cosign, or did, or are to.
    pub(super) fn ml_dsa_cosigners(&self) -> impl Iterator<Item = String> {
        let of = |handle: &String| {
            handle.strip_prefix(COSIGNER_ML_DSA).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.keys.handles().into_iter().map(|(handle, _)| handle).filter(of)
    }
}

/// What registers the key with this handle as a member's; makes the key where there is none.
pub(crate) fn arm(
    keys: &FileKeys,
    handle: &str,
    chain: &Digest,
    member: &str,
) -> Result<Registration, keystore::Error> {
    let key = match keys.ml_dsa(handle) {
        Err(keystore::Error::Unknown { .. }) => keys.generate_ml_dsa(handle)?,
        key => key?,
    };
    let possession = keys.sign_ml_dsa(handle, Label::COSIGNER, &registration(chain, member, &key))?;
    Ok(Registration { key, possession })
}

/// Registers a key as soon as the parameters ask for one and the ledger has none of this member's. For as long as the node runs.
pub(crate) async fn register(node: Arc<Node>) {
    loop {
        if let Err(error) = register_once(&node).await {
            tracing::warn!(%error, "this node's ML-DSA key is not registered yet");
        }
        sleep(LOOK).await;
    }
}

async fn register_once(node: &Arc<Node>) -> Result<(), ApiError> {
    let view = node.replica.view()?;
    let lacks = read::asks_ml_dsa(&*view)?
        && read::ml_dsa(&*view, &node.member)?.is_none()
        && read::member(&*view, &node.member)?.is_some_and(|member| member.is_active());
    drop(view);
    if !lacks {
        return Ok(());
    }
    let own = Arc::clone(node);
    let made = move || arm(&own.keys, COSIGNER_ML_DSA, &own.replica.chain(), &own.member);
    let registration = tokio::task::spawn_blocking(made).await.map_err(ApiError::internal)??;
    let id = registration.key.id();
    node.submit_ok(vec![node.prepare("ordering", "register", &registration)?]).await?;
    tracing::info!(key = %id, "this node's ML-DSA key is registered");
    Ok(())
}

/// Between two looks at what the parameters ask for.
const LOOK: Duration = Duration::from_secs(2);
