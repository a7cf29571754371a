//! Grants as Biscuit tokens: signed by the proxy, bound to one key, narrowed by attenuation for that key only.

use std::time::Duration;

use biscuit_auth::builder::{Algorithm, AuthorizerBuilder, BiscuitBuilder};
use biscuit_auth::{AuthorizerLimits, Biscuit, KeyPair, PrivateKey};
use contracts::code;
use crypto::{Digest, PublicKey, Secret};

use crate::problem::ApiError;

/// Makes and checks grant tokens.
pub(crate) struct Mint {
    root: KeyPair,
}

/// What a token grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// The grant on the ledger.
    pub grant: Digest,
    /// The only key that may present it.
    pub holder: PublicKey,
    /// First moment, Unix milliseconds.
    pub not_before: u64,
    /// Last moment, Unix milliseconds.
    pub not_after: u64,
}

impl Mint {
    /// The mint of a root key's seed.
    ///
    /// # Errors
    /// When the seed is not 32 bytes.
    pub(crate) fn new(seed: &Secret<Vec<u8>>) -> Result<Self, ApiError> {
        let key = seed.expose(|seed| PrivateKey::from_bytes(seed, Algorithm::Ed25519));
        Ok(Self { root: KeyPair::from(&key.map_err(|error| ApiError::internal(format!("the mint's key: {error}")))?) })
    }

    /// A token for these claims.
    pub(crate) fn issue(&self, claims: &Claims) -> Result<Vec<u8>, ApiError> {
        let Claims { grant, holder, not_before, not_after } = claims;
        // Only hex and integers enter the program text, so that nothing in it can be injected.
        let code = format!(
            r#"grant("{grant}"); holder("{holder}"); window({not_before}, {not_after});
               check if presenter("{holder}");
               check if now($t), $t >= {not_before}, $t <= {not_after};"#
        );
        let token = BiscuitBuilder::new().code(code).and_then(|builder| builder.build(&self.root));
        token.and_then(|token| token.to_vec()).map_err(|error| ApiError::internal(format!("a grant token: {error}")))
    }

    /// Checks a token presented by `presenter` at `now` (Unix milliseconds).
    ///
    /// # Errors
    /// `grant_invalid`, `grant_wrong_key`, `grant_not_yet`, `grant_expired`, or `grant_narrowed` where an attenuation
    /// forbids it.
    pub(crate) fn check(&self, token: &[u8], presenter: &PublicKey, now: u64) -> Result<Claims, ApiError> {
        let invalid = |detail: String| ApiError::new(code::GRANT_INVALID, detail);
        if token.len() > 4096 {
            return Err(invalid("the token is longer than 4,096 bytes".into()));
        }
        let token = Biscuit::from(token, self.root.public()).map_err(|error| invalid(error.to_string()))?;
        let code = format!(r#"presenter("{presenter}"); now({now}); allow if grant($g);"#);
        let authorizer = AuthorizerBuilder::new().code(code).map(|builder| builder.set_limits(limits()));
        let mut authorizer =
            authorizer.and_then(|builder| builder.build(&token)).map_err(|error| invalid(error.to_string()))?;
        let facts: Vec<(String, String, i64, i64)> = authorizer
            .query_with_limits("data($g, $h, $a, $b) <- grant($g), holder($h), window($a, $b)", limits())
            .map_err(|error| invalid(error.to_string()))?;
        let [(grant, holder, not_before, not_after)] = facts.as_slice() else {
            return Err(invalid("the token does not state one grant".into()));
        };
        let claims = Claims {
            grant: grant.parse().map_err(|_| invalid("the grant's identity is malformed".into()))?,
            holder: holder.parse().map_err(|_| invalid("the holder's key is malformed".into()))?,
            not_before: *not_before as u64,
            not_after: *not_after as u64,
        };
        if claims.holder != *presenter {
            return Err(ApiError::new(code::GRANT_WRONG_KEY, "the grant belongs to another key"));
        }
        if now < claims.not_before {
            return Err(ApiError::new(
                code::GRANT_NOT_YET,
                format!("the grant opens in {} ms", claims.not_before - now),
            ));
        }
        if now > claims.not_after {
            return Err(ApiError::new(
                code::GRANT_EXPIRED,
                format!("the grant ended {} ms ago", now - claims.not_after),
            ));
        }
        let allowed = authorizer.authorize_with_limits(limits());
        allowed.map_err(|error| ApiError::new(code::GRANT_NARROWED, format!("the token was narrowed: {error}")))?;
        Ok(claims)
    }
}

/// Generous in time, since the default of a millisecond refuses on a busy machine; strict in size.
fn limits() -> AuthorizerLimits {
    AuthorizerLimits { max_facts: 100, max_iterations: 20, max_time: Duration::from_secs(1) }
}

#[cfg(test)]
mod tests {
    use biscuit_auth::builder::BlockBuilder;
    use crypto::SigningKey;

    use super::*;

    fn mint(seed: u8) -> Mint {
        Mint::new(&Secret::new(vec![seed; 32])).unwrap()
    }

    fn claims(holder: PublicKey) -> Claims {
        Claims { grant: Digest::from([7; 32]), holder, not_before: 1_000, not_after: 2_000 }
    }

    #[test]
    fn honours_only_its_holder_in_its_window() {
        let (holder, thief) = (SigningKey::generate().public(), SigningKey::generate().public());
        let token = mint(1).issue(&claims(holder)).unwrap();
        assert_eq!(mint(1).check(&token, &holder, 1_500).unwrap(), claims(holder));
        let code = |mint: &Mint, token: &[u8], key, now| mint.check(token, key, now).unwrap_err().code;
        assert_eq!(code(&mint(1), &token, &thief, 1_500), "grant_wrong_key");
        assert_eq!(code(&mint(1), &token, &holder, 999), "grant_not_yet");
        assert_eq!(code(&mint(1), &token, &holder, 2_001), "grant_expired");
        assert_eq!(code(&mint(2), &token, &holder, 1_500), "grant_invalid");
        for at in 0..token.len() {
            let mut changed = token.clone();
            changed[at] ^= 1;
            assert!(mint(1).check(&changed, &holder, 1_500).is_err(), "byte {at}");
        }
    }

    #[test]
    fn narrowing_holds_and_cannot_widen() {
        let (holder, thief) = (SigningKey::generate().public(), SigningKey::generate().public());
        let token = mint(1).issue(&claims(holder)).unwrap();
        let append = |code: &str| {
            let token = Biscuit::from(&token, mint(1).root.public()).unwrap();
            token.append(BlockBuilder::new().code(code).unwrap()).unwrap().to_vec().unwrap()
        };
        let narrowed = append("check if now($t), $t <= 1200;");
        assert!(mint(1).check(&narrowed, &holder, 1_100).is_ok());
        assert_eq!(mint(1).check(&narrowed, &holder, 1_300).unwrap_err().code, "grant_narrowed");
        let widened = append(&format!(r#"holder("{thief}"); window(0, 9000);"#));
        assert_eq!(mint(1).check(&widened, &thief, 1_500).unwrap_err().code, "grant_wrong_key");
        assert_eq!(mint(1).check(&widened, &holder, 5_000).unwrap_err().code, "grant_expired");
    }
}
