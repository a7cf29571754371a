//! A contract's code, made ready once and run many times.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::{fmt, thread};

use crypto::{Digest, Label, hash};
use wasmparser::WasmFeatures;
use wasmtime::{Config, Engine, InstancePre, Linker, Module, OptLevel, Store, Strategy, Trap, Val};

use crate::bounds::{MAX_ARGUMENTS, MAX_METHOD};
use crate::check::{ALARM, ALLOCATE, CALL, FEATURES, MIGRATE, Survey};
use crate::host::{self, Answer, Frame, Halt, Meters, Question};
use crate::{Call, Entry, Error, Fault, Reads, Refusal, Run, Sender, Stop, meter};

/// Code that was checked and compiled.
pub struct Code {
    digest: Digest,
    migrates: bool,
    wakes: bool,
    ready: InstancePre<Frame>,
}

impl Code {
    /// Whether bytes are a contract, without compiling them. [`Code::compile`] finds besides whether data and elements fit.
    ///
    /// # Errors
    /// A [`Refusal`].
    pub fn check(bytes: &[u8]) -> Result<(), Refusal> {
        meter::metered(&Survey::of(bytes)?).map(|_| ())
    }

    /// Checks and compiles.
    ///
    /// # Errors
    /// [`Error::Refused`] where the bytes are no contract, [`Error::Fault`] where this node cannot compile them.
    pub fn compile(bytes: &[u8]) -> Result<Self, Error> {
        let survey = Survey::of(bytes)?;
        let metered = meter::metered(&survey)?;
        let Machine { engine, linker } = MACHINE.as_ref().map_err(Clone::clone)?;
        let module = Module::new(engine, &metered).map_err(fault)?;
        let ready = linker.instantiate_pre(&module).map_err(fault)?;
        let code = Self { digest: digest(bytes), migrates: survey.migrates, wakes: survey.wakes, ready };
        code.try_out()?;
        Ok(code)
    }

    /// As [`Code::compile`], once for a module while this process lives and does not compile too many others.
    ///
    /// # Errors
    /// Those of [`Code::compile`].
    pub fn keep(bytes: &[u8]) -> Result<Arc<Self>, Error> {
        if let Some(code) = Self::kept(&digest(bytes)) {
            return Ok(code);
        }
        let code = Arc::new(Self::compile(bytes)?);
        let mut shelf = shelf();
        shelf.retain(|kept| kept.digest != code.digest);
        if shelf.len() == SHELF {
            shelf.remove(0);
        }
        shelf.push(code.clone());
        Ok(code)
    }

    /// What [`Code::keep`] has kept.
    pub fn kept(digest: &Digest) -> Option<Arc<Self>> {
        let mut shelf = shelf();
        let at = shelf.iter().position(|code| code.digest == *digest)?;
        // The one that was not used for the longest time stands first.
        let code = shelf.remove(at);
        shelf.push(code.clone());
        Some(code)
    }

    /// [`digest`] of the module.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether it can take over the state of an earlier version.
    pub const fn migrates(&self) -> bool {
        self.migrates
    }

    /// Whether it can be called by an alarm.
    pub const fn wakes(&self) -> bool {
        self.wakes
    }

    /// Runs one call, on a thread of its own whose stack is large enough.
    ///
    /// # Errors
    /// [`Fault`] where this node could not do its part; what the contract does wrong stands in [`Run::end`].
    pub fn run(&self, state: &dyn Reads, call: Call) -> Result<Run, Fault> {
        let (ask, questions) = sync_channel::<Question>(0);
        let (answer, answers) = sync_channel::<Result<Answer, Fault>>(0);
        thread::scope(|scope| {
            let work = || self.work(Frame::new(call, ask, answers));
            let builder = thread::Builder::new().name("contract".into()).stack_size(STACK);
            let worker = builder.spawn_scoped(scope, work).map_err(fault)?;
            // Ends when the worker does, which holds the other end.
            for question in questions {
                if answer.send(question.put(state)).is_err() {
                    break;
                }
            }
            worker.join().map_err(|_| Fault("the contract's thread panicked".into()))?
        })
    }

    fn work(&self, frame: Frame) -> Result<Run, Fault> {
        let limit = frame.call().fuel;
        let mut store = Store::new(self.ready.module().engine(), frame);
        let instance = self.ready.instantiate(&mut store).map_err(fault)?;
        let global = |store: &mut Store<Frame>, name| {
            instance.get_global(store, name).ok_or_else(|| Fault(format!("`{name}` is missing")))
        };
        let fuel = global(&mut store, meter::FUEL)?;
        let stopped = global(&mut store, meter::STOPPED)?;
        let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| Fault("no memory".into()))?;
        fuel.set(&mut store, Val::I64(limit as i64)).map_err(fault)?;
        store.data_mut().begin(Meters { memory, fuel });
        let end = self.enter(&mut store, &instance);
        let used = limit.saturating_sub(host::left(fuel, &mut store));
        let pages = memory.size(&store);
        let why = stopped.get(&mut store).i32().unwrap_or_default();
        let end = match end {
            Ok(()) => Ok(store.into_data().into_effects()),
            Err(error) => Err(stop(&error, why, limit)?),
        };
        Ok(Run { fuel: used, pages, end })
    }

    /// Gives the contract its arguments and control.
    fn enter(&self, store: &mut Store<Frame>, instance: &wasmtime::Instance) -> wasmtime::Result<()> {
        let Call { entry, arguments, .. } = store.data().call().clone();
        let name = match &entry {
            Entry::Method(name) | Entry::Alarm(name) => name.as_bytes(),
            Entry::Migrate { .. } => &[],
        };
        if name.len() > MAX_METHOD || arguments.len() > MAX_ARGUMENTS {
            return Err(Halt::Stop(Stop::Trap("the method's name or arguments are too long".into())).into());
        }
        let lacks = match entry {
            Entry::Migrate { .. } if !self.migrates => Some("the contract takes over no state"),
            Entry::Alarm(_) if !self.wakes => Some("the contract takes no alarms"),
            _ => None,
        };
        if let Some(why) = lacks {
            return Err(Halt::Stop(Stop::Trap(why.into())).into());
        }
        let allocate = instance.get_typed_func::<u32, u32>(&mut *store, ALLOCATE.0)?;
        let input = [name, &arguments].concat();
        // Both are short.
        let (named, length) = (name.len() as u32, arguments.len() as u32);
        let at = allocate.call(&mut *store, named + length)?;
        let outside = || Halt::Stop(Stop::Trap("it points outside of its memory".into()));
        let memory = instance.get_memory(&mut *store, "memory").ok_or_else(outside)?;
        memory.write(&mut *store, at as usize, &input).map_err(|_| outside())?;
        match entry {
            Entry::Method(_) => {
                let call = instance.get_typed_func::<(u32, u32, u32, u32), ()>(&mut *store, CALL.0)?;
                call.call(store, (at, named, at + named, length))
            }
            Entry::Migrate { from } => {
                let migrate = instance.get_typed_func::<(u32, u32, u32), ()>(&mut *store, MIGRATE.0)?;
                migrate.call(store, (from, at, length))
            }
            Entry::Alarm(_) => {
                let alarm = instance.get_typed_func::<(u32, u32), ()>(&mut *store, ALARM.0)?;
                alarm.call(store, (at, named))
            }
        }
    }

    /// Finds what the validator cannot: data and elements beyond their memory or table.
    fn try_out(&self) -> Result<(), Error> {
        let (ask, _questions) = sync_channel(0);
        let (_answer, answers) = sync_channel(0);
        let frame = Frame::new(Call::method("", Vec::new(), Sender::LEDGER, 0, 0), ask, answers);
        let mut store = Store::new(self.ready.module().engine(), frame);
        match self.ready.instantiate(&mut store) {
            Ok(_) => Ok(()),
            Err(error) if error.is::<Trap>() => Err(Refusal::Beginning.into()),
            Err(error) => Err(fault(error).into()),
        }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// What a module is known by: `H(CODE, [module])`.
pub fn digest(bytes: &[u8]) -> Digest {
    hash(Label::CODE, &[bytes])
}

/// How a call ended that did not end well.
fn stop(error: &wasmtime::Error, why: i32, limit: u64) -> Result<Stop, Fault> {
    match error.downcast_ref::<Halt>() {
        Some(Halt::Stop(stop)) => return Ok(stop.clone()),
        Some(Halt::Fault(fault)) => return Err(fault.clone()),
        None => {}
    }
    let trap = *error.downcast_ref::<Trap>().ok_or_else(|| fault(error))?;
    match (trap, why) {
        (Trap::UnreachableCodeReached, meter::NO_FUEL) => Ok(Stop::Fuel { limit }),
        (Trap::UnreachableCodeReached, meter::NO_STACK) => Ok(Stop::Depth),
        (Trap::UnreachableCodeReached, meter::NO_MEMORY) => Err(Fault("there is no memory left".into())),
        (
            Trap::UnreachableCodeReached
            | Trap::MemoryOutOfBounds
            | Trap::TableOutOfBounds
            | Trap::IndirectCallToNull
            | Trap::BadSignature
            | Trap::IntegerOverflow
            | Trap::IntegerDivisionByZero
            | Trap::BadConversionToInteger,
            _,
        ) => Ok(Stop::Trap(trap.to_string())),
        // Whatever else there is depends on the machine: the bound on frames comes long before its stack ends.
        _ => Err(fault(trap)),
    }
}

/// Who compiles and runs.
struct Machine {
    engine: Engine,
    linker: Linker<Frame>,
}

static MACHINE: LazyLock<Result<Machine, Fault>> = LazyLock::new(|| {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        // Values then live as long as WebAssembly says and no longer, so that frames are as small as they are counted.
        .cranelift_opt_level(OptLevel::None)
        .cranelift_nan_canonicalization(true)
        .wasm_features(WasmFeatures::all().difference(FEATURES), false)
        .wasm_features(FEATURES, true)
        .max_wasm_stack(ENGINE_STACK)
        .memory_init_cow(false);
    let engine = Engine::new(&config).map_err(fault)?;
    let mut linker = Linker::new(&engine);
    host::define(&mut linker).map_err(fault)?;
    Ok(Machine { engine, linker })
});

static KEPT: Mutex<Vec<Arc<Code>>> = Mutex::new(Vec::new());

fn shelf() -> std::sync::MutexGuard<'static, Vec<Arc<Code>>> {
    // Nothing is left half done in it.
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fault(error: impl fmt::Display) -> Fault {
    Fault(format!("{error:#}"))
}

/// Bytes of the engine's stack: twice what frames may take together, besides the last one.
const ENGINE_STACK: usize = 2 << 20;
/// Bytes of the thread's stack: the engine's, and what functions of the host need.
const STACK: usize = 4 << 20;
/// How many compiled modules are kept.
const SHELF: usize = 64;
