//! Every rule of the contracts with its code, chains read back from receipts, and random histories.

mod chains;
mod escrow;
mod governance;
mod histories;
mod ledgers;
mod members;
mod modules;
mod offers;
mod ordering;
mod recovery;
mod spine;
mod world;
