//! A mirror in an object store.

use std::fs;
use std::process::Stdio;

use serde_json::Value;

use crate::site::{Site, fill, until};
use crate::store;

/// A bucket of an object store is brought up to a mirror, and is one itself.
pub(crate) async fn buckets(site: &Site) {
    let store = store::Store::start(&site.path("store"));
    fs::write(site.path("authority.pem"), store.authority()).unwrap();
    let export =
        ["--json", "log", "export", "log", "--to", "s3://logs/of/trial", "--region", "eu-test-1", "--endpoint"];
    let vouched = ["--authorities", "authority.pem"];
    let run = |keys: &[(&str, &str)], more: &[&str]| {
        let mut command = site.command("health", &[&export[..], &[store.url()], more].concat());
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_SESSION_TOKEN");
        let output = command.envs(keys.iter().copied()).stdin(Stdio::null()).output().unwrap();
        let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(!error.contains(store::SECRET) && !error.contains("Signature") && !out.contains(store::SECRET));
        match output.status.success() {
            true => Ok(serde_json::from_str::<Value>(&out).unwrap()["store"].clone()),
            false => Err(error + &out),
        }
    };
    let keys = |secret| [("AWS_ACCESS_KEY_ID", store::ID), ("AWS_SECRET_ACCESS_KEY", secret)];
    assert!(run(&[], &vouched).unwrap_err().contains("AWS_ACCESS_KEY_ID"));
    assert!(run(&keys(store::SECRET), &[]).unwrap_err().contains("--authorities"));
    assert!(run(&keys("another"), &vouched).unwrap_err().contains("403"));
    assert_eq!(store.taken(), 0);

    // Cut off, it has no checkpoint yet, and goes on from there.
    let place = site.path("store/logs/of/trial");
    store.takes(2);
    assert!(run(&keys(store::SECRET), &vouched).unwrap_err().contains("refused PUT"));
    assert!(store.taken() == 2 && !place.join("checkpoint").exists());
    store.takes(usize::MAX);
    let told = run(&keys(store::SECRET), &vouched).unwrap();
    assert!(told["before"] == 0 && told["to"] == "s3://logs/of/trial/", "{told}");
    let check = ["log", "check", place.to_str().unwrap(), "--consortium", "consortium.toml"];
    let checked = site.told("none", &check);
    assert_eq!(checked["records"], checked["checkpoint"]["size"]);

    // What is there already does not travel again.
    let before = store.taken();
    fill(site, "health", 2).await;
    let size = checked["checkpoint"]["size"].as_u64().unwrap();
    until("two more are in the bucket", async || {
        run(&keys(store::SECRET), &vouched).unwrap();
        site.told("none", &check)["records"].as_u64().unwrap() >= size + 2
    })
    .await;
    assert!(store.taken() - before <= 24, "{} objects", store.taken() - before);
    let again = run(&keys(store::SECRET), &vouched).unwrap();
    assert!(again["before"].as_u64().unwrap() >= size + 2, "{again}");

    // What is no log of ours is left alone.
    let kept = fs::read(place.join("checkpoint")).unwrap();
    fs::write(place.join("checkpoint"), "not a checkpoint\n").unwrap();
    assert!(run(&keys(store::SECRET), &vouched).unwrap_err().contains("checkpoint"));
    fs::write(place.join("checkpoint"), kept).unwrap();
}
