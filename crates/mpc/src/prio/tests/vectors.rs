//! The official vectors of draft-irtf-cfrg-vdaf-18 through our aggregators and messages, and their bad siblings.

use serde_json::Value;

use super::super::message::{self, Kind, Report, Verifiers};
use super::super::scheme;
use super::*;

macro_rules! vector {
    ($name:literal) => {
        ($name, include_str!(concat!("../vectors/", $name, ".json")))
    };
}

#[test]
fn good_ones_give_the_stated_shares_and_result() {
    let vectors =
        [vector!("Prio3Count_0"), vector!("Prio3Sum_0"), vector!("Prio3SumVec_0"), vector!("Prio3Histogram_0")];
    for (name, text) in vectors {
        let vector: Value = serde_json::from_str(text).unwrap();
        let mut shares = [Secret::new(Vec::new()), Secret::new(Vec::new())];
        let reports = vector["reports"].as_array().unwrap();
        let mut count = 0;
        for report in reports {
            let mut world = world(name, &vector);
            let (verifiers, verdicts) = run(&mut world, report);
            assert_eq!(verifiers, bytes_of(&report["verifier_shares"][0]), "{name}");
            assert!(verdicts.iter().all(|(_, verdict)| verdict.is_ok()), "{name}");
            let outputs = [&world.leader.sum, &world.helper.sum].map(|sum| sum.expose(Clone::clone));
            assert_eq!(outputs, bytes_of(&report["out_shares"])[..], "{name}");
            shares = [0, 1].map(|at| world.task.scheme().add(&shares[at], &Secret::new(outputs[at].clone())));
            count += 1;
        }
        let shares = shares.map(|share| share.expose(Clone::clone));
        assert_eq!(shares, bytes_of(&vector["agg_shares"])[..], "{name}");
        let result = world(name, &vector).task.scheme().unshard([&shares[0], &shares[1]], count).unwrap();
        let number = |value: &Value| u128::from(value.as_u64().unwrap());
        let expected = match result {
            Aggregate::Count(_) => Aggregate::Count(vector["agg_result"].as_u64().unwrap()),
            Aggregate::Sum(_) => Aggregate::Sum(vector["agg_result"].as_u64().unwrap()),
            Aggregate::Vector(_) => {
                Aggregate::Vector(vector["agg_result"].as_array().unwrap().iter().map(number).collect())
            }
            Aggregate::Histogram(_) => {
                Aggregate::Histogram(vector["agg_result"].as_array().unwrap().iter().map(number).collect())
            }
        };
        assert_eq!(result, expected, "{name}");
    }
}

#[test]
fn bad_ones_are_refused() {
    let vectors = [
        vector!("Prio3Count_bad_gadget_poly"),
        vector!("Prio3Count_bad_helper_seed"),
        vector!("Prio3Count_bad_meas_share"),
        vector!("Prio3Count_bad_wire_seed"),
        vector!("Prio3Histogram_bad_helper_jr_blind"),
        vector!("Prio3Histogram_bad_leader_jr_blind"),
        vector!("Prio3Histogram_bad_public_share"),
    ];
    for (name, text) in vectors {
        let vector: Value = serde_json::from_str(text).unwrap();
        let report = &vector["reports"][0];
        let mut world = world(name, &vector);
        let (verifiers, verdicts) = run(&mut world, report);
        assert_eq!(verifiers, bytes_of(&report["verifier_shares"][0]), "{name}");
        // A blind or part that is not what was published is seen before the proof fails for it.
        let expected = if name.starts_with("Prio3Count") { Reason::InvalidProof } else { Reason::Inconsistent };
        assert_eq!(verdicts, [(nonce(report), Err(expected))], "{name}");
    }
}

/// The messages of `docs/spec/mpc/prio.md` with the shares of the draft. A change here is a change of the wire format.
#[test]
fn golden_messages() {
    let (name, text) = vector!("Prio3Count_0");
    let vector: Value = serde_json::from_str(text).unwrap();
    let mut world = world(name, &vector);
    let reports = reports(&world.task, &vector["reports"][0]);
    let mut digests = vec![world.task.id().to_string()];
    let mut push = |bytes: &[u8]| digests.push(crypto::sha256(&[bytes]).to_string());
    reports.iter().for_each(|report| report.expose(|report| push(report)));
    world.send(&reports);
    let (to_helper, to_leader) = (world.leader.outbox(), world.helper.outbox());
    push(&to_helper);
    push(&to_leader);
    world.leader.settle(&to_leader).unwrap();
    // The minimum is 2: a second report that nobody sent.
    world.leader.accepted.insert(wire::Fixed([0xff; 16]));
    world.leader.aggregate().unwrap().expose(|total| push(total));
    assert_eq!(digests, GOLDEN);
}

/// Aggregators with the vector's key, context and numbers.
fn world(name: &str, vector: &Value) -> World {
    let number = |field: &str| vector[field].as_u64().unwrap();
    let size = |field: &str| number(field) as usize;
    let statistic = match name.split('_').next().unwrap() {
        "Prio3Count" => Statistic::Count,
        "Prio3Sum" => Statistic::Sum { max: number("max_measurement") },
        "Prio3SumVec" => Statistic::Vector { length: size("length") as u32, max: number("max_measurement") },
        "Prio3Histogram" => Statistic::Histogram { buckets: size("length") as u32 },
        other => panic!("{other}"),
    };
    let mut task = Task::new(super::name("vectors"), statistic, 2).unwrap();
    task.context = hex::decode(vector["ctx"].as_str().unwrap()).unwrap();
    // The draft leaves the chunk length open.
    task.scheme = match statistic {
        Statistic::Vector { length, max } => scheme::vector(length as usize, max, size("chunk_length")),
        Statistic::Histogram { buckets } => scheme::histogram(buckets as usize, size("chunk_length")),
        _ => task.scheme,
    };
    let task = Arc::new(task);
    let key: [u8; 32] = hex::decode(vector["verify_key"].as_str().unwrap()).unwrap().try_into().unwrap();
    let aggregator = |role| Aggregator::new(task.clone(), role, Secret::new(key));
    World { leader: aggregator(Role::Leader), helper: aggregator(Role::Helper), task }
}

/// Both verifier shares, and what the aggregators decide.
fn run(world: &mut World, report: &Value) -> (Vec<Vec<u8>>, Verdicts) {
    let reports = reports(&world.task, report);
    world.send(&reports);
    let (to_helper, to_leader) = (world.leader.outbox(), world.helper.outbox());
    let share = |bytes: &[u8]| {
        let verifiers: Verifiers = message::read(&world.task, Kind::Verifiers, bytes).unwrap();
        verifiers.items[0].share.to_vec()
    };
    let verifiers = vec![share(&to_helper), share(&to_leader)];
    let verdicts = world.leader.settle(&to_leader).unwrap();
    assert_eq!(world.helper.settle(&to_helper).unwrap(), verdicts);
    (verifiers, verdicts)
}

fn reports(task: &Task, report: &Value) -> [Secret<Vec<u8>>; 2] {
    let public = hex::decode(report["public_share"].as_str().unwrap()).unwrap();
    let inputs = bytes_of(&report["input_shares"]);
    [0, 1].map(|aggregator| {
        let report = Report {
            aggregator,
            nonce: nonce(report),
            public: wire::Bytes(public.clone()),
            input: wire::Bytes(inputs[usize::from(aggregator)].clone()),
        };
        Secret::new(message::write(task, Kind::Report, report))
    })
}

fn nonce(report: &Value) -> Nonce {
    report["nonce"].as_str().unwrap().parse().unwrap()
}

fn bytes_of(list: &Value) -> Vec<Vec<u8>> {
    list.as_array().unwrap().iter().map(|text| hex::decode(text.as_str().unwrap()).unwrap()).collect()
}

const GOLDEN: [&str; 6] = [
    "f351093793f70066c97a38a1669a0da529942bc29c9b4470560571c9e8c47c9c",
    "e9411eadb6107b314cfc412a41c4e2f7c4e67829f13d821f459dad29400e12a5",
    "af793e1ada4cb60d142b646219baad59bb8636884bd0d8db3e4fcb1ae552c7d4",
    "e66a9f69768dc083dca5f61dd27eeb763cf8ccb923019f7ab6ca6d5caf0b55f8",
    "b7663eb931920cb872e430e16fc6711a9a76b1f7bf08a64b45a4a3bccb5cb750",
    "47b20928db3f0a8401f638a7779b9c400db6a6f0cf2d71d849cd0f243b1e09bf",
];
