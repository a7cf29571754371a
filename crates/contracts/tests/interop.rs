//! The independent Python reader (`interop/verify_receipt.py`) and ours agree about receipts: whole ones, every kind of
//! changed one, and forged ones.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use contracts::chain::{Kind, check};
use contracts::message::{Amend, Approve, Cancel, Offer, SignerRegister, VerdictRecord};
use contracts::{Contracts, read, signers};
use crypto::{Digest, Label, Signature, hash, merkle, mldsa};
use ledger::{
    Checkpoint, Committed, Consortium, Ledger, PinnedWitnesses, Receipt, Transaction, VerifiedTransaction, WitnessKey,
};
use wire::{Fixed, text};

use world::*;

#[path = "rules/world.rs"]
#[expect(dead_code, reason = "the rules' tests use all of it")]
mod world;

/// Three of four validators.
const QUORUM: [&str; 3] = ["health-authority", "st-anna", "riverside"];

/// How our reader says a request ended, in the other's words; None where it refuses.
fn ours(receipt: &[u8], consortium: &Consortium) -> Option<String> {
    let receipt = Receipt::parse(std::str::from_utf8(receipt).ok()?).ok()?.verify(consortium).ok()?;
    Some(match check(&receipt, consortium).ok()?.kind {
        Kind::Released => "released".into(),
        Kind::Computed => "computed".into(),
        Kind::Refused(code) => format!("refused ({code})"),
        Kind::StepRefused { method, code } => format!("step refused ({method}: {code})"),
        Kind::Cancelled => "cancelled".into(),
    })
}

/// The other reader, with a directory for its files.
struct Python(tempfile::TempDir);

impl Python {
    fn new(consortium: &Consortium) -> Self {
        let python = Self(tempfile::tempdir().unwrap());
        fs::write(python.file("consortium.toml"), consortium.to_toml()).unwrap();
        python
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `SOTTO_PYTHON` names another interpreter, as `test.sh` does for its virtual environment.
    fn run(&self, script: &str, arguments: &[&str], input: Option<File>) -> Output {
        let interpreter = std::env::var("SOTTO_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop").join(script);
        let mut command = Command::new(&interpreter);
        command.current_dir(self.0.path()).arg("-B").arg(script).args(arguments);
        command.stdin(input.map_or_else(std::process::Stdio::null, Into::into));
        let output = command.output().unwrap_or_else(|error| panic!("{interpreter} is needed by this test: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!errors.contains("Error: No module named"), "pip install cryptography==48.0.0: {errors}");
        assert!(!errors.contains("Traceback"), "the reader must refuse, not crash: {errors}");
        output
    }

    /// As [`ours`], for many receipts in one process.
    fn theirs(&self, receipts: &[Vec<u8>]) -> Vec<Option<String>> {
        self.theirs_with(receipts, &[])
    }

    /// The same with more arguments.
    fn theirs_with(&self, receipts: &[Vec<u8>], more: &[&str]) -> Vec<Option<String>> {
        let names: Vec<String> = (0..receipts.len()).map(|at| format!("{at}.receipt")).collect();
        for (name, receipt) in names.iter().zip(receipts) {
            fs::write(self.file(name), receipt).unwrap();
        }
        fs::write(self.file("names"), names.join("\n")).unwrap();
        let input = File::open(self.file("names")).unwrap();
        let arguments = [&["--batch", "--consortium", "consortium.toml"], more].concat();
        let output = self.run("verify_receipt.py", &arguments, Some(input));
        let answers = String::from_utf8(output.stdout).unwrap();
        assert_eq!(answers.lines().count(), receipts.len(), "{answers}");
        assert_eq!(output.status.success(), answers.lines().all(|line| line.starts_with("verified: ")));
        let told = |line: &str| line.strip_prefix("verified: ").map(str::to_owned);
        answers
            .lines()
            .inspect(|line| assert!(told(line).is_some() || line.starts_with("refused: ")))
            .map(told)
            .collect()
    }

    /// Both readers refuse all of them.
    fn refused(&self, receipts: &[Vec<u8>], consortium: &Consortium) {
        for (at, (receipt, told)) in receipts.iter().zip(self.theirs(receipts)).enumerate() {
            assert_eq!((ours(receipt, consortium), told), (None, None), "receipt {at}");
        }
    }

    /// Both readers tell this end of it.
    fn accepted(&self, receipt: &str, consortium: &Consortium, end: &str) {
        let told = self.theirs(&[receipt.into()]).remove(0);
        assert_eq!((ours(receipt.as_bytes(), consortium).as_deref(), told.as_deref()), (Some(end), Some(end)));
    }
}

/// A released, a computed and a refused request, told by a real ledger.
struct Case {
    world: World,
    consortium: Consortium,
    /// The released request, and its transactions.
    request: Digest,
    released: Vec<Digest>,
    receipts: [(String, &'static str); 4],
}

impl Case {
    fn new() -> Self {
        let mut world = World::ready();
        let (_, release, grant) = world.granted();
        world.redeem(&grant, &researcher()).unwrap();
        world.redeem(&grant, &researcher()).unwrap_err();
        let again = world.last();
        let (_, compute) = world.computing();
        for owner in HOSPITALS {
            world.send(&keys(owner).node, "results.record", &world.result(&compute, owner)).unwrap();
        }
        let contract = world.offer("northgate", world.release_terms()).unwrap();
        let refused = world.apply(&[contract]).unwrap();
        world.judge(&refused, "approvals_missing").unwrap();

        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&directory.path().join("ledger"), Arc::new(Contracts), genesis()).unwrap();
        for expected in &world.log {
            let verified = VerifiedTransaction::verify(expected.transaction.clone(), &world.chain).unwrap();
            let proposed = ledger.propose(vec![verified], world.now).unwrap();
            assert_eq!(proposed.results[0].as_ref().unwrap().outcome, expected.outcome);
        }
        let height = ledger.head().height;
        let checkpoint = ledger.durable_checkpoint(height).unwrap();
        let cosignatures = QUORUM.map(|name| {
            let sign = |bytes: &[u8]| Ok::<_, Infallible>(keys(name).cosigner.sign_raw(bytes));
            (name.to_owned(), checkpoint.cosign(START / 1000, sign).unwrap())
        });
        assert!(ledger.add_cosignatures(height, &cosignatures).unwrap().1);
        let view = ledger.view().unwrap();
        let ids = |request| read::chain_ids(&view, request).unwrap();
        let released = ids(&release);
        let receipt = |ids: &[Digest]| ledger.receipt(ids).unwrap().to_string();
        let receipts = [
            (receipt(&released), "released"),
            (receipt(&ids(&compute)), "computed"),
            (receipt(&ids(&refused)), "refused (approvals_missing)"),
            (receipt(&[released.clone(), vec![again]].concat()), "released"),
        ];
        let start = |epoch| Ok(view.epoch_start(epoch)?);
        let consortium = read::consortium(&view, &ledger.chain(), "trial", start).unwrap();
        Self { world, consortium, request: release, released, receipts }
    }
}

/// A receipt of these transactions, written by validators who cosign any log they are shown.
fn written(world: &World, log: &[Committed], ids: &[Digest]) -> String {
    written_in(world, 4, &QUORUM, log, ids)
}

/// The tree of a log, and its complete subtrees.
fn grown(log: &[Committed]) -> (merkle::Frontier, BTreeMap<(u32, u64), Digest>) {
    let mut subtrees = BTreeMap::new();
    let mut tree =
        merkle::Frontier::load::<Infallible>(0, |_, _| unreachable!("an empty tree has no subtrees")).unwrap();
    for entry in log {
        tree.push(entry.leaf(), |level, at, digest| _ = subtrees.insert((level, at), digest));
    }
    (tree, subtrees)
}

/// The same by these validators of this epoch.
fn written_in(world: &World, epoch: u64, signers: &[&str], log: &[Committed], ids: &[Digest]) -> String {
    let (tree, subtrees) = grown(log);
    let size = log.len() as u64;
    let mut lines = vec!["sottovoce-receipt/v1".to_owned()];
    for entry in log.iter().filter(|entry| ids.contains(&entry.transaction.id())) {
        let path = merkle::inclusion_path(size, entry.index, |level, at| Ok::<_, Infallible>(subtrees[&(level, at)]));
        let path: Vec<u8> = path.unwrap().iter().flat_map(|digest| *digest.as_bytes()).collect();
        lines.push(format!("entry {} {}", entry.index, text::to_base64(&entry.to_bytes())));
        lines.push(format!("path {}", text::to_base64(&path)));
    }
    let checkpoint = Checkpoint { chain: world.chain, size, root: tree.root(), header: digest("header"), epoch };
    let epoch = world.consortium().epoch(epoch).unwrap().epoch();
    let cosignatures = signers.iter().map(|name| {
        let sign = |bytes: &[u8]| Ok::<_, Infallible>(keys(name).cosigner.sign_raw(bytes));
        (epoch.validator(name).unwrap().1, checkpoint.cosign(START / 1000, sign).unwrap())
    });
    format!("{}\n\n{}", lines.join("\n"), checkpoint.note(cosignatures))
}

/// The same signature with `S` plus the group order: what a verifier that is not strict accepts as well.
fn malleated(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
        carry += u16::from(*byte) + u16::from(order);
        *byte = carry as u8;
        carry >>= 8;
    }
    bytes
}

#[test]
fn both_readers_tell_the_same_and_refuse_every_changed_byte() {
    let case = Case::new();
    let python = Python::new(&case.consortium);
    for (round, (receipt, end)) in case.receipts.iter().enumerate() {
        python.accepted(receipt, &case.consortium, end);
        let changed = |nonce: u64| {
            let random = hash(Label::KEY_ID, &[&[round as u8], &nonce.to_be_bytes()]);
            let (at, flip) = random.as_bytes().split_first_chunk::<8>().unwrap();
            let mut bytes = receipt.clone().into_bytes();
            let at = (u64::from_be_bytes(*at) % bytes.len() as u64) as usize;
            bytes[at] ^= flip[0].max(1);
            bytes
        };
        python.refused(&(0..300).map(changed).collect::<Vec<_>>(), &case.consortium);
    }
}

#[test]
fn the_python_reader_wants_the_consortium_file() {
    let case = Case::new();
    let python = Python::new(&case.consortium);
    fs::write(python.file("one"), &case.receipts[0].0).unwrap();
    let run = |arguments: &[&str]| {
        let output = python.run("verify_receipt.py", arguments, None);
        let (out, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), out, errors)
    };
    let (status, out, _) = run(&["one", "--consortium", "consortium.toml"]);
    assert_eq!(
        (status, out.lines().next(), out.lines().count()),
        (0, Some("released"), 2 + case.released.len()),
        "{out}"
    );
    for step in ["asset.registered", "contract.offered", "request.allowed", "grant.issued", "release.recorded"] {
        assert!(out.contains(step), "{out}");
    }
    let (status, out, errors) = run(&["one"]);
    assert!(status == 2 && out.is_empty() && errors.contains("consortium"), "{errors}");
    let (status, out, _) = run(&["one", "--consortium", "missing.toml"]);
    assert!(status == 2 && out.is_empty());

    // Another consortium's file, one of an earlier epoch, one without the oracles.
    let toml = case.consortium.to_toml();
    let mut earlier = case.consortium.clone();
    earlier.epochs.pop();
    let mut silent = case.consortium.clone();
    silent.oracles.clear();
    let other = toml.replace(&case.consortium.chain.to_string(), &digest("another").to_string());
    for pinned in [other, earlier.to_toml(), silent.to_toml(), format!("extra = 1\n{toml}"), toml.replace("/v1", "/v2")]
    {
        fs::write(python.file("other.toml"), pinned).unwrap();
        let (status, out, errors) = run(&["one", "--consortium", "other.toml"]);
        assert!(
            status == 1 && out.is_empty() && errors.starts_with("refused: ") && errors.lines().count() == 1,
            "{errors}"
        );
    }
    let output = python.run("fingerprint.py", &["consortium.toml"], None);
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), case.consortium.fingerprint());
}

#[test]
fn both_readers_refuse_other_spellings_and_other_signatures_of_the_same() {
    let case = Case::new();
    let python = Python::new(&case.consortium);
    let text = &case.receipts[0].0;
    let lines: Vec<&str> = text.lines().collect();
    let with = |at: usize, line: String| {
        let mut lines = lines.clone();
        lines[at] = &line;
        lines.join("\n") + "\n"
    };
    let entry = |at: usize, change: &dyn Fn(&mut Committed)| {
        let (index, record) = lines[at].strip_prefix("entry ").unwrap().split_once(' ').unwrap();
        let mut committed = Committed::from_bytes(index.parse().unwrap(), &text::base64(record).unwrap()).unwrap();
        change(&mut committed);
        with(at, format!("entry {index} {}", text::to_base64(&committed.to_bytes())))
    };
    assert_eq!(&entry(1, &|_| ()), text);
    let last = lines.len() - 1;
    let (name, blob) = lines[last].rsplit_once(' ').unwrap();
    let blob = text::base64(blob).unwrap();
    let cosignature = [&blob[..12], &malleated(&blob[12..])].concat();
    let checkpoint = lines.iter().position(|line| line.starts_with("sottovoce/")).unwrap();
    let swapped = [&lines[..last - 1], &[lines[last], lines[last - 1]]].concat().join("\n") + "\n";
    let doubled = [&lines[..last], &[lines[last - 1]]].concat().join("\n") + "\n";
    let refused = [
        // The leaf does not cover the sender's signature: only strict verification leaves it one value.
        entry(1, &|entry| {
            let signature = &mut entry.transaction.signature;
            *signature = Signature(Fixed::from_slice(&malleated(signature.0.as_ref())).unwrap());
        }),
        entry(1, &|entry| entry.position += 1),
        entry(1, &|entry| entry.outcome.code = "malformed".into()),
        entry(1, &|entry| entry.outcome.events.clear()),
        with(last, format!("{name} {}", text::to_base64(&cosignature))),
        swapped,
        doubled,
        text.replacen("\nentry ", "\nentry 0", 1),
        text.replacen("\nentry ", "\nentry +", 1),
        text.replacen("\nentry ", "\nentry  ", 1),
        text.replacen('\n', "\r\n", 1),
        text.replace('\n', "\r\n"),
        with(checkpoint + 1, format!("0{}", lines[checkpoint + 1])),
        with(last, lines[last].trim_end_matches('=').into()),
        with(2, "path -".into()),
        format!("{text}\n"),
        format!("{text}{}\n", lines[last]),
        format!("\u{feff}{text}"),
        text.trim_end().into(),
        lines[..last].join("\n") + "\n",
        [&lines[..1], &lines[checkpoint - 1..]].concat().join("\n") + "\n",
        [&lines[..1], &lines[3..5], &lines[1..3], &lines[5..]].concat().join("\n") + "\n",
        [&lines[..3], &lines[1..]].concat().join("\n") + "\n",
        String::new(),
    ];
    python.refused(&refused.map(String::into_bytes), &case.consortium);
}

/// Whatever a quorum cosigns, the links between the entries hold or the receipt is refused.
#[test]
fn both_readers_refuse_broken_links_that_a_quorum_cosigned() {
    let Case { mut world, consortium, request, released, receipts } = Case::new();
    let python = Python::new(&consortium);
    let honest = world.log.clone();
    python.accepted(&written(&world, &honest, &released), &consortium, receipts[0].1);

    let mut refused = Vec::new();
    for left_out in &released {
        let ids: Vec<Digest> = released.iter().filter(|id| *id != left_out).copied().collect();
        refused.push(written(&world, &honest, &ids));
    }
    for foreign in honest.iter().map(|entry| entry.transaction.id()).filter(|id| !released.contains(id)) {
        let receipt = written(&world, &honest, &[released.as_slice(), &[foreign]].concat());
        match ours(receipt.as_bytes(), &consortium) {
            // The second redemption, which was refused.
            Some(end) => python.accepted(&receipt, &consortium, &end),
            None => refused.push(receipt),
        }
    }
    assert_eq!(refused.len(), honest.len() - 1);

    // A verdict that the oracles did not sign, in a transaction that its sender did.
    let judged = honest.iter().position(|entry| entry.transaction.transaction.contract == "verdicts").unwrap();
    let mut log = honest.clone();
    let transaction = &mut log[judged].transaction.transaction;
    let mut record: VerdictRecord = wire::from_slice(&transaction.arguments, wire::Limits::small()).unwrap();
    record.signature = key("forger").sign(Label::VERDICT, &wire::to_vec(&record.verdict));
    transaction.arguments = wire::to_vec(&record).into();
    let signed = transaction.clone().sign(&keys("riverside").node);
    let mut ids = released.clone();
    ids.push(signed.id());
    log[judged].transaction = signed;
    refused.push(written(&world, &log, &ids));

    // A key of small order signs everything with R = A and S = 0. The control is the same transaction by an honest key.
    world.send(&researcher(), "requests.cancel", &Cancel { request }).unwrap_err();
    let ids = [released.as_slice(), &[world.last()]].concat();
    python.accepted(&written(&world, &world.log, &ids), &consortium, "released");
    let mut log = world.log.clone();
    let forged = &mut log.last_mut().unwrap().transaction;
    let mut neutral = [0; 32];
    neutral[0] = 1;
    forged.transaction.sender = crypto::PublicKey(Fixed(neutral));
    forged.signature = Signature(Fixed::from_slice(&[neutral, [0; 32]].concat()).unwrap());
    let ids = [released.as_slice(), &[forged.id()]].concat();
    refused.push(written(&world, &log, &ids));

    let refused: Vec<Vec<u8>> = refused.into_iter().map(String::into_bytes).collect();
    python.refused(&refused, &consortium);
}

/// Contracts signed twice: whole, and with a signature stripped, altered, moved or without its key.
#[test]
fn both_readers_agree_about_second_signatures() {
    let mut world = World::ready();
    world.begin_signing();
    let (owner, researcher, people) = (key("northgate/owner"), researcher(), approvers());
    for (signer, name) in [(&owner, "owner"), (&researcher, "researcher"), (&people[0], "one"), (&people[1], "two")] {
        world.register_signer(signer, name).unwrap();
    }
    let offer = Offer { terms: world.release_terms() };
    let contract = world.send_twice(&owner, &second("owner"), "contracts.offer", &offer).unwrap();
    // With another key from here on.
    let mut next = registered(&world.chain, &owner, "owner 2");
    let statement = signers::statement(&world.chain, &owner.public(), &next.key);
    next.handover = Some(second("owner").sign(Label::SIGNER, &statement));
    world.send(&owner, "signers.register", &next).unwrap();
    let amend = Amend { contract, terms: world.release_terms() };
    world.send_twice(&owner, &second("owner 2"), "contracts.amend", &amend).unwrap();
    let mut apply = application(&[contract]);
    apply.contracts[0].version = 2;
    let request = world.send_twice(&researcher, &second("researcher"), "requests.apply", &apply).unwrap();
    for (approver, name) in people.iter().zip(["one", "two"]) {
        let approve = Approve { request, contract, approve: true };
        world.send_twice(approver, &second(name), "requests.approve", &approve).unwrap();
    }
    world.judge(&request, "ok").unwrap();
    let grant = world.grant(&contract, &request).unwrap();
    world.redeem(&grant, &researcher).unwrap();
    let consortium = world.consortium();
    let python = Python::new(&consortium);
    let ids = read::chain_ids(&world.state, &request).unwrap();
    python.accepted(&written(&world, &world.log, &ids), &consortium, "released");

    let mut refused = Vec::new();
    for left_out in &ids {
        let fewer: Vec<Digest> = ids.iter().filter(|id| *id != left_out).copied().collect();
        refused.push(written(&world, &world.log, &fewer));
    }
    world.register_signer(&people[2], "three").unwrap();
    refused.push(written(&world, &world.log, &[ids.as_slice(), &[world.last()]].concat()));
    let signed = [("offer", &owner), ("amend", &owner), ("apply", &researcher), ("approve", &people[0])];
    let mut forge = |method: &str, signer: &crypto::SigningKey, make: &dyn Fn(&Transaction) -> Transaction| {
        let of = |entry: &Committed| entry.transaction.transaction.method == method && entry.outcome.is_ok();
        let of_contract = |entry: &Committed| entry.transaction.transaction.sender == signer.public();
        let at = world.log.iter().position(|entry| of(entry) && of_contract(entry)).unwrap();
        let mut log = world.log.clone();
        let (before, made) = (log[at].transaction.id(), make(&log[at].transaction.transaction));
        log[at].transaction = made.sign(signer);
        let id = log[at].transaction.id();
        let ids: Vec<Digest> = ids.iter().map(|one| if *one == before { id } else { *one }).collect();
        refused.push(written(&world, &log, &ids));
    };
    for (method, signer) in signed {
        let parts = |its: &Transaction| {
            let (plain, signature) = signers::split(&its.contract, &its.method, &its.arguments);
            (plain.to_vec(), signature.unwrap())
        };
        let joined = |its: &Transaction, plain: &[u8], signature: &mldsa::Signature| Transaction {
            arguments: signers::join(&its.contract, &its.method, plain, signature).unwrap().into(),
            ..its.clone()
        };
        forge(method, signer, &|its| Transaction { arguments: parts(its).0.into(), ..its.clone() });
        forge(method, signer, &|its| Transaction { nonce: Fixed([6; 16]), ..its.clone() });
        forge(method, signer, &|its| {
            let (plain, signature) = parts(its);
            let mut bytes = signature.as_ref().to_vec();
            bytes[3308] ^= 1;
            joined(its, &plain, &mldsa::Signature::from_slice(&bytes).unwrap())
        });
        forge(method, signer, &|its| {
            let (plain, _) = parts(its);
            let other = second("three").sign(Label::CONTRACT, &signers::signed_twice(its, &plain));
            joined(its, &plain, &other)
        });
    }
    // Registrations: not possessed; not handed over.
    for strip in [true, false] {
        forge("register", &owner, &|its| {
            let mut registration: SignerRegister = wire::from_slice(&its.arguments, wire::Limits::small()).unwrap();
            match strip {
                true => registration.possession = second("three").sign(Label::SIGNER, b"anything"),
                false => registration.key = second("three").public(),
            }
            Transaction { arguments: wire::to_vec(&registration).into(), ..its.clone() }
        });
    }
    let refused: Vec<Vec<u8>> = refused.into_iter().map(String::into_bytes).collect();
    python.refused(&refused, &consortium);
}

/// The founder was a quorum alone once. It is none of the log that came after.
#[test]
fn both_readers_hold_an_epoch_to_its_own_log() {
    let Case { world, consortium, released, .. } = Case::new();
    let python = Python::new(&consortium);
    let alone = written_in(&world, 1, &["health-authority"], &world.log, &released);
    let without_end = written(&world, &world.log, &released);
    python.refused(&[alone.clone().into()], &consortium);
    // What the founder's signature would be worth if its epoch had no end.
    let mut early = consortium.clone();
    early.epochs.truncate(1);
    Python::new(&early).accepted(&alone, &early, "released");
    // The boundaries: an epoch answers for more than its start, and for no more than the next one's.
    let size = world.log.len() as u64;
    for (start, holds) in [(size - 1, true), (size, false)] {
        let mut moved = consortium.clone();
        moved.epochs[3].start = start;
        let python = Python::new(&moved);
        if holds {
            python.accepted(&without_end, &moved, "released");
        } else {
            python.refused(&[without_end.clone().into()], &moved);
        }
    }
    for (start, holds) in [(size - 1, false), (size, true)] {
        let mut moved = consortium.clone();
        moved.epochs[1..].iter_mut().for_each(|epoch| epoch.start = start);
        let python = Python::new(&moved);
        if holds {
            python.accepted(&alone, &moved, "released");
        } else {
            python.refused(&[alone.clone().into()], &moved);
        }
    }
}

/// As [`ours`], where these witnesses are demanded.
fn ours_with(receipt: &[u8], consortium: &Consortium, witnesses: Option<&PinnedWitnesses>) -> Option<String> {
    let told = ours(receipt, consortium)?;
    let verified = Receipt::parse(std::str::from_utf8(receipt).ok()?).ok()?.verify(consortium).ok()?;
    witnesses.is_none_or(|witnesses| witnesses.attest(verified.testimony.as_ref()).is_ok()).then_some(told)
}

#[test]
fn both_readers_agree_about_testimony() {
    let Case { world, consortium, released, .. } = Case::new();
    let python = Python::new(&consortium);
    let old = world.log.iter().rposition(|entry| released.contains(&entry.transaction.id())).unwrap() + 1;
    let checkpoint_of = |log: &[Committed]| {
        let (tree, _) = grown(log);
        let (size, root) = (log.len() as u64, tree.root());
        Checkpoint { chain: world.chain, size, root, header: digest("header"), epoch: 4 }
    };
    let path_of = |old: usize, log: &[Committed]| {
        let (_, subtrees) = grown(log);
        let read = |level, at| Ok::<_, Infallible>(subtrees[&(level, at)]);
        merkle::consistency_path(old as u64, log.len() as u64, read).unwrap()
    };
    let plain = written(&world, &world.log[..old], &released);
    let (first, newest) = (checkpoint_of(&world.log[..old]), checkpoint_of(&world.log));
    assert!(first.size < newest.size);
    let signer = |seed: u8| crypto::SigningKey::from_seed(&[seed; 32]);
    let key = |name: &str, seed: u8| WitnessKey::new(name, signer(seed).public()).unwrap();
    let line = |name: &str, seed: u8, checkpoint: &Checkpoint| {
        let cosignature = checkpoint.cosign(9, |bytes| Ok::<_, Infallible>(signer(seed).sign_raw(bytes)));
        key(name, seed).line(&cosignature.unwrap())
    };
    let both = |checkpoint: &Checkpoint| [line("w.example/1", 41, checkpoint), line("w.example/2", 42, checkpoint)];
    let with = |path: &[Digest], checkpoint: &Checkpoint, lines: &[String]| {
        let path: Vec<u8> = path.iter().flat_map(|digest| *digest.as_bytes()).collect();
        let path = if path.is_empty() { "-".into() } else { text::to_base64(&path) };
        let (plain, body, lines) = (plain.replacen("/v1\n", "/v2\n", 1), checkpoint.body(), lines.join("\n"));
        format!("{plain}\nconsistency {path}\n\n{body}\n{lines}\n")
    };
    let path = path_of(old, &world.log);
    let whole = with(&path, &newest, &both(&newest));
    let mut longer = world.log.clone();
    longer.extend(world.log.iter().take(3).cloned());
    let mut forked = world.log.clone();
    forked[old - 1].outcome.code = "malformed".into();
    let [one, two] = both(&newest);
    let malformed = |signature: &str| {
        let (name, blob) = signature.rsplit_once(' ').unwrap();
        let blob = text::base64(blob).unwrap();
        format!("{name} {}", text::to_base64(&[&blob[..12], &malleated(&blob[12..])].concat()))
    };
    let files: Vec<String> = vec![
        whole.clone(),
        with(&[], &first, &both(&first)),
        plain.clone(),
        with(&path_of(old, &longer), &checkpoint_of(&longer), &both(&checkpoint_of(&longer))),
        with(&path, &newest, std::slice::from_ref(&one)),
        // Refused where a witness is demanded, or in any case.
        with(&path, &newest, &both(&first)),
        with(&path, &newest, &[line("w.example/1", 43, &newest), two.clone()]),
        with(&path, &newest, &[malformed(&one), two.clone()]),
        with(&path, &newest, &[two.clone(), one.clone()]),
        with(&path, &newest, &[one.clone(), one.clone()]),
        with(&path, &newest, &[]),
        with(&path[1..], &newest, &both(&newest)),
        with(&[], &newest, &both(&newest)),
        with(&path, &first, &both(&first)),
        with(&path_of(old, &longer), &newest, &both(&newest)),
        with(&path_of(old, &forked), &checkpoint_of(&forked), &both(&checkpoint_of(&forked))),
        with(&path_of(old - 1, &world.log), &newest, &both(&newest)),
        with(&path, &Checkpoint { chain: first.root, ..newest }, &both(&newest)),
        with(&path, &Checkpoint { epoch: 3, ..newest }, &both(&Checkpoint { epoch: 3, ..newest })),
        with(&path, &Checkpoint { epoch: 5, ..newest }, &both(&Checkpoint { epoch: 5, ..newest })),
        with(&[], &checkpoint_of(&world.log[..old - 1]), &both(&newest)),
        with(&[first.root; 64], &newest, &both(&newest)),
        with(&path, &newest, &(10..27).map(|at| line(&format!("w{at}"), at, &newest)).collect::<Vec<_>>()),
        with(&path, &newest, &(10..26).map(|at| line(&format!("w{at}"), at, &newest)).collect::<Vec<_>>()),
        whole.replacen("/v2\n", "/v1\n", 1),
        whole.replacen("/v2\n", "/v3\n", 1),
        plain.replacen("/v1\n", "/v2\n", 1),
        whole.replace("\nconsistency ", "\n\nconsistency "),
        whole.replace("w.example/2", "w.example+2"),
        whole.replace("w.example/2", "w.ex\u{e4}mple/2"),
        whole.trim_end().into(),
        format!("{whole}\n"),
        format!("{whole}{two}\n"),
        whole.replace('\n', "\r\n"),
    ];
    let crafted = files.len();
    let tail = whole.rfind("\nconsistency ").unwrap();
    let mut files: Vec<Vec<u8>> = files.into_iter().map(String::into_bytes).collect();
    for at in (tail..whole.len()).chain((0..tail).step_by(997)) {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] ^= 1 << (at % 8);
        files.push(bytes);
    }
    let texts = [key("w.example/1", 41), key("w.example/2", 42)].map(|key| key.to_string());
    let demands: [(&[&str], Option<usize>); 3] = [
        (&[], None),
        (&["--witness", &texts[0], "--witness", &texts[1]], None),
        (&["--witness", &texts[0], "--witness", &texts[1], "--witnesses", "1"], Some(1)),
    ];
    for (arguments, least) in demands {
        let keys = texts.iter().map(|text| text.parse().unwrap());
        let pinned = PinnedWitnesses::new(keys, least, &consortium).unwrap();
        let pinned = (!arguments.is_empty()).then_some(&pinned);
        let theirs = python.theirs_with(&files, arguments);
        for (at, (file, theirs)) in files.iter().zip(&theirs).enumerate() {
            assert_eq!(&ours_with(file, &consortium, pinned), theirs, "file {at}, {arguments:?}");
        }
        let good: Vec<usize> = (0..crafted).filter(|at| theirs[*at].is_some()).collect();
        match (arguments.is_empty(), least) {
            (true, _) => assert!([0, 1, 2, 3, 4, 5, 6, 7].iter().all(|at| good.contains(at)) && good.len() <= 12),
            (_, None) => assert_eq!(good, [0, 1, 3, 19]),
            (_, Some(_)) => assert_eq!(good, [0, 1, 3, 4, 6, 19]),
        }
        let changed = theirs[crafted..].iter().flatten().count();
        assert!(if pinned.is_some() && least.is_none() { changed == 0 } else { changed > 0 }, "{changed}");
    }

    // Who is no witness, or more than there are.
    fs::write(python.file("one"), &whole).unwrap();
    let refused = |more: &[&str]| {
        let output =
            python.run("verify_receipt.py", &[&["one", "--consortium", "consortium.toml"], more].concat(), None);
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let validator = consortium.epochs[3].validators[1].clone();
    let validator = WitnessKey::new(&validator.name, validator.key).unwrap().to_string();
    let same = key("w.example/0", 41).to_string();
    for more in [
        &["--witness", &validator][..],
        &["--witness", &texts[0], "--witness", &same, "--witnesses", "1"],
        &["--witness", &texts[0], "--witnesses", "2"],
        &["--witness", &texts[0], "--witnesses", "0"],
        &["--witness", "w.example/1"],
    ] {
        assert_eq!(refused(more), (1, String::new()), "{more:?}");
    }
    assert_eq!(refused(&["--witnesses", "1"]).0, 2);
    let (status, told) = refused(&["--witness", &texts[1]]);
    assert!(status == 0 && told.contains("witnessed by w.example/2 at 9"), "{told}");
    assert!(refused(&[]).1.contains("2 lines of witnesses, none of them checked"));
}

#[test]
fn both_readers_refuse_a_receipt_forged_whole_under_other_keys() {
    let case = Case::new();
    CAST.set("forgers");
    let mut world = World::founded();
    world.chain = case.consortium.chain;
    let mut world = world.settled();
    let (_, request, grant) = world.granted();
    world.redeem(&grant, &researcher()).unwrap();
    let ids = read::chain_ids(&world.state, &request).unwrap();
    let forged = written(&world, &world.log, &ids);
    // Nothing is wrong with it but whose keys they are.
    Python::new(&world.consortium()).accepted(&forged, &world.consortium(), "released");

    // Under its own key ids, and under those of the validators it pretends to be.
    let mut disguised = forged.clone();
    for name in QUORUM {
        let id = |consortium: &Consortium| {
            let key = consortium.epoch(4).unwrap().epoch().validator(name).unwrap().1.key;
            ledger::key_id(name, 4, key.0.as_ref())
        };
        let line = forged.lines().find(|line| line.starts_with(&format!("\u{2014} {name} "))).unwrap();
        let blob = text::base64(line.rsplit(' ').next().unwrap()).unwrap();
        assert_eq!(blob[..4], id(&world.consortium()));
        let blob = [&id(&case.consortium), &blob[4..]].concat();
        disguised = disguised.replace(line, &format!("\u{2014} {name} {}", text::to_base64(&blob)));
    }
    // With the genuine checkpoint and cosignatures beneath.
    let genuine = case.receipts[0].0.split_once("\n\n").unwrap().1;
    let grafted = format!("{}\n\n{genuine}", forged.split_once("\n\n").unwrap().0);
    let python = Python::new(&case.consortium);
    python.refused(&[forged, disguised, grafted].map(String::into_bytes), &case.consortium);
}
