//! Sessions of three with one party that lies, one way of lying per file. A back end against malicious parties never lets an honest party
//! accept a wrong result, and never names an honest one for more than being gone; one against curious parties promises no such thing.

mod equivocation;
mod inconsistent_sharing;
mod oversized_frame;
mod program;
mod random;
mod replay;
mod silence;
mod stale_session;
mod swapped_messages;
mod truncated_frame;
mod wrong_share;
