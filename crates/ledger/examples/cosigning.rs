//! Measures what ML-DSA-65 adds to cosignatures: time to make and verify one, and what a note of so many validators weighs, beside Ed25519
//! alone in the same run: `cargo run --release -p sottovoce-ledger --example cosigning [VALIDATORS]`.

use std::time::Instant;

use crypto::{Digest, Secret, SigningKey, mldsa};
use ledger::{Checkpoint, Consortium, Epoch, Genesis, Note, Validator};

/// One validator's keys.
struct Member {
    name: String,
    key: SigningKey,
    ml_dsa: mldsa::SigningKey,
}

fn main() {
    let count: u8 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(4).clamp(1, 128);
    let member = |at: u8| Member {
        name: format!("v{at}"),
        key: SigningKey::from_seed(&[at; 32]),
        ml_dsa: mldsa::SigningKey::from_seed(Secret::new([at; 32])),
    };
    let members: Vec<Member> = (1..=count).map(member).collect();
    let mut baseline = None;
    println!("{count} validators; microseconds, bytes, and how many times as much as with Ed25519 alone\n");
    println!("{:>24} {:>12} {:>12} {:>12} {:>12}", "", "make one", "verify one", "quorum note", "its file");
    for both in [false, true] {
        let found = measure(&members, both);
        let base = *baseline.get_or_insert(found);
        let cells: Vec<String> =
            found.iter().zip(base).map(|(found, base)| format!("{found:.0} ({:.1})", found / base)).collect();
        let name = if both { "Ed25519 and ML-DSA-65" } else { "Ed25519" };
        println!("{name:>24} {:>12} {:>12} {:>12} {:>12}", cells[0], cells[1], cells[2], cells[3]);
    }
}

/// Microseconds to make and to verify one cosignature, bytes of a note with a quorum of them, and of the consortium file.
fn measure(members: &[Member], both: bool) -> [f64; 4] {
    let validator = |member: &Member| Validator {
        name: member.name.clone(),
        key: member.key.public(),
        ml_dsa: both.then(|| member.ml_dsa.public()),
    };
    let validators: Vec<Validator> = members.iter().map(validator).collect();
    let genesis =
        Genesis { name: "measure".into(), created: 1, application: vec![].into(), nonce: wire::Fixed([1; 16]) };
    let mut consortium = Consortium::new(&genesis);
    let epoch = Epoch { number: 1, validators: validators.clone() };
    let quorum = epoch.quorum();
    consortium.epochs.push(epoch.pinned(0));
    let digest = Digest::from([2; 32]);
    let checkpoint = Checkpoint { chain: consortium.chain, size: 9, root: digest, header: digest, epoch: 1 };
    let cosign = |member: &Member, time: u64| {
        let Ok(one) = checkpoint.cosign(time, |text| Ok::<_, std::convert::Infallible>(member.key.sign_raw(text)));
        let signer = |label, text: &[u8]| Ok::<_, std::convert::Infallible>(member.ml_dsa.sign(label, text));
        if !both {
            return one;
        }
        let Ok(one) = checkpoint.cosign_ml_dsa(&member.name, one, signer);
        one
    };
    let begun = Instant::now();
    for time in 0..ROUNDS {
        std::hint::black_box(cosign(&members[0], time));
    }
    let made = begun.elapsed();
    let cosignatures: Vec<_> = (0..ROUNDS).map(|time| cosign(&members[0], time)).collect();
    let begun = Instant::now();
    for cosignature in &cosignatures {
        validators[0].verify(&checkpoint, cosignature).expect("it was made here");
    }
    let verified = begun.elapsed();
    let lines = validators.iter().zip(members).take(quorum).map(|(validator, member)| (validator, cosign(member, 7)));
    let note = checkpoint.note(lines);
    Note::parse(&note).and_then(|note| note.verify(&consortium)).expect("a quorum cosigned it");
    let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / ROUNDS as f64;
    [each(made), each(verified), note.len() as f64, consortium.to_toml().len() as f64]
}

/// Cosignatures that are made and verified.
const ROUNDS: u64 = 2000;
