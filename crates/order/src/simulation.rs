//! Whole networks of validators in one process and one thread, replayed by their seed.
//!
//! Their ledgers run the contracts that a node's ledger runs. Time is virtual; the network loses, delays and cuts off; validators crash
//! with torn disks and start again; up to a third of them misbehave, one behaviour to a file. What must always hold is checked at every final slate and at every
//! block of every honest validator, and what must hold again in the end once the faults have healed.

mod consortium;
mod disk;
mod machine;
mod member;
mod network;
mod networks;
mod record;
mod scenarios;
mod twist;
mod world;

mod equivocate;
mod flood;
mod forge;
mod invalid;
mod silence;
mod stale;
mod waver;
mod withhold;
