//! The doctor, on nodes that are well and on ill ones.

use std::fs;

use serde_json::Value;

use crate::ports;
use crate::site::Site;

#[test]
fn the_doctor_tells_what_is_wrong() {
    let site = Site::new();
    let init = ["init", "--member", "health", "--consortium", "Ill", "--regulator", "--listen"];
    site.told("health", &[&init[..], &[&ports::free()]].concat());
    let node = site.start("health", "node", &[]);
    site.told("health", &["invite", "anna", "--out", "anna.invitation"]);
    let fingerprint = site.told("health", &["member", "export", "--out", "consortium.toml"])["fingerprint"].clone();
    let join = ["join", "anna.invitation", "--fingerprint", fingerprint.as_str().unwrap(), "--listen"];
    site.told("anna", &[&join[..], &[&ports::free()]].concat());
    let other = site.start("anna", "node", &[]);
    let level = |told: &Value, what: &str, of: &str| {
        let found = told["findings"].as_array().unwrap().iter().find(|one| one["what"] == what && one["of"] == of);
        found.unwrap_or_else(|| panic!("{what} {of}: {told}"))["level"].as_str().unwrap().to_owned()
    };
    let ill = |arguments: &[&str]| -> Value {
        let output = site.run("health", arguments);
        assert_eq!(output.status.code(), Some(1));
        // One object, also where it ends with a failure.
        serde_json::from_slice(&output.stdout).unwrap()
    };

    let told = site.told("health", &["doctor"]);
    assert_eq!((&told["ok"], &told["faults"]), (&true.into(), &0.into()), "{told}");
    for of in ["health", "anna"] {
        assert_eq!((level(&told, "reach", of), level(&told, "clock", of)), ("ok".into(), "ok".into()));
    }
    assert_eq!((level(&told, "log", ""), level(&told, "oracles", "")), ("ok".into(), "warning".into()));
    let text = String::from_utf8(site.run("health", &["doctor"]).stdout).unwrap();
    assert!(text.contains("sotto member oracles"), "{text}");

    drop(other);
    let keys = site.path("health/node/keys.sealed");
    fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let told = ill(&["--json", "doctor"]);
    assert_eq!(level(&told, "reach", "anna"), "warning");
    assert_eq!(level(&told, "keys", &keys.canonicalize().unwrap().display().to_string()), "fault");
    drop(node);
    let told = ill(&["--json", "doctor"]);
    assert_eq!(level(&told, "node", "health"), "fault");
}
