//! `sotto bench mpc`: every work by every protocol that does it, small; each result is opened and compared by the bench itself.
//! `sotto bench ledger`: what it tells, of a small load.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// What a bench tells with `--json`.
fn bench(name: &str, args: &[&str]) -> Value {
    let sotto = Command::new(env!("CARGO_BIN_EXE_sotto")).args(["bench", name, "--json"]).args(args).output().unwrap();
    let told = String::from_utf8_lossy(&sotto.stderr);
    assert!(sotto.status.success(), "{args:?}: {told}");
    serde_json::from_slice(&sotto.stdout).unwrap()
}

fn rows(args: &[&str]) -> Vec<Value> {
    bench("mpc", args)["rows"].as_array().unwrap().clone()
}

fn check(row: &Value) {
    for key in ["seconds", "wall_seconds", "cpu_seconds"] {
        assert!(row[key].as_f64().unwrap() > 0.0, "{row}");
    }
    for key in ["parties", "n", "bytes", "rounds", "peak_bytes"] {
        assert!(row[key].as_u64().unwrap() > 0, "{row}");
    }
}

#[test]
fn every_work_by_every_protocol() {
    let mut seen = BTreeSet::new();
    for row in rows(&["--n", "40", "--runs", "1"]) {
        check(&row);
        let of = |key: &str| row[key].as_str().unwrap().to_owned();
        seen.insert((of("work"), of("protocol"), of("adversary"), row["parties"].as_u64().unwrap()));
    }
    for work in ["mul", "dot", "lt", "sort", "mulseq", "sum", "sum1"] {
        for (protocol, adversary) in [("rep3", "semi-honest"), ("rep3", "malicious"), ("shamir", "semi-honest")] {
            assert!(
                seen.contains(&(work.into(), protocol.into(), adversary.into(), 3)),
                "{work} by {protocol}, {adversary}"
            );
        }
    }
    for parties in [3, 5, 10, 32] {
        assert!(seen.contains(&("sum".into(), "shamir".into(), "semi-honest".into(), parties)));
    }
    for parties in [3, 10, 16] {
        assert!(seen.contains(&("sum".into(), "additive".into(), "semi-honest".into(), parties)));
    }
}

#[test]
fn distances_are_played() {
    let seconds = |net: &str| {
        let rows = rows(&[
            "--n",
            "5",
            "--runs",
            "1",
            "--work",
            "mulseq",
            "--protocol",
            "rep3",
            "--adversary",
            "semi-honest",
            "--net",
            net,
        ]);
        check(&rows[0]);
        assert_eq!(rows.len(), 1);
        rows[0]["seconds"].as_f64().unwrap()
    };
    // Five multiplications, each half a round trip.
    assert!(seconds("lan") > 5.0 * 0.000_1);
    assert!(seconds("wan") > 5.0 * 0.025);
}

#[test]
fn four_validators_order_records() {
    let told = bench("ledger", &["--validators", "4", "--tx", "256", "--rate", "100", "--seconds", "3"]);
    for key in ["tx_per_second", "p50_ms", "p99_ms", "blocks_per_second", "disk_bytes_per_tx"] {
        assert!(told[key].as_f64().unwrap() > 0.0, "{told}");
    }
    assert_eq!((&told["rate"], &told["seconds"], &told["validators"]), (&100.into(), &3.into(), &4.into()), "{told}");
    assert!((200..=300).contains(&told["transactions"].as_u64().unwrap()), "{told}");
    // The smallest record there is: two ids, a signature, two keys and names.
    assert!((256..=320).contains(&told["tx_bytes"].as_u64().unwrap()), "{told}");
    let larger = bench("ledger", &["--tx", "900", "--rate", "20", "--seconds", "1"]);
    assert!(larger["tx_bytes"].as_u64().unwrap().abs_diff(900) < 20, "{larger}");
}

/// Memory of a party does not grow with the rows.
#[test]
#[ignore = "nightly: a hundred million rows, minutes"]
fn a_hundred_million_rows_take_bounded_memory() {
    for (work, protocol) in [("sum", "rep3"), ("mul", "rep3"), ("sum", "additive")] {
        let args = ["--n", "100000000", "--runs", "1", "--adversary", "semi-honest", "--parties", "3"];
        let rows = rows(&[&args[..], &["--work", work, "--protocol", protocol]].concat());
        check(&rows[0]);
        // One column alone has 800 MB.
        assert!(rows[0]["peak_bytes"].as_u64().unwrap() < 400 << 20, "{}", rows[0]);
    }
}
