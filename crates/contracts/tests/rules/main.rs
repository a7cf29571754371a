//! Every rule of the contracts with its code, chains read back from receipts, and random histories.

mod chains;
mod deadlines;
mod escrow;
mod governance;
mod histories;
mod ledgers;
mod members;
mod ml_dsa;
mod modules;
mod offers;
mod ordering;
mod private;
mod recovery;
mod signers;
mod spine;
mod verifiers;
mod world;
