//! `sotto bench mpc`: every work by every protocol that does it, small; each result is opened and compared by the bench itself.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// The rows of a run with `--json`.
fn rows(args: &[&str]) -> Vec<Value> {
    let sotto = Command::new(env!("CARGO_BIN_EXE_sotto")).args(["bench", "mpc", "--json"]).args(args).output().unwrap();
    let told = String::from_utf8_lossy(&sotto.stderr);
    assert!(sotto.status.success(), "{args:?}: {told}");
    let result: Value = serde_json::from_slice(&sotto.stdout).unwrap();
    result["rows"].as_array().unwrap().clone()
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
