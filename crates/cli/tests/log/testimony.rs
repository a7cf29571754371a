//! Testimony of a real witness, in receipts.

use std::fs;
use std::path::PathBuf;

use client::wallet::{PRINCIPAL, Wallet};
use contracts::message::{Apply, ContractVersion};
use crypto::kem::{PrivateKey, Suite};
use crypto::{Digest, Label};
use ledger::Transaction;
use serde_json::Value;
use wire::Fixed;

use crate::python;
use crate::site::{Site, fill, now, passphrase, until};

/// A request that the ledger refuses at once: its receipt tells so.
async fn refused_request(site: &Site, home: &str) -> Digest {
    let client = site.operator(home);
    let keys = Wallet::open(&site.path(home).join("operator"), &passphrase()).unwrap().keys();
    let nowhere = ContractVersion { contract: Digest::from(crypto::random::<32>()), version: 1 };
    let apply = Apply {
        contracts: vec![nowhere],
        purpose: "research".into(),
        ephemeral: PrivateKey::generate(Suite::X25519).public().clone(),
        justification: Digest::from(crypto::random::<32>()),
        evidence: vec![],
    };
    let call = Transaction {
        chain: client.chain(),
        sender: client.key(),
        nonce: Fixed(crypto::random()),
        expires: now() + 600_000,
        contract: "requests".into(),
        method: "apply".into(),
        arguments: wire::to_vec(&apply).into(),
    };
    let signed = call.sign_with(|label: Label, message| keys.sign(PRINCIPAL, label, message)).unwrap();
    let results = client.submit_signed(std::slice::from_ref(&signed)).await;
    assert!(matches!(&results, Ok(_) | Err(client::Error::Refused { .. })), "{results:?}");
    signed.id()
}

/// What a real witness cosigned goes into receipts, and is demanded of them offline, by both readers.
pub(crate) async fn testimony(site: &Site, witness: &str) {
    let request = refused_request(site, "health").await.to_string();
    site.told("health", &["receipt", &request, "--out", "plain.receipt"]);
    let first = site.told("health", &["receipt", &request, "--witnessed", "--out", "first.receipt"]);
    assert_eq!(first["testimony"]["claimed"], serde_json::json!(["witness.test/1"]), "{first}");
    let text = |name: &str| fs::read_to_string(site.path(name)).unwrap();
    assert!(text("plain.receipt").starts_with("sottovoce-receipt/v1\n"));
    assert!(text("first.receipt").starts_with("sottovoce-receipt/v2\n"));
    // Later, of a log that has grown.
    fill(site, "anna", 40).await;
    let later =
        ["receipt", "witness", "plain.receipt", "--out", "later.receipt", "--wait", "120", "--witness", witness];
    let size = |told: &Value| told["testimony"]["size"].as_u64().unwrap();
    let mut grown = site.told("health", &later);
    until("the witness has cosigned more", async || {
        fs::remove_file(site.path("later.receipt")).unwrap();
        grown = site.told("health", &later);
        size(&grown) > size(&first)
    })
    .await;
    let body = text("plain.receipt").replacen("/v1\n", "/v2\n", 1);
    assert!(text("later.receipt").starts_with(&format!("{body}\nconsistency ")));
    assert!(site.refused("health", &later).contains("later.receipt"));

    // Demanded by its key, in a file of keys, as one of several.
    let other = ledger::WitnessKey::new("other.test/1", crypto::SigningKey::generate().public()).unwrap().to_string();
    fs::write(site.path("witnesses"), format!("# whom we rely on\n{witness}\n{other}\n")).unwrap();
    fn verify<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [&["verify", name, "--consortium", "consortium.toml"], more].concat()
    }
    for (name, told) in [("first.receipt", &first), ("later.receipt", &grown)] {
        for more in [&["--witness", witness][..], &["--witness", "witnesses", "--witnesses", "1"]] {
            let verified = site.told("none", &verify(name, more));
            assert_eq!(verified["witnesses"][0][0], "witness.test/1", "{verified}");
            assert_eq!((&verified["testimony"]["size"], &verified["log"]), (&told["testimony"]["size"], &Value::Null));
        }
        let unchecked = site.told("none", &verify(name, &[]));
        assert!(unchecked["witnesses"].is_null() && unchecked["testimony"]["claimed"][0] == "witness.test/1");
        let text = String::from_utf8(site.run("none", &verify(name, &[])).stdout).unwrap();
        assert!(text.contains("1 witness's line") && text.contains("none was checked"), "{text}");
        for more in
            [&["--witness", &other][..], &["--witness", "witnesses"], &["--witness", "witnesses", "--witnesses", "2"]]
        {
            let refused = site.refused("none", &verify(name, more));
            assert!(refused.contains("not_witnessed") && refused.contains("other.test/1"), "{refused}");
        }
    }
    // As people read it, without the frame and its line ends.
    let flat = |text: &str| text.split_whitespace().filter(|word| *word != "\u{2502}").collect::<Vec<_>>().join(" ");
    let refused = flat(&site.refused("none", &verify("plain.receipt", &["--witness", witness])));
    assert!(refused.contains("not_witnessed") && refused.contains("sotto receipt witness"), "{refused}");
    assert!(
        site.refused("none", &verify("later.receipt", &["--witness", "witnesses", "--witnesses", "3"])).contains("3")
    );
    assert!(site.refused("none", &verify("later.receipt", &["--witness", "missing"])).contains("missing"));
    assert!(site.refused("none", &verify("later.receipt", &["--witnesses", "1"])).contains("--witness"));
    let validator = &site.consortium().epochs.last().unwrap().validators[0].clone();
    let validator = ledger::WitnessKey::new(&validator.name, validator.key).unwrap().to_string();
    let refused = site.refused("none", &verify("later.receipt", &["--witness", &validator]));
    assert!(refused.contains("witness_not_independent"), "{refused}");

    // The other member's node asks no witness, and says so; a mirror that was witnessed has all that is needed.
    let at_anna = ["receipt", "witness", "plain.receipt", "--out", "x.receipt", "--member", "anna", "--wait", "0"];
    until("her node has published what covers the receipt", async || {
        flat(&site.refused("health", &at_anna)).contains("the node asks none")
    })
    .await;
    assert!(!site.path("x.receipt").exists());
    until("the mirror has a witnessed checkpoint that covers the receipt", async || {
        site.told("health", &["log", "export", "log"]);
        let _ = fs::remove_file(site.path("mirrored.receipt"));
        let mirrored = ["receipt", "witness", "plain.receipt", "--out", "mirrored.receipt", "--log", "log"];
        site.run("none", &[&mirrored[..], &["--consortium", "consortium.toml", "--witness", witness]].concat())
            .status
            .success()
    })
    .await;
    site.told("none", &verify("mirrored.receipt", &["--witness", witness]));
    site.told("none", &verify("plain.receipt", &["--log", "log", "--witness", witness]));
    let both = site.refused("none", &verify("plain.receipt", &["--log", "log", "--witness", "witnesses"]));
    assert!(both.contains("not_witnessed") && both.contains("other.test/1"), "{both}");

    // The reader in Python, and changed ones.
    let reader = |name: &str| {
        let arguments = [name, "--consortium", "consortium.toml"].map(|name| match name.starts_with("--") {
            true => name.into(),
            false => site.path(name),
        });
        let witness = ["--witness".into(), PathBuf::from(witness)];
        python::run("interop/verify_receipt.py", arguments.into_iter().chain(witness), None).status.success()
    };
    assert!(
        reader("first.receipt") && reader("later.receipt") && reader("mirrored.receipt") && !reader("plain.receipt")
    );
    let whole = fs::read(site.path("later.receipt")).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 10) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(site.path("changed.receipt"), changed).unwrap();
        assert!(!site.run("none", &verify("changed.receipt", &["--witness", witness])).status.success());
        assert!(!reader("changed.receipt"));
    }
}
