//! Programs by the runner: each operation and random programs over every back end, against the reference; what was predicted against
//! what was measured; sessions that are cut short and go on; rows in tiles.

mod differential;
mod hostile;
mod prediction;
mod progress;
mod random;
mod resumption;
mod run;
mod samples;
mod tiles;
