//! How a computation will run: the protocol that follows from its contracts, and what it is predicted to cost.

use contracts::Protocol;
use contracts::record::Request;
use mpc::additive::Additive;
use mpc::domain::Domain;
use mpc::engine::{self, Failure, local};
use mpc::planner::{Prediction, predict_session};
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
    /// Bytes that all parties together are predicted to send each other, in all: the set-up's keys and what keeps checkpoints, too, where it is not
    /// resumed. Frames' heads and TLS come on top.
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
    let every = checkpoints(protocol);
    match name {
        contracts::ADDITIVE => predict_session(&joint(Domain::Ring64), Additive::of(parties)?, &lengths, every),
        contracts::REP3 => {
            // A back end is made by a party of a session: one in this thread, which sends nothing to anybody.
            let program = joint(Domain::Ring64);
            let predicted = local::run(parties, 0, move |io| {
                let (program, lengths) = (program.clone(), lengths.clone());
                async move { predict_session(&program, Rep3::malicious(&io)?, &lengths, every) }
            });
            predicted.into_iter().next().map_or(Err(Failure::Cancelled), |(predicted, _)| predicted)
        }
        _ => {
            // The mildest is the default.
            let semi_honest = adversary == Default::default();
            let adversary = if semi_honest { engine::Adversary::SemiHonest } else { engine::Adversary::Malicious };
            predict_session(&joint(Domain::P127), Shamir::new(parties, corrupt, adversary)?, &lengths, every)
        }
    }
}

/// After how many operations parties keep what is verified, where they do: where keys are all that is sent, as by additive sharing, there is nothing
/// to go on from.
pub fn checkpoints(protocol: &Protocol) -> Option<usize> {
    (protocol.name != contracts::ADDITIVE).then_some(KEEP)
}

const KEEP: usize = 16;

#[cfg(test)]
mod tests {
    use mpc::domain::Values;
    use mpc::engine::Backend;
    use mpc::runner::{Memory, Session};
    use policy::Adversary::{Malicious, SemiHonest};

    use super::*;

    #[test]
    fn what_is_predicted_is_what_is_sent() {
        let program = Program::from_toml(include_str!("../../../samples/hospitals/program.toml")).unwrap();
        let (length, owners) = (program.length(), 3);
        for (name, parties, adversary, corrupt, dropouts) in [
            (contracts::ADDITIVE, 3, SemiHonest, 2, 0),
            (contracts::REP3, 3, Malicious, 1, 0),
            (contracts::SHAMIR, 3, SemiHonest, 1, 0),
            (contracts::SHAMIR, 3, Malicious, 1, 0),
            (contracts::SHAMIR, 4, SemiHonest, 1, 1),
            (contracts::SHAMIR, 4, Malicious, 1, 1),
            (contracts::SHAMIR, 5, SemiHonest, 2, 0),
            (contracts::SHAMIR, 5, Malicious, 2, 0),
            (contracts::SHAMIR, 6, SemiHonest, 2, 1),
        ] {
            let protocol = Protocol { name, adversary, parties, corrupt, dropouts };
            let predicted = cost(&protocol, &program, owners).unwrap();
            let domain = if name == contracts::SHAMIR { Domain::P127 } else { Domain::Ring64 };
            let joint = program.joint(parties, owners, domain);
            // As a node runs it.
            let sent = local::run(parties, 1, move |io| {
                let joint = joint.clone();
                async move {
                    let adversary = match adversary {
                        SemiHonest => engine::Adversary::SemiHonest,
                        _ => engine::Adversary::Malicious,
                    };
                    let backend: Box<dyn Backend> = match name {
                        contracts::ADDITIVE => Box::new(Additive::new(&io)?),
                        contracts::REP3 => Box::new(Rep3::malicious(&io)?),
                        _ => Box::new(Shamir::new(parties, corrupt, adversary)?),
                    };
                    let own = |owner| (owner == io.index()).then(|| Values::from_i64(domain, &vec![5; length]));
                    let (inputs, store, lengths) = ((0..owners).map(own).collect(), Memory::default(), [length; 3]);
                    let session = Session::new(&joint, &*backend, &lengths);
                    match checkpoints(&protocol) {
                        Some(every) => session.keep(&store, every).run(io, inputs).await,
                        None => session.run(io, inputs).await,
                    }
                }
            });
            let bytes: u64 = sent.iter().map(|(_, stats)| stats.payload_sent).sum();
            assert!(sent.iter().all(|(outcome, _)| outcome.is_ok()));
            assert_eq!(bytes, predicted.bytes, "{protocol:?}");
            let rounds = sent.iter().map(|(_, stats)| stats.rounds).max().unwrap_or(0);
            // What one waits for in two rounds may come side by side.
            assert!(
                rounds <= predicted.rounds && predicted.rounds <= rounds + 4,
                "{protocol:?}: {rounds}, {predicted:?}"
            );
        }
    }
}
