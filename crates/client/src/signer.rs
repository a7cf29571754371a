//! Signing contracts twice: with Ed25519 and, where that is demanded, with an ML-DSA-65 key beside it (`docs/spec/signers.md`).
//!
//! The key is made in the wallet the first time it is needed, and registered on the ledger before it signs.

use contracts::message::SignerRegister;
use contracts::signers::{join, signed_twice, statement};
use crypto::keystore::{self, Kind};
use crypto::{Digest, Label, PublicKey, mldsa};
use http::StatusCode;
use ledger::SignedTransaction;
use minicbor::Encode;

use crate::api::{SignerView, TransactionResult};
use crate::client::{Client, Error};
use crate::http as transport;

impl Client {
    /// `GET /v1/signers/{key}`. A node of a version that knew of no second signatures demands none.
    pub async fn signer(&self, key: &PublicKey) -> Result<SignerView, Error> {
        match self.get(&format!("/v1/signers/{key}")).await {
            Err(Error::Http(transport::Error::Status(StatusCode::NOT_FOUND))) => Ok(SignerView::default()),
            answer => answer,
        }
    }

    /// Signs and submits a call of one of [`contracts::signers::SIGNED_TWICE`], with both keys where that is demanded; an ML-DSA key is made
    /// and registered first where there is none.
    ///
    /// # Errors
    /// [`Error::SecondKeyLost`]; [`Error::Refused`] where the ledger recorded a refusal.
    pub async fn submit_twice_signed<A: Encode<()>>(
        &self,
        contract: &str,
        method: &str,
        arguments: &A,
    ) -> Result<TransactionResult, Error> {
        let signed = self.sign_twice(contract, method, arguments).await?;
        Ok(self.submit_signed(&[signed]).await?.remove(0))
    }

    /// As [`Client::sign_transaction`], with both keys where that is demanded.
    ///
    /// # Errors
    /// As [`Client::submit_twice_signed`].
    pub async fn sign_twice<A: Encode<()>>(
        &self,
        contract: &str,
        method: &str,
        arguments: &A,
    ) -> Result<SignedTransaction, Error> {
        let view = self.signer(&self.key()).await?;
        let handle = match &view.registered {
            Some(registered) => self.second_key(&registered.key)?,
            None if view.demanded => self.register_second_key().await?,
            None => return self.sign_transaction(contract, method, arguments),
        };
        let mut transaction = self.unsigned(contract, method, arguments);
        let statement = signed_twice(&transaction, &transaction.arguments);
        let signature = self.keys().sign_ml_dsa(&handle, Label::CONTRACT, &statement)?;
        let joined = join(contract, method, &transaction.arguments, &signature);
        transaction.arguments = joined.ok_or(Error::Unfit("this is not signed twice"))?.into();
        transaction.sign_with(|label, message| self.sign(label, message))
    }

    /// Registers an ML-DSA key, which is made where the key store holds none, beside the client's own; returns its identifier. One that
    /// is registered stays.
    ///
    /// # Errors
    /// [`Error::SecondKeyLost`] where another one is registered; [`Error::Refused`] where the ledger recorded a refusal.
    pub async fn register_signer(&self) -> Result<Digest, Error> {
        if let Some(registered) = self.signer(&self.key()).await?.registered {
            self.second_key(&registered.key)?;
            return Ok(registered.key.id());
        }
        let handle = self.register_second_key().await?;
        Ok(self.keys().ml_dsa(&handle)?.id())
    }

    /// Makes a new ML-DSA key and has the registered one hand over to it; returns its identifier.
    ///
    /// # Errors
    /// [`Error::Unfit`] where none is registered, [`Error::SecondKeyLost`]; [`Error::Refused`] where the ledger recorded a refusal.
    pub async fn rotate_signer(&self) -> Result<Digest, Error> {
        let registered = self.signer(&self.key()).await?.registered;
        let registered = registered.ok_or(Error::Unfit("no ML-DSA key is registered that could be replaced"))?;
        let before = self.second_key(&registered.key)?;
        let handle = format!("{}/{}", self.second_handle(), wire::text::to_hex(&crypto::random::<8>()));
        let key = self.keys().generate_ml_dsa(&handle)?;
        self.register_key(&handle, key, Some(&before)).await
    }

    /// The handle under which the key store holds a registered ML-DSA key.
    ///
    /// # Errors
    /// [`Error::SecondKeyLost`].
    pub fn second_key(&self, key: &mldsa::PublicKey) -> Result<String, Error> {
        let prefix = self.second_handle();
        for (handle, kind) in self.keys().handles() {
            if kind == Kind::MlDsa && handle.starts_with(&prefix) && self.keys().ml_dsa(&handle)? == *key {
                return Ok(handle);
            }
        }
        Err(Error::SecondKeyLost { key: key.id() })
    }

    /// Registers the first ML-DSA key; its handle.
    async fn register_second_key(&self) -> Result<String, Error> {
        let handle = self.second_handle();
        // One that is there was made when something broke off.
        let key = match self.keys().ml_dsa(&handle) {
            Err(keystore::Error::Unknown { .. }) => self.keys().generate_ml_dsa(&handle)?,
            key => key?,
        };
        self.register_key(&handle, key, None).await?;
        Ok(handle)
    }

    async fn register_key(&self, handle: &str, key: mldsa::PublicKey, before: Option<&str>) -> Result<Digest, Error> {
        let statement = statement(&self.chain(), &self.key(), &key);
        let sign = |handle: &str| self.keys().sign_ml_dsa(handle, Label::SIGNER, &statement);
        let (possession, handover) = (sign(handle)?, before.map(sign).transpose()?);
        let id = key.id();
        self.submit("signers", "register", &SignerRegister { key, possession, handover }).await?;
        Ok(id)
    }

    /// The handle of the ML-DSA key beside the client's own; later ones have more after a slash.
    fn second_handle(&self) -> String {
        format!("{}/ml-dsa", self.handle())
    }
}
