use std::convert::Infallible;

use crypto::{SigningKey, sha256};
use proptest::prelude::*;

use super::*;

const URI: &str = "https://node.example:7000/v1/requests?after=7";
const NOW: u64 = 1_800_000_000_123;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn signed(method: &Method, uri: &str, body: Option<&Digest>) -> HeaderMap {
    let sign = |base: &[u8]| Ok::<_, Infallible>(key().sign_raw(base));
    sign_request(method, uri, body, &key().public(), NOW, sign).unwrap()
}

fn set(headers: &HeaderMap, name: HeaderName, value: &str) -> HeaderMap {
    let mut headers = headers.clone();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    headers
}

fn text(headers: &HeaderMap, name: HeaderName) -> String {
    headers[name].to_str().unwrap().to_owned()
}

/// RFC 9421 appendix B.2.6 with the key of B.1.4: our signature base gives the RFC's signature.
#[test]
fn rfc_9421_b_2_6() {
    let seed = wire::text::base64("n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=").unwrap();
    let key = SigningKey::from_seed(&seed.try_into().unwrap());
    assert_eq!(wire::text::to_base64(key.public().0.as_ref()), "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
    let components = [
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("@method", "POST"),
        ("@path", "/foo"),
        ("@authority", "example.com"),
        ("content-type", "application/json"),
        ("content-length", "18"),
    ];
    let parameters = concat!(
        r#"("date" "@method" "@path" "@authority" "content-type" "content-length")"#,
        r#";created=1618884473;keyid="test-key-ed25519""#
    );
    let expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    let signature = key.sign_raw(signature_base(components.into_iter(), parameters).as_bytes());
    assert_eq!(wire::text::to_base64(signature.0.as_ref()), expected);

    for at in 0..components.len() {
        let mut tampered = components;
        tampered[at].1 = "another";
        let base = signature_base(tampered.into_iter(), parameters);
        assert!(key.public().verify_raw(base.as_bytes(), &signature).is_err());
    }
}

/// The body and digest of RFC 9421 appendix B.2 (`sha-512` there, hence RFC 9530 appendix B.1's `sha-256` sibling).
#[test]
fn content_digest_of_rfc_9530() {
    let digest = sha256(&[b"{\"hello\": \"world\"}\n"]);
    assert_eq!(digest_field(&digest), "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    assert_eq!(parse_digest(&digest_field(&digest)).unwrap(), digest);
}

/// The profile itself, frozen: the fields of `docs/spec/http-signatures.md`.
#[test]
fn the_profile_is_frozen() {
    let body = sha256(&[b"{}"]);
    let input = Input { created: 1_800_000_000, expires: 1_800_000_060, nonce: Fixed([1; 16]), key: key().public() };
    let base = base(&Method::POST, "https://a:1/x", Some(&digest_field(&body)), &input.to_string(true));
    let expected = concat!(
        "\"@method\": POST\n",
        "\"@target-uri\": https://a:1/x\n",
        "\"content-digest\": sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:\n",
        "\"@signature-params\": (\"@method\" \"@target-uri\" \"content-digest\");created=1800000000;expires=1800000060",
        ";nonce=\"AQEBAQEBAQEBAQEBAQEBAQ==\"",
        ";keyid=\"ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c\";alg=\"ed25519\""
    );
    assert_eq!(base, expected);
    assert_eq!(
        key().sign_raw(base.as_bytes()).to_string(),
        "414412089055c8e957bfef4ca1e6a20f110424280b7cee73c302f2c37a9aefe554bc0e8e7e5a4747d69924fa6931de5690c945522c8f0d25f75503123bb6d40c"
    );
}

#[test]
fn accepts_what_was_signed() {
    for body in [None, Some(sha256(&[b"body"]))] {
        let headers = signed(&Method::PUT, URI, body.as_ref());
        let verified = verify(&Method::PUT, URI, &headers, NOW).unwrap();
        assert_eq!((verified.key, verified.content), (key().public(), body));
        assert_eq!((verified.created, verified.expires), (NOW / 1000, NOW / 1000 + MAX_LIFE));
        assert_eq!(verified.check_body(&sha256(&[b"body"])).is_ok(), body.is_some());
        assert_eq!(verified.check_body(&sha256(&[])).is_ok(), body.is_none());
    }
    let nonces = [(); 2].map(|()| verify(&Method::GET, URI, &signed(&Method::GET, URI, None), NOW).unwrap().nonce);
    assert_ne!(nonces[0], nonces[1]);
}

#[test]
fn refuses_any_tampered_component() {
    let body = sha256(&[b"body"]);
    let headers = signed(&Method::POST, URI, Some(&body));
    let refused = |method: &Method, uri: &str, headers: &HeaderMap| verify(method, uri, headers, NOW).unwrap_err();

    assert_eq!(refused(&Method::PUT, URI, &headers), Error::Signature);
    for uri in [
        "https://other.example:7000/v1/requests?after=7",
        "https://node.example:7001/v1/requests?after=7",
        "https://node.example:7000/v1/request?after=7",
        "https://node.example:7000/v1/requests?after=8",
        "https://node.example:7000/v1/requests",
        "http://node.example:7000/v1/requests?after=7",
    ] {
        assert_eq!(refused(&Method::POST, uri, &headers), Error::Signature, "{uri}");
    }
    let other = digest_field(&sha256(&[b"bodx"]));
    assert_eq!(refused(&Method::POST, URI, &set(&headers, CONTENT_DIGEST, &other)), Error::Signature);

    let input = text(&headers, SIGNATURE_INPUT);
    let nonce = input.split('"').nth(7).unwrap();
    let parameters = [
        ("created=1800000000", "created=1800000001"),
        ("expires=1800000060", "expires=1800000059"),
        (nonce, "AQEBAQEBAQEBAQEBAQEBAQ=="),
        (&key().public().to_string(), &SigningKey::from_seed(&[8; 32]).public().to_string()),
    ];
    for (from, to) in parameters {
        let tampered = input.replace(from, to);
        assert_ne!(tampered, input);
        assert_eq!(refused(&Method::POST, URI, &set(&headers, SIGNATURE_INPUT, &tampered)), Error::Signature, "{to}");
    }
}

#[test]
fn refuses_other_components_spellings_and_repetitions() {
    let body = sha256(&[b"body"]);
    let headers = signed(&Method::POST, URI, Some(&body));
    let input = text(&headers, SIGNATURE_INPUT);
    let nonce = input.split('"').nth(7).unwrap();
    let rewrites = [
        // A body that the signature would not cover, and a cover without a body.
        (r#" "content-digest")"#, ")"),
        (r#""@method" "#, ""),
        (r#""@target-uri""#, r#""@path""#),
        (r#""@method" "@target-uri""#, r#""@target-uri" "@method""#),
        ("created=1800000000", "created=+1800000000"),
        ("created=1800000000", "created=01800000000"),
        (";created", "; created"),
        ("expires=1800000060", "expires=99999999999999999999"),
        (nonce, "AQ=="),
        (nonce, "AQEBAQEBAQEBAQEBAQEBAR=="),
        ("alg=\"ed25519\"", "alg=\"hmac-sha256\""),
        (";alg=\"ed25519\"", ""),
        ("alg=\"ed25519\"", "alg=\"ed25519\";tag=\"x\""),
        ("sotto=", "other="),
        ("keyid=\"e", "keyid=\"E"),
    ];
    for (from, to) in rewrites {
        let tampered = input.replacen(from, to, 1);
        assert_ne!(tampered, input, "{from}");
        let error = verify(&Method::POST, URI, &set(&headers, SIGNATURE_INPUT, &tampered), NOW).unwrap_err();
        assert_eq!(error, Error::Malformed(INPUT), "{to}");
    }

    let signature = text(&headers, SIGNATURE);
    for tampered in
        [signature.replace("sotto", "sig1"), format!("{signature}, {signature}"), signature.replace(":", "")]
    {
        let headers = set(&headers, SIGNATURE, &tampered);
        assert_eq!(verify(&Method::POST, URI, &headers, NOW).unwrap_err(), Error::Malformed("signature"));
    }
    let digest = text(&headers, CONTENT_DIGEST);
    for tampered in [digest.replace("256", "512"), format!("{digest}, {digest}"), digest.replace("=:", "=")] {
        let headers = set(&headers, CONTENT_DIGEST, &tampered);
        assert_eq!(verify(&Method::POST, URI, &headers, NOW).unwrap_err(), Error::Malformed("content-digest"));
    }

    for name in [SIGNATURE_INPUT, SIGNATURE, CONTENT_DIGEST] {
        let mut repeated = headers.clone();
        repeated.append(name.clone(), headers[&name].clone());
        assert_eq!(verify(&Method::POST, URI, &repeated, NOW).unwrap_err(), Error::Repeated(name.clone()));
        let mut missing = headers.clone();
        missing.remove(&name);
        assert!(verify(&Method::POST, URI, &missing, NOW).is_err());
    }
    assert_eq!(verify(&Method::POST, URI, &HeaderMap::new(), NOW).unwrap_err(), Error::Missing);
    assert!(is_signed(&headers) && !is_signed(&HeaderMap::new()));
}

#[test]
fn refuses_outside_its_time() {
    let headers = signed(&Method::GET, URI, None);
    let at = |seconds: i64| verify(&Method::GET, URI, &headers, NOW.checked_add_signed(seconds * 1000).unwrap());
    for seconds in [-(MAX_AHEAD as i64), 0, MAX_LIFE as i64] {
        assert!(at(seconds).is_ok(), "{seconds}");
    }
    for seconds in [-(MAX_AHEAD as i64) - 1, MAX_LIFE as i64 + 1, 86_400] {
        assert!(matches!(at(seconds), Err(Error::Time { .. })), "{seconds}");
    }

    // Signed by the right key, but to live too long or backwards.
    for (created, expires) in [(0, MAX_LIFE + 1), (1, 0), (0, u64::MAX), (u64::MAX, u64::MAX)] {
        let input = Input { created, expires, nonce: Fixed([1; 16]), key: key().public() };
        let parameters = input.to_string(false);
        let signature = key().sign_raw(base(&Method::GET, URI, None, &parameters).as_bytes());
        let headers = set(&headers, SIGNATURE_INPUT, &format!("{LABEL}={parameters}"));
        let headers = set(&headers, SIGNATURE, &format!("{LABEL}=:{}:", wire::text::to_base64(signature.0.as_ref())));
        assert!(matches!(verify(&Method::GET, URI, &headers, 0), Err(Error::Time { .. })));
    }
}

#[test]
fn the_target_is_the_servers_own_address() {
    let uri: Uri = "/v1/requests?after=7".parse().unwrap();
    assert_eq!(target_uri("https://node.example:7000/", &uri), URI);
    let absolute: Uri = "https://evil.example/v1/requests?after=7".parse().unwrap();
    assert_eq!(target_uri("https://node.example:7000", &absolute), URI);
}

proptest! {
    #[test]
    fn arbitrary_fields_never_panic(input in "\\PC{0,120}", signature in "[ -~]{0,120}", digest in proptest::option::of("[ -~]{0,80}")) {
        let mut headers = HeaderMap::new();
        let fields = [(SIGNATURE_INPUT, Some(input)), (SIGNATURE, Some(signature)), (CONTENT_DIGEST, digest)];
        for (name, value) in fields {
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
                headers.insert(name, value);
            }
        }
        prop_assert!(verify(&Method::GET, URI, &headers, NOW).is_err());
    }

    #[test]
    fn parameters_have_one_spelling(created: u64, expires: u64, nonce: [u8; 16], key: [u8; 32], with_body: bool) {
        let input = Input { created, expires, nonce: Fixed(nonce), key: PublicKey(Fixed(key)) };
        let text = input.to_string(with_body);
        prop_assert_eq!(Input::parse(&text, with_body).unwrap().to_string(with_body), text.clone());
        prop_assert!(Input::parse(&text, !with_body).is_err());
    }

    #[test]
    fn refuses_any_changed_byte(at in any::<prop::sample::Index>(), which in 0usize..3, to in 0x20u8..0x7f) {
        let headers = signed(&Method::POST, URI, Some(&sha256(&[b"body"])));
        let name = [SIGNATURE_INPUT, SIGNATURE, CONTENT_DIGEST][which].clone();
        let mut field = text(&headers, name.clone()).into_bytes();
        let at = at.index(field.len());
        prop_assume!(field[at] != to);
        field[at] = to;
        let tampered = set(&headers, name, std::str::from_utf8(&field).unwrap());
        prop_assert!(verify(&Method::POST, URI, &tampered, NOW).is_err());
    }
}
