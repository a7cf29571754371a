//! All parties of a session in one thread, in lock step: for tests, examples and counting rounds.

use crypto::{Digest, Secret};

use super::{Failure, Frame, Io, Party, Settings, Stats, Status};

/// Runs `parties` parties, each doing `work` of its index, until all have ended; frames travel in whole rounds.
/// `seed` decides all randomness.
///
/// Returns each party's result and what it sent. A party whose peers have all ended but who still waits has lost them.
///
/// # Panics
/// On more than [`Settings::MAX_PARTIES`] parties.
pub fn run<T, W, F>(parties: u16, seed: u64, work: W) -> Vec<(Result<T, Failure>, Stats)>
where
    T: 'static,
    W: Fn(Io) -> F + Clone + 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    run_with(parties, seed, work, |frame| vec![frame])
}

/// As [`run`], where `network` says what becomes of each frame: nothing, itself, or others.
///
/// # Panics
/// On more than [`Settings::MAX_PARTIES`] parties.
pub fn run_with<T, W, F>(
    parties: u16,
    seed: u64,
    work: W,
    mut network: impl FnMut(Frame) -> Vec<Frame>,
) -> Vec<(Result<T, Failure>, Stats)>
where
    T: 'static,
    W: Fn(Io) -> F + Clone + 'static,
    F: Future<Output = Result<T, Failure>> + 'static,
{
    let mut seats: Vec<_> = (0..parties)
        .map(|index| {
            let party = Party::new(settings(index, parties, seed), work.clone()).expect("few parties");
            (Some(party), Vec::new(), None)
        })
        .collect();
    loop {
        let mut mail = Vec::new();
        let mut moved = false;
        for (seat, inbox, result) in &mut seats {
            let Some(party) = seat else { continue };
            let arrived = std::mem::take(inbox);
            match party.step(arrived) {
                Ok((outbox, status)) => {
                    mail.extend(outbox);
                    if let Status::Done(value) = status {
                        *result = Some((Ok(value), party.stats()));
                    }
                }
                Err(failure) => *result = Some((Err(failure), party.stats())),
            }
            if result.is_some() {
                *seat = None;
                moved = true;
            }
        }
        if seats.iter().all(|(party, ..)| party.is_none()) {
            let results = seats.into_iter().map(|(.., result)| result.expect("every party has ended"));
            return results.collect();
        }
        for frame in mail.into_iter().flat_map(&mut network) {
            moved = true;
            seats[usize::from(frame.to)].1.push(frame);
        }
        if !moved {
            // Nothing travels and somebody waits: what it waits for will not come.
            for party in seats.iter_mut().filter_map(|(party, ..)| party.as_mut()) {
                let awaited = party.awaits();
                assert!(!awaited.is_empty(), "a party that waits, waits for somebody");
                awaited.into_iter().for_each(|peer| party.lose(peer));
            }
        }
    }
}

/// Settings of a session whose randomness all comes from `seed`.
pub fn settings(index: u16, parties: u16, seed: u64) -> Settings {
    let mut own = [0; 32];
    own[..8].copy_from_slice(&seed.to_le_bytes());
    own[8..10].copy_from_slice(&index.to_le_bytes());
    let mut run = [0; 16];
    run[..8].copy_from_slice(&seed.to_le_bytes());
    Settings {
        session: Digest::from([7; 32]),
        run,
        index,
        parties,
        seed: Secret::new(own),
        inbox_limit: Settings::INBOX_LIMIT,
    }
}
