//! What a module may hold, what a call may do, and what things cost: part of what validators agree on. The table is `docs/spec/wasm.md`.

/// Bytes of a module.
pub const MAX_MODULE: usize = 60_000;
/// Pages of 64 KiB that a contract's memory may have.
pub const MAX_PAGES: u64 = 256;
/// Functions that a module defines.
pub const MAX_FUNCTIONS: usize = 2048;
/// Types of functions.
pub const MAX_TYPES: usize = 512;
/// Parameters of a function.
pub const MAX_PARAMETERS: usize = 32;
/// Results of a function.
pub const MAX_RESULTS: usize = 1;
/// Locals of a function besides its parameters.
pub const MAX_LOCALS: u32 = 512;
/// Instructions of a function.
pub const MAX_INSTRUCTIONS: usize = 16_384;
/// What a module may cost a compiler, by the count of `docs/spec/wasm.md`.
pub const MAX_LABOUR: u64 = 1 << 19;
/// Of a function, for a compiler.
pub(crate) const BODY: u64 = 32;
/// What a compiler has to look after in every function, besides parameters and locals.
pub(crate) const HELD: u64 = 8;
/// Globals of a module.
pub const MAX_GLOBALS: u32 = 256;
/// Elements of a table.
pub const MAX_TABLE: u64 = 4096;
/// Exports of a module.
pub const MAX_EXPORTS: u32 = 256;

/// Fuel of one call.
pub const MAX_FUEL: u64 = 10_000_000;
/// Bytes that the frames of functions which wait for others may take together.
pub const MAX_STACK: u32 = 1 << 20;
/// Bytes of every frame, besides those for parameters, locals and instructions.
pub(crate) const FRAME: u32 = 256;
/// Bytes of a frame for each parameter, local and instruction.
pub(crate) const SLOT: u32 = 8;

/// Bytes of a method's name.
pub const MAX_METHOD: usize = 32;
/// Bytes of a method's arguments.
pub const MAX_ARGUMENTS: usize = 64 * 1024;
/// Bytes of a key in the state.
pub const MAX_KEY: usize = 128;
/// Bytes of a value in the state.
pub const MAX_VALUE: usize = 16 * 1024;
/// Keys that a call may write.
pub const MAX_WRITES: usize = 256;
/// Bytes of all keys and values that a call writes.
pub const MAX_WRITTEN: usize = 256 * 1024;
/// Events that a call may report.
pub const MAX_EVENTS: usize = 16;
/// Bytes of an event's name.
pub const MAX_EVENT_NAME: usize = 32;
/// Bytes of an event's subject.
pub const MAX_SUBJECT: usize = 128;
/// Bytes of an event's detail.
pub const MAX_DETAIL: usize = 1024;
/// Alarms that a call may set or clear.
pub const MAX_ALARMS: usize = 16;
/// Bytes of an alarm's name.
pub const MAX_ALARM_NAME: usize = 32;
/// Bytes of a verifier's name.
pub const MAX_VERIFIER: usize = 32;
/// Bytes of a proof; what it proves has no more.
pub const MAX_PROOF: usize = 128 * 1024;
/// Bytes of a contract's own code of a refusal.
pub const MAX_REASON: usize = 24;

/// Of every instruction that is not free.
pub(crate) const INSTRUCTION: u64 = 1;
/// Of a division, a remainder or a square root.
pub(crate) const DIVISION: u64 = 10;
/// Of what rounds a number of floating point, or chooses between two.
pub(crate) const ROUNDING: u64 = 4;
/// Of `memory.grow`, besides.
pub(crate) const GROW: u64 = 1000;
/// Of every call of the host.
pub(crate) const HOST: u64 = 100;
/// Of every byte that goes to the host or comes from it.
pub(crate) const BYTE: u64 = 1;
/// Of a look into the state, besides.
pub(crate) const READ: u64 = 10_000;
/// Of a write or a removal, besides.
pub(crate) const WRITE: u64 = 5_000;
/// Of an event, besides.
pub(crate) const EVENT: u64 = 1_000;
/// Of an alarm that is set or cleared, besides.
pub(crate) const ALARM: u64 = 20_000;
/// Of a signature, besides.
pub const VERIFY: u64 = 100_000;
/// Of a proof, besides what its verifier costs.
pub const PROOF: u64 = 20_000;
/// Of every byte of a proof.
pub const PROOF_BYTE: u64 = 32;
