//! Prints how long one decision takes, with a policy seen before and with a new one.

use std::hint::black_box;
use std::time::Instant;

use policy::{ContractFile, Facts, decide};

fn main() -> Result<(), policy::FileError> {
    let mut file = ContractFile::parse(
        "format = \"sottovoce-contract/v1\"\ntitle = \"t\"\nasset = \"trial\"\nmeans = \"release\"\npurposes = [\"research\"]\n\
         [window]\ndays = 30\n[[evidence]]\nkind = \"credential\"\nclaim = \"researcher\"\n",
    )?;
    let (now, asset) = (1_795_253_400_000, crypto::Digest::from([7; 32]));
    let facts = Facts {
        requester: crypto::SigningKey::generate().public(),
        purpose: "research".to_owned(),
        now,
        approvals: 0,
        accreditations: ["researcher".to_owned()].into(),
        contract: "c1".to_owned(),
        version: 1,
        active: true,
        means: file.means,
        asset: "trial".to_owned(),
        owner: "northgate".to_owned(),
    };
    let (terms, disclosed) = file.terms(now, asset, |_| None, None)?;
    let rounds = 10_000;
    let start = Instant::now();
    for _ in 0..rounds {
        assert!(black_box(decide(&terms, &disclosed, &facts)).allow);
    }
    println!("known policy: {:.1} µs per decision", start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));

    let rounds = 500;
    let policy = file.default_policy();
    let mut offers = Vec::new();
    for i in 0..rounds {
        file.policy = Some(format!("{policy}// {i}"));
        offers.push(file.terms(now, asset, |_| None, None)?);
    }
    let start = Instant::now();
    for (terms, disclosed) in &offers {
        assert!(black_box(decide(terms, disclosed, &facts)).allow);
    }
    println!("new policy: {:.1} µs per decision", start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
    Ok(())
}
