//! The functions that a contract may import, and what a call has done so far.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender};

use crypto::Signature;
use wasmparser::ValType;
use wasmtime::{Caller, Global, Linker, Memory, Val};
use wire::Fixed;

use crate::bounds::{
    ALARM, BYTE, EVENT, HOST, MAX_ALARM_NAME, MAX_ALARMS, MAX_DETAIL, MAX_EVENT_NAME, MAX_EVENTS, MAX_KEY, MAX_PROOF,
    MAX_REASON, MAX_SUBJECT, MAX_VALUE, MAX_VERIFIER, MAX_WRITES, MAX_WRITTEN, PROOF, PROOF_BYTE, READ, VERIFY, WRITE,
};
use crate::{Call, Effects, Event, Fault, Reads, Role, Stop, Verifier};

/// The module under which all functions are imported.
pub(crate) const MODULE: &str = "sottovoce";
/// How many functions there are.
pub(crate) const OFFERED: usize = OFFERS.len();

const N: ValType = ValType::I32;
const L: ValType = ValType::I64;

/// Name, parameters, results.
const OFFERS: [(&str, &[ValType], &[ValType]); 16] = [
    ("state_get", &[N, N, N, N], &[N]),
    ("state_put", &[N, N, N, N], &[]),
    ("state_delete", &[N, N], &[]),
    ("emit", &[N, N, N, N, N, N], &[]),
    ("caller_key", &[N], &[]),
    ("caller_member", &[N, N], &[N]),
    ("caller_role", &[], &[N]),
    ("block_height", &[], &[L]),
    ("block_time", &[], &[L]),
    ("sha256", &[N, N, N], &[]),
    ("ed25519_verify", &[N, N, N, N], &[N]),
    ("refuse", &[N, N], &[]),
    ("alarm_set", &[N, N, L], &[]),
    ("alarm_clear", &[N, N], &[]),
    ("verifier", &[N, N, N], &[N]),
    ("verify_proof", &[N, N, N, N, N, N], &[N]),
];

/// Whether there is such a function.
pub(crate) fn offers(name: &str, parameters: &[ValType], results: &[ValType]) -> bool {
    OFFERS.contains(&(name, parameters, results))
}

/// Defines them all.
pub(crate) fn define(linker: &mut Linker<Frame>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "state_get", state_get)?;
    linker.func_wrap(MODULE, "state_put", state_put)?;
    linker.func_wrap(MODULE, "state_delete", state_delete)?;
    linker.func_wrap(MODULE, "emit", emit)?;
    linker.func_wrap(MODULE, "caller_key", caller_key)?;
    linker.func_wrap(MODULE, "caller_member", caller_member)?;
    linker.func_wrap(MODULE, "caller_role", caller_role)?;
    linker.func_wrap(MODULE, "block_height", block_height)?;
    linker.func_wrap(MODULE, "block_time", block_time)?;
    linker.func_wrap(MODULE, "sha256", sha256)?;
    linker.func_wrap(MODULE, "ed25519_verify", ed25519_verify)?;
    linker.func_wrap(MODULE, "refuse", refuse)?;
    linker.func_wrap(MODULE, "alarm_set", alarm_set)?;
    linker.func_wrap(MODULE, "alarm_clear", alarm_clear)?;
    linker.func_wrap(MODULE, "verifier", verifier)?;
    linker.func_wrap(MODULE, "verify_proof", verify_proof)?;
    Ok(())
}

/// What a call asks of the ledger while it runs.
pub(crate) enum Question {
    /// The value under a key.
    Value(Vec<u8>),
    /// A verifier, by its name.
    Verifier(String),
    /// What a proof proves under a verifier.
    Proof(String, Vec<u8>),
}

/// What the ledger says.
pub(crate) enum Answer {
    /// The value, or what is proven.
    Bytes(Option<Vec<u8>>),
    /// The verifier.
    Verifier(Option<Verifier>),
}

impl Question {
    /// Answers it.
    pub(crate) fn put(self, state: &dyn Reads) -> Result<Answer, Fault> {
        match self {
            Self::Value(key) => state.get(&key).map(Answer::Bytes),
            Self::Verifier(name) => state.verifier(&name).map(Answer::Verifier),
            Self::Proof(name, proof) => state.verify(&name, &proof).map(Answer::Bytes),
        }
    }
}

/// A call while it runs.
pub(crate) struct Frame {
    call: Call,
    ask: SyncSender<Question>,
    answers: Receiver<Result<Answer, Fault>>,
    effects: Effects,
    meters: Option<Meters>,
}

/// What a module exports for the host.
#[derive(Clone, Copy)]
pub(crate) struct Meters {
    pub(crate) memory: Memory,
    pub(crate) fuel: Global,
}

impl Frame {
    pub(crate) fn new(call: Call, ask: SyncSender<Question>, answers: Receiver<Result<Answer, Fault>>) -> Self {
        Self { call, ask, answers, effects: Effects::default(), meters: None }
    }

    /// Before the module runs.
    pub(crate) fn begin(&mut self, meters: Meters) {
        self.meters = Some(meters);
    }

    pub(crate) fn call(&self) -> &Call {
        &self.call
    }

    /// After it has run.
    pub(crate) fn into_effects(self) -> Effects {
        self.effects
    }

    fn meters(&self) -> Result<Meters, Halt> {
        self.meters.ok_or_else(|| Halt::Fault(Fault("a module ran before it was called".into())))
    }

    fn look(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if let Some(value) = self.effects.writes.get(key) {
            return Ok(value.clone());
        }
        self.bytes(Question::Value(key.to_vec()))
    }

    fn bytes(&self, question: Question) -> Result<Option<Vec<u8>>, Fault> {
        match self.ask(question)? {
            Answer::Bytes(found) => Ok(found),
            Answer::Verifier(_) => Err(Fault("the state answers something else".into())),
        }
    }

    fn verifier(&self, name: &str) -> Result<Option<Verifier>, Fault> {
        match self.ask(Question::Verifier(name.to_owned()))? {
            Answer::Verifier(found) => Ok(found),
            Answer::Bytes(_) => Err(Fault("the state answers something else".into())),
        }
    }

    fn ask(&self, question: Question) -> Result<Answer, Fault> {
        let gone = || Fault("the state does not answer".into());
        self.ask.send(question).map_err(|_| gone())?;
        self.answers.recv().map_err(|_| gone())?
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), Halt> {
        let writes = &mut self.effects.writes;
        writes.insert(key, value);
        let size = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| key.len() + value.as_ref().map_or(0, Vec::len);
        if writes.len() > MAX_WRITES || writes.iter().map(size).sum::<usize>() > MAX_WRITTEN {
            return trap("it writes more than a call may");
        }
        Ok(())
    }
}

/// Ends a call from within a function of the host.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Halt {
    #[error(transparent)]
    Stop(#[from] Stop),
    #[error(transparent)]
    Fault(#[from] Fault),
}

type Host<'a> = Caller<'a, Frame>;
type Done<T> = wasmtime::Result<T>;

fn state_get(mut host: Host<'_>, key: u32, key_length: u32, value: u32, room: u32) -> Done<i32> {
    pay(&mut host, READ, key_length)?;
    let key = read_key(&host, key, key_length)?;
    let Some(found) = host.data().look(&key).map_err(Halt::Fault)? else { return Ok(-1) };
    let length = found.len() as u32;
    pay_bytes(&mut host, length)?;
    if length <= room {
        write(&mut host, value, &found)?;
    }
    // Values are far shorter than 2^31.
    Ok(length as i32)
}

fn state_put(mut host: Host<'_>, key: u32, key_length: u32, value: u32, length: u32) -> Done<()> {
    pay(&mut host, WRITE, key_length.saturating_add(length))?;
    if length as usize > MAX_VALUE {
        return Ok(trap(format!("a value has {MAX_VALUE} bytes at most"))?);
    }
    let key = read_key(&host, key, key_length)?;
    let value = read(&host, value, length)?.to_vec();
    Ok(host.data_mut().write(key, Some(value))?)
}

fn state_delete(mut host: Host<'_>, key: u32, length: u32) -> Done<()> {
    pay(&mut host, WRITE, length)?;
    let key = read_key(&host, key, length)?;
    Ok(host.data_mut().write(key, None)?)
}

fn emit(
    mut host: Host<'_>,
    name: u32,
    name_length: u32,
    subject: u32,
    subject_length: u32,
    detail: u32,
    detail_length: u32,
) -> Done<()> {
    pay(&mut host, EVENT, name_length.saturating_add(subject_length).saturating_add(detail_length))?;
    let name = read_name(&host, name, name_length, MAX_EVENT_NAME)?;
    let subject = read_text(&host, subject, subject_length, MAX_SUBJECT)?;
    let detail = read_text(&host, detail, detail_length, MAX_DETAIL)?;
    let events = &mut host.data_mut().effects.events;
    if events.len() == MAX_EVENTS {
        return Ok(trap(format!("a call reports {MAX_EVENTS} events at most"))?);
    }
    events.push(Event { name, subject, detail });
    Ok(())
}

fn caller_key(mut host: Host<'_>, into: u32) -> Done<()> {
    pay(&mut host, 0, 32)?;
    let key = host.data().call.sender.key;
    Ok(write(&mut host, into, key.0.as_bytes())?)
}

fn caller_member(mut host: Host<'_>, into: u32, room: u32) -> Done<i32> {
    let member = host.data().call.sender.member.clone().unwrap_or_default();
    let length = member.len() as u32;
    pay(&mut host, 0, length)?;
    if length <= room {
        write(&mut host, into, member.as_bytes())?;
    }
    // Names have 32 bytes at most.
    Ok(length as i32)
}

fn caller_role(mut host: Host<'_>) -> Done<i32> {
    pay(&mut host, 0, 0)?;
    Ok(match host.data().call.sender.role {
        Role::Nobody => 0,
        Role::Operator => 1,
        Role::Node => 2,
        Role::Principal => 3,
        Role::Ledger => 4,
    })
}

fn block_height(mut host: Host<'_>) -> Done<u64> {
    pay(&mut host, 0, 0)?;
    Ok(host.data().call.height)
}

fn block_time(mut host: Host<'_>) -> Done<u64> {
    pay(&mut host, 0, 0)?;
    Ok(host.data().call.time)
}

fn sha256(mut host: Host<'_>, bytes: u32, length: u32, into: u32) -> Done<()> {
    pay(&mut host, 0, length.saturating_mul(4))?;
    let digest = crypto::sha256(&[read(&host, bytes, length)?]);
    Ok(write(&mut host, into, digest.as_bytes())?)
}

fn ed25519_verify(mut host: Host<'_>, key: u32, message: u32, length: u32, signature: u32) -> Done<i32> {
    pay(&mut host, VERIFY, length.saturating_mul(4))?;
    let bad = || Halt::Fault(Fault("a range has another length than was asked for".into()));
    let key = Fixed::from_slice(read(&host, key, 32)?).ok_or_else(bad)?;
    let signature = Fixed::from_slice(read(&host, signature, 64)?).ok_or_else(bad)?;
    let message = read(&host, message, length)?;
    let verified = crypto::PublicKey(key).verify_raw(message, &Signature(signature));
    Ok(i32::from(verified.is_ok()))
}

fn refuse(mut host: Host<'_>, reason: u32, length: u32) -> Done<()> {
    pay(&mut host, 0, length)?;
    let reason = read_name(&host, reason, length, MAX_REASON)?;
    match reason.contains('-') {
        true => Ok(trap("a code has other characters than `a-z 0-9 _`")?),
        false => Err(Halt::Stop(Stop::Refused(reason)).into()),
    }
}

fn alarm_set(mut host: Host<'_>, name: u32, length: u32, at: u64) -> Done<()> {
    alarm(&mut host, (name, length), Some(at))
}

fn alarm_clear(mut host: Host<'_>, name: u32, length: u32) -> Done<()> {
    alarm(&mut host, (name, length), None)
}

fn alarm(host: &mut Host<'_>, (name, length): (u32, u32), at: Option<u64>) -> Done<()> {
    pay(host, ALARM, length)?;
    let name = read_name(host, name, length, MAX_ALARM_NAME)?;
    let alarms = &mut host.data_mut().effects.alarms;
    alarms.insert(name, at);
    match alarms.len() <= MAX_ALARMS {
        true => Ok(()),
        false => Ok(trap(format!("a call sets and clears {MAX_ALARMS} alarms at most"))?),
    }
}

fn verifier(mut host: Host<'_>, name: u32, length: u32, into: u32) -> Done<i32> {
    pay(&mut host, READ, length.saturating_add(32))?;
    let name = read_name(&host, name, length, MAX_VERIFIER)?;
    let Some(found) = host.data().verifier(&name).map_err(Halt::Fault)? else { return Ok(0) };
    write(&mut host, into, found.digest.as_bytes())?;
    Ok(1)
}

fn verify_proof(
    mut host: Host<'_>,
    name: u32,
    name_length: u32,
    proof: u32,
    length: u32,
    into: u32,
    room: u32,
) -> Done<i32> {
    pay(&mut host, PROOF + u64::from(length) * PROOF_BYTE, name_length)?;
    let name = read_name(&host, name, name_length, MAX_VERIFIER)?;
    if length as usize > MAX_PROOF {
        return Ok(trap(format!("a proof has {MAX_PROOF} bytes at most"))?);
    }
    let proof = read(&host, proof, length)?.to_vec();
    let Some(verifier) = host.data().verifier(&name).map_err(Halt::Fault)? else { return Ok(UNKNOWN) };
    // All that verifying may take is paid before any of it is done.
    take(&mut host, verifier.fuel)?;
    let proven = host.data().bytes(Question::Proof(name, proof)).map_err(Halt::Fault)?;
    let Some(proven) = proven else { return Ok(REFUSED) };
    let length = proven.len() as u32;
    pay_bytes(&mut host, length)?;
    if length <= room {
        write(&mut host, into, &proven)?;
    }
    // What is proven has as many bytes as a proof at most.
    Ok(length as i32)
}

/// There is no such verifier.
const UNKNOWN: i32 = -1;
/// The proof proves nothing under it.
const REFUSED: i32 = -2;

fn trap<T>(why: impl Into<String>) -> Result<T, Halt> {
    Err(Halt::Stop(Stop::Trap(why.into())))
}

/// Takes what a call of the host costs, and what its bytes do.
fn pay(host: &mut Host<'_>, price: u64, bytes: u32) -> Result<(), Halt> {
    take(host, HOST + price + u64::from(bytes) * BYTE)
}

fn pay_bytes(host: &mut Host<'_>, bytes: u32) -> Result<(), Halt> {
    take(host, u64::from(bytes) * BYTE)
}

fn take(host: &mut Host<'_>, price: u64) -> Result<(), Halt> {
    let fuel = host.data().meters()?.fuel;
    let left = left(fuel, &mut *host).checked_sub(price);
    let left = left.ok_or(Stop::Fuel { limit: host.data().call.fuel })?;
    fuel.set(&mut *host, Val::I64(left as i64)).map_err(|error| Halt::Fault(Fault(error.to_string())))
}

/// The fuel that is left.
pub(crate) fn left(fuel: Global, store: impl wasmtime::AsContextMut) -> u64 {
    fuel.get(store).i64().map_or(0, |left| left as u64)
}

/// Bytes of the contract's memory.
fn read<'a>(host: &'a Host<'_>, at: u32, length: u32) -> Result<&'a [u8], Halt> {
    let memory = host.data().meters()?.memory.data(host);
    let range = at as usize..(at as usize).saturating_add(length as usize);
    memory.get(range).map_or_else(|| trap("it points outside of its memory"), Ok)
}

fn write(host: &mut Host<'_>, at: u32, bytes: &[u8]) -> Result<(), Halt> {
    let memory = host.data().meters()?.memory.data_mut(host);
    let range = at as usize..(at as usize).saturating_add(bytes.len());
    match memory.get_mut(range) {
        Some(room) => {
            room.copy_from_slice(bytes);
            Ok(())
        }
        None => trap("it points outside of its memory"),
    }
}

/// A key of the state: printable ASCII without spaces.
fn read_key(host: &Host<'_>, at: u32, length: u32) -> Result<Vec<u8>, Halt> {
    let key = read(host, at, length)?;
    match (1..=MAX_KEY).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic) {
        true => Ok(key.to_vec()),
        false => trap(format!("a key has 1 to {MAX_KEY} printable characters of ASCII, and no spaces")),
    }
}

fn read_name(host: &Host<'_>, at: u32, length: u32, most: usize) -> Result<String, Halt> {
    let good = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let name = read(host, at, length)?;
    match (1..=most).contains(&name.len()) && name.iter().all(good) {
        true => Ok(String::from_utf8_lossy(name).into_owned()),
        false => trap(format!("a name has 1 to {most} characters of `a-z 0-9 _ -`")),
    }
}

fn read_text(host: &Host<'_>, at: u32, length: u32, most: usize) -> Result<String, Halt> {
    let text = std::str::from_utf8(read(host, at, length)?).ok();
    let good = |text: &&str| text.len() <= most && !text.chars().any(char::is_control);
    match text.filter(good) {
        Some(text) => Ok(text.to_owned()),
        None => trap(format!("a text has {most} bytes of UTF-8 at most, without control characters")),
    }
}

/// Events and writes of a call, by key.
pub(crate) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
