//! From where a session that was cut short goes on: what all parties hold, found out in two rounds.

use crate::engine::{Backend, Failure, Fault, Io, OpId};
use crate::program::Program;

use super::checkpoint::{Checkpoint, Epoch, SLOTS, Store};
use super::columns::Columns;

/// What a party says of a checkpoint: number ‖ done ‖ digest; zeros for none.
type Claim = [u8; CLAIM];

/// Where this run begins.
pub(super) struct Beginning {
    pub(super) columns: Columns,
    /// How often the session has been resumed, and operations that need not run.
    pub(super) epoch: Epoch,
    /// The slot to write first: not the one that was read.
    pub(super) slot: usize,
}

/// Agrees with all parties on the latest checkpoint that all hold, or on the program's beginning.
///
/// In the first round each tells all others which checkpoints it holds, in the second what it takes these to mean; who was told
/// something else than another ends the run.
pub(super) async fn begin(
    program: &Program,
    backend: &dyn Backend,
    io: &mut Io,
    lengths: &[usize],
    store: &dyn Store,
) -> Result<Beginning, Failure> {
    let fresh = Epoch::new(program, backend, io, lengths);
    let held = held(&fresh, io, store)?;
    let claims: Vec<Claim> = held.iter().map(|held| held.as_ref().map_or([0; CLAIM], |(_, claim)| *claim)).collect();
    let mut lists = vec![claims.clone()];
    for (peer, list) in io.peers().zip(exchange(io, &claims.concat()).await?.1) {
        let list: Vec<Claim> = list.chunks_exact(CLAIM).map(|claim| claim.try_into().expect("a chunk")).collect();
        if list.iter().any(|claim| number(claim) > Some(MAX_RESUMPTIONS)) {
            return Err(Failure::blame(peer, Fault::Malformed("it holds a checkpoint of too late a run")));
        }
        lists.push(list);
    }
    let last = lists.iter().flatten().filter_map(number).max();
    let common = |claim: &&Claim| number(claim).is_some() && lists.iter().all(|list| list.contains(claim));
    let chosen = lists[0].iter().filter(common).max_by_key(|claim| (number(claim), claim[4..8].to_vec())).copied();
    let chosen = chosen.unwrap_or([0; CLAIM]);
    let next = last.map_or(0, |last| last + 1);
    let choice = [&chosen[..], &next.to_be_bytes()].concat();
    let (op, theirs) = exchange(io, &choice).await?;
    if theirs.iter().any(|theirs| *theirs != choice) {
        // Somebody told one party this and another that; who, these two cannot say.
        return Err(Failure::Cheated { fault: Fault::Inconsistent(op) });
    }
    if next > MAX_RESUMPTIONS {
        return Err(Failure::Program("a session is resumed a limited number of times"));
    }
    let found = held.into_iter().enumerate().find_map(|(slot, held)| {
        held.filter(|(_, claim)| number(claim).is_some() && *claim == chosen).map(|(checkpoint, _)| (slot, checkpoint))
    });
    let Some((slot, checkpoint)) = found else {
        return Ok(Beginning { columns: Columns::default(), epoch: Epoch { number: next, ..fresh }, slot: 0 });
    };
    let done = checkpoint.epoch().done;
    tracing::info!(done, resumption = next, "a session goes on from a checkpoint");
    let columns = checkpoint.restore(program, backend)?;
    Ok(Beginning { columns, epoch: Epoch { number: next, done, ..fresh }, slot: (slot + 1) % SLOTS })
}

/// All parties have come so far. Where the protocol goes on without some, those that are gone are not waited for.
pub(super) async fn wait_for_all(backend: &dyn Backend, io: &mut Io) -> Result<(), Failure> {
    let op = io.op();
    io.peers().for_each(|peer| io.send(op, peer, &[1]));
    let mut answers = vec![[0]; usize::from(io.parties()) - 1];
    let peers = io.peers().zip(answers.iter_mut().map(<[u8; 1]>::as_mut_slice)).collect();
    let all = usize::from(io.parties()) - 1;
    let least = all.saturating_sub(usize::from((backend.capabilities().dropouts)(io.parties())));
    io.receive_some(op, peers, least, all).await?;
    Ok(())
}

/// Checkpoints of this computation in the store, by slot, and what is said of each.
fn held(fresh: &Epoch, io: &Io, store: &dyn Store) -> Result<Vec<Option<(Checkpoint, Claim)>>, Failure> {
    let load = |slot| {
        let bytes = store.load(slot).map_err(|error| Failure::Storage(error.kind()))?.map(zeroize::Zeroizing::new);
        // What is of another computation, or damaged, is as good as none.
        let found = bytes.and_then(|bytes| Checkpoint::from_bytes(&bytes).ok());
        let found = found.filter(|found| found.party() == io.index() && found.epoch().continues(fresh));
        Ok(found.map(|found| {
            let mut claim = [0; CLAIM];
            let Epoch { number, done, .. } = found.epoch();
            claim[..4].copy_from_slice(&number.to_be_bytes());
            claim[4..8].copy_from_slice(&done.to_be_bytes());
            claim[8..].copy_from_slice(found.epoch().digest(io.session()).as_bytes());
            (found, claim)
        }))
    };
    (0..SLOTS).map(load).collect()
}

/// Which resumption a claim is of, where it is one.
fn number(claim: &Claim) -> Option<u32> {
    let number = u32::from_be_bytes([claim[0], claim[1], claim[2], claim[3]]);
    (*claim != [0; CLAIM]).then_some(number)
}

/// Sends the same to all; under which number, and what they sent, in index order.
async fn exchange(io: &mut Io, bytes: &[u8]) -> Result<(OpId, Vec<Vec<u8>>), Failure> {
    let op = io.op();
    io.peers().for_each(|peer| io.send(op, peer, bytes));
    let mut all = Vec::new();
    for peer in io.peers() {
        let mut theirs = vec![0; bytes.len()];
        io.receive(op, peer, &mut theirs).await?;
        all.push(theirs);
    }
    Ok((op, all))
}

const CLAIM: usize = 40;
/// Each resumption is one more attempt for who would cheat: the page multiplies the error by it.
pub(super) const MAX_RESUMPTIONS: u32 = 15;
