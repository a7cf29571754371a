//! The log where validators order.

use crate::site::{Site, fill, finding, until};
use crate::{ports, python};

/// Where the validators order together: the same log, witnessed, mirrored and proven, and certificates are not needed for it, but to be
/// had and read.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_validators_order_is_one_log_too() {
    let site = Site::new();
    let (listen, order) = (ports::free(), ports::free());
    let found = ["init", "--member", "m0", "--consortium", "Together", "--listen", &listen, "--order-listen", &order];
    site.told("m0", &[found.as_slice(), &["--regulator"]].concat());
    let mut programs = vec![site.start("m0", "node", &[])];
    for name in ["m1", "m2", "m3"] {
        let (invitation, listen, order) = (format!("{name}.invitation"), ports::free(), ports::free());
        let invited = site.told("m0", &["invite", name, "--out", &invitation]);
        let fingerprint = invited["fingerprint"].as_str().unwrap();
        let join = ["join", &invitation, "--listen", &listen, "--order-listen", &order, "--fingerprint", fingerprint];
        site.told(name, &join);
        programs.push(site.start(name, "node", &[]));
    }
    let certificate = |home: &str| site.run(home, &["member", "validators", "certificate", "--out", "certificate"]);
    assert!(String::from_utf8_lossy(&certificate("m0").stderr).contains("not_found"), "one node orders");
    until("all have a seat, and begin", async || site.run("m0", &["member", "validators", "begin"]).status.success())
        .await;
    let ordering = async |home: &str| {
        site.operator(home).health().await.is_ok_and(|health| health.ordering.starts_with("quorum "))
    };
    until("the validators order", async || {
        ordering("m0").await && ordering("m1").await && ordering("m2").await && ordering("m3").await
    })
    .await;
    site.told("m0", &["member", "export", "--out", "consortium.toml"]);
    let before = site.told("m0", &["log", "check", "--out", "seen.note"])["checkpoint"]["size"].as_u64().unwrap();

    // Their ports are open to each other, and to have tried them disturbs nothing.
    let told = site.doctor("m1");
    for member in ["m0", "m1", "m2", "m3"] {
        assert_eq!(finding(&told, "port", member).0, "ok");
        assert_eq!(finding(&told, "key age", member).0, "ok");
    }
    assert!(finding(&told, "port", "m0").1.contains(&order));

    // The founder's node is stopped: log and state are published and proven all the same.
    drop(programs.remove(0));
    let told = site.doctor("m1");
    let (port, found) = finding(&told, "port", "m0");
    assert!(port == "warning" && found.starts_with(&order), "{found}");
    assert_eq!(finding(&told, "port", "m2").0, "ok");
    fill(&site, "m1", 260).await;
    until("it is published", async || {
        site.told("m2", &["log", "export", "log"])["size"].as_u64().unwrap() >= before + 260
    })
    .await;
    let checked =
        site.told("none", &["log", "check", "log", "--consortium", "consortium.toml", "--since", "seen.note"]);
    assert!(checked["records"] == checked["checkpoint"]["size"] && checked["cosigners"].as_array().unwrap().len() >= 3);
    let arguments = [site.path("log"), "--consortium".into(), site.path("consortium.toml")];
    assert!(python::run("interop/verify_log.py", arguments, None).status.success());
    // The newest slate is final by the others' votes, as the reader finds by the consortium file alone.
    assert!(certificate("m1").status.success());
    let read = || {
        let arguments = [site.path("certificate"), "--consortium".into(), site.path("consortium.toml")];
        python::run("interop/verify_certificate.py", arguments, None)
    };
    let verified = read();
    let told = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success() && told.starts_with("verified: slate "), "{told}");
    let mut bytes = std::fs::read(site.path("certificate")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(site.path("certificate"), bytes).unwrap();
    assert!(!read().status.success());
    site.told("m1", &["log", "check", "--since", "seen.note", "--member", "m3"]);
    let proven = site.told("m3", &["state", "prove", "member/m2", "--out", "m2.state"]);
    assert!(proven["value"].is_string() && proven["cosigners"].as_array().unwrap().len() == 3);
    let early = site.told("m3", &["state", "prove", "member/m3", "--height", "1", "--out", "early.state"]);
    assert!(early["value"].is_null());
    for file in ["m2.state", "early.state"] {
        site.told("none", &["verify", file, "--consortium", "consortium.toml"]);
        let arguments = [site.path(file), "--consortium".into(), site.path("consortium.toml")];
        assert!(python::run("interop/verify_state.py", arguments, None).status.success());
    }
}
