//! How a computation will run: the protocol that follows from its contracts, and what it is predicted to cost.

use contracts::Protocol;
use contracts::record::Request;
use mpc::domain::Domain;
use mpc::engine::{self, Failure, local};
use mpc::planner::{Prediction, predict};
use mpc::rep3::Rep3;
use mpc::shamir::Shamir;
use query::Program;
use serde::Serialize;

use crate::client::{Client, Error};

/// How a request's computation runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The protocol.
    pub protocol: String,
    /// What it withstands: `semi-honest` or `malicious`.
    pub adversary: String,
    /// How many parties compute.
    pub parties: u16,
    /// How many of them may be corrupt.
    pub corrupt: u16,
    /// How many may vanish.
    pub dropouts: u16,
    /// Bytes that all parties together are predicted to send, beside TLS, keys that they agree on first, and what keeps checkpoints.
    pub bytes: u64,
    /// Messages in sequence that it is predicted to take.
    pub rounds: u32,
}

impl Client {
    /// How a request's computation runs; nothing of a request for release.
    ///
    /// # Errors
    /// Where the contracts cannot be read, or no protocol suits them.
    pub async fn plan(&self, request: &Request) -> Result<Option<Plan>, Error> {
        let mut terms = Vec::with_capacity(request.apply.contracts.len());
        for named in &request.apply.contracts {
            terms.push(self.contract(&named.contract).await?.terms);
        }
        let Some(program) = terms.first().and_then(|terms| terms.program.as_ref()) else { return Ok(None) };
        let program = Program::from_bytes(program).map_err(|error| Error::Answer(error.to_string()))?;
        let protocol = contracts::protocol(&terms).map_err(Error::Answer)?;
        let cost = cost(&protocol, &program, terms.len() as u16).map_err(|error| Error::Answer(error.to_string()))?;
        Ok(Some(Plan {
            protocol: protocol.name.to_owned(),
            adversary: protocol.adversary.to_string(),
            parties: protocol.parties,
            corrupt: protocol.corrupt,
            dropouts: protocol.dropouts,
            bytes: cost.bytes,
            rounds: cost.rounds,
        }))
    }
}

/// What a program over the tables of so many owners costs under a protocol.
fn cost(protocol: &Protocol, program: &Program, owners: u16) -> Result<Prediction, Failure> {
    let &Protocol { name, parties, corrupt, adversary, .. } = protocol;
    let lengths = vec![program.length(); usize::from(owners)];
    let joint = |domain| program.joint(parties, owners, domain);
    match name {
        contracts::ADDITIVE => {
            let pairs = u64::from(parties) * u64::from(parties - 1);
            Ok(Prediction { bytes: ADDITIVE_MESSAGE * pairs, rounds: 1, ..Prediction::default() })
        }
        contracts::REP3 => {
            // A back end is made by a party of a session: one in this thread, which sends nothing to anybody.
            let program = joint(Domain::Ring64);
            let predicted = local::run(parties, 0, move |io| {
                let (program, lengths) = (program.clone(), lengths.clone());
                async move { predict(&program, Rep3::malicious(&io)?, &lengths) }
            });
            predicted.into_iter().next().map_or(Err(Failure::Cancelled), |(predicted, _)| predicted)
        }
        _ => {
            // The mildest is the default.
            let semi_honest = adversary == Default::default();
            let adversary = if semi_honest { engine::Adversary::SemiHonest } else { engine::Adversary::Malicious };
            predict(&joint(Domain::P127), Shamir::new(parties, corrupt, adversary)?, &lengths)
        }
    }
}

/// What a party of additive sharing sends to each other one (`docs/spec/mpc/additive.md`).
const ADDITIVE_MESSAGE: u64 = 72;

#[cfg(test)]
mod tests {
    use mpc::domain::Values;
    use mpc::engine::Backend;
    use mpc::runner;

    use super::*;

    #[test]
    fn what_is_predicted_is_what_is_sent() {
        let program = Program::from_toml(include_str!("../../../samples/hospitals/program.toml")).unwrap();
        let (length, owners) = (program.length(), 3);
        for (name, parties, corrupt, domain) in
            [(contracts::REP3, 3, 1, Domain::Ring64), (contracts::SHAMIR, 4, 1, Domain::P127)]
        {
            let protocol = Protocol { name, adversary: policy::Adversary::Malicious, parties, corrupt, dropouts: 0 };
            let predicted = cost(&protocol, &program, owners).unwrap();
            let joint = program.joint(parties, owners, domain);
            let sent = local::run(parties, 1, move |io| {
                let joint = joint.clone();
                async move {
                    let backend: Box<dyn Backend> = match name {
                        contracts::REP3 => Box::new(Rep3::malicious(&io)?),
                        _ => Box::new(Shamir::new(parties, corrupt, engine::Adversary::Malicious)?),
                    };
                    let own = |owner| (owner == io.index()).then(|| Values::from_i64(domain, &vec![5; length]));
                    let inputs = (0..owners).map(own).collect();
                    runner::run(&joint, &*backend, io, &[length; 3], inputs).await
                }
            });
            let bytes: u64 = sent.iter().map(|(_, stats)| stats.payload_sent).sum();
            assert!(sent.iter().all(|(outcome, _)| outcome.is_ok()));
            // Before the program each party gives each other one a key of 32 bytes, and Shamir's four give theirs to sets, too.
            let keys = if name == contracts::SHAMIR { 12 + 16 } else { 6 };
            assert_eq!(bytes, predicted.bytes + 32 * keys, "{name}");
        }
    }
}
