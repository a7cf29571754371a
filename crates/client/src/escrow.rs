//! Opening with the escrow agents: their partial openings, put together by whom the members have named.

use std::path::Path;

use contracts::escrow::{context, sealed_info};
use crypto::escrow::{Partial, combine};
use crypto::{Digest, Secret};
use vault::Access;
use wire::Limits;

use crate::api::{EscrowOpeningView, EscrowView};
use crate::client::{Client, Error};
use crate::fetch::{Received, open, registered_root};
use crate::flow::Ephemeral;

impl Client {
    /// `GET /v1/escrow`: the escrow agents in force, and the key's way to the next ones.
    pub async fn escrow(&self) -> Result<EscrowView, Error> {
        self.get("/v1/escrow").await
    }

    /// `GET /v1/escrow/openings/{id}`: an opening by its proposal, with the agents' contributions.
    pub async fn escrow_opening(&self, proposal: &Digest) -> Result<EscrowOpeningView, Error> {
        self.get(&format!("/v1/escrow/openings/{proposal}")).await
    }

    /// Opens a sealed object by what the escrow agents have contributed to a decided opening, whose recipient `key` is; `plaintext` appears
    /// only once the whole object was found to be the registered one.
    ///
    /// # Errors
    /// [`Error::Escrow`] where too few agents have contributed so far, or wrongly; [`Error::Object`] where the object is not intact, or not
    /// the one that was decided.
    pub async fn open_escrowed(
        &self,
        proposal: &Digest,
        key: &Ephemeral,
        sealed: &Path,
        plaintext: &Path,
    ) -> Result<Received, Error> {
        let view = self.escrow_opening(proposal).await?;
        let assets = self.assets().await?;
        let asset = assets.into_iter().find(|asset| asset.id == view.opening.asset);
        let root = asset
            .as_ref()
            .and_then(registered_root)
            .ok_or(Error::Unfit("the asset has no registered root of its sealed object"))?;
        let data = data_key(&view, &self.chain(), key)?;
        let (sealed, plaintext) = (sealed.to_owned(), plaintext.to_owned());
        let opened = move || open(&sealed, &root, &Access::DataKey(&data), &plaintext);
        tokio::task::spawn_blocking(opened).await.expect("opening an object does not panic")
    }
}

/// The data key, from the first epoch of which enough agents have contributed rightly.
fn data_key(view: &EscrowOpeningView, chain: &Digest, key: &Ephemeral) -> Result<Secret<[u8; 32]>, Error> {
    let EscrowOpeningView { opening, contributions, epochs } = view;
    let mut failed = Error::Unfit("no escrow agent has contributed yet");
    for epoch in epochs {
        let context = context(chain, opening, epoch.number);
        let of_epoch = contributions.iter().filter(|one| one.epoch == epoch.number);
        let partials: Vec<Partial> = of_epoch
            .filter_map(|one| {
                // An agent's contribution that does not open, or says nothing, is as good as none.
                let opened = key.open(&sealed_info(&context, one.index), b"", &one.sealed).ok()?;
                // Proven by itself, and worth nothing without the others'.
                let partial = opened.expose(|bytes| wire::from_slice::<Partial>(bytes, Limits::small())).ok()?;
                (partial.index == one.index).then_some(partial)
            })
            .collect();
        match combine(&epoch.group, &opening.wrap, &opening.object, &context, &partials) {
            Ok(data) => return Ok(data),
            Err(error) => failed = Error::Escrow(error),
        }
    }
    Err(failed)
}
