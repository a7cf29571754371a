//! Makes a module count its own fuel and depth, so that both are defined by WebAssembly and not by who runs it.
//!
//! Every block of instructions pays before it runs; every call of a function of the module first reserves the caller's frame and
//! gives it back afterwards; `memory.grow` refuses beyond the bound by itself. Nothing else of what a module does changes: indices stay,
//! for what is added stands behind what was there. The rules are in `docs/spec/wasm.md`.

use wasm_encoder::{
    BlockType, CodeSection, Encode, ExportKind, Function, Instruction as I, Module, RawSection, SectionId, ValType,
};
use wasmparser::{BinaryReader, Operator};

use crate::Refusal;
use crate::bounds::{
    BODY, DIVISION, FRAME, GROW, HELD, INSTRUCTION, MAX_INSTRUCTIONS, MAX_LABOUR, MAX_LOCALS, MAX_STACK, ROUNDING, SLOT,
};
use crate::check::{Survey, few, invalid};

/// How names begin that a module's exports may not have.
pub(crate) const RESERVED: &str = "sottovoce:";
/// The fuel that is left.
pub(crate) const FUEL: &str = "sottovoce:fuel";
/// Why the module stopped itself, if it did.
pub(crate) const STOPPED: &str = "sottovoce:stopped";
/// Of [`STOPPED`]: the fuel ran out.
pub(crate) const NO_FUEL: i32 = 1;
/// Of [`STOPPED`]: the frames got too large.
pub(crate) const NO_STACK: i32 = 2;
/// Of [`STOPPED`]: the machine has no memory left that the module may have.
pub(crate) const NO_MEMORY: i32 = 3;

/// The module with its meters.
///
/// # Errors
/// A [`Refusal`] where a function is too large.
pub(crate) fn metered(survey: &Survey<'_>) -> Result<Vec<u8>, Refusal> {
    let meters = Meters { fuel: survey.globals, stack: survey.globals + 1, stopped: survey.globals + 2 };
    let mut code = CodeSection::new();
    let mut labour = 0;
    for (ty, body) in &survey.functions {
        code.function(&function(ty.params().len() as u32, body, survey, (meters, &mut labour))?);
    }
    let globals = appended(survey.sections.get(&GLOBALS).copied(), survey.globals, 3, &meters.globals())?;
    let exports = appended(survey.sections.get(&EXPORTS).copied(), survey.exports, 2, &meters.exports())?;
    let mut module = Module::new();
    for id in ORDER {
        match id {
            GLOBALS => _ = module.section(&RawSection { id, data: &globals }),
            EXPORTS => _ = module.section(&RawSection { id, data: &exports }),
            CODE => _ = module.section(&code),
            _ => {
                if let Some(data) = survey.sections.get(&id) {
                    module.section(&RawSection { id, data });
                }
            }
        }
    }
    Ok(module.finish())
}

/// The globals that count, by index.
#[derive(Clone, Copy)]
struct Meters {
    fuel: u32,
    stack: u32,
    stopped: u32,
}

impl Meters {
    /// Their definitions.
    fn globals(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut define = |ty: ValType, value: I<'_>| {
            ty.encode(&mut bytes);
            bytes.push(MUTABLE);
            value.encode(&mut bytes);
            I::End.encode(&mut bytes);
        };
        define(ValType::I64, I::I64Const(0));
        define(ValType::I32, I::I32Const(MAX_STACK as i32));
        define(ValType::I32, I::I32Const(0));
        bytes
    }

    /// What the host sees of them.
    fn exports(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, index) in [(FUEL, self.fuel), (STOPPED, self.stopped)] {
            name.encode(&mut bytes);
            ExportKind::Global.encode(&mut bytes);
            index.encode(&mut bytes);
        }
        bytes
    }

    /// Ends the call.
    fn stop(self, why: i32) -> [I<'static>; 3] {
        [I::I32Const(why), I::GlobalSet(self.stopped), I::Unreachable]
    }

    /// Takes fuel for a block of instructions.
    fn pay(self, cost: u64, into: &mut Function) {
        let cost = I::I64Const(cost as i64);
        put(into, [I::GlobalGet(self.fuel), cost.clone(), I::I64LtU, I::If(BlockType::Empty)]);
        put(into, self.stop(NO_FUEL));
        put(into, [I::End, I::GlobalGet(self.fuel), cost, I::I64Sub, I::GlobalSet(self.fuel)]);
    }

    /// Takes fuel for each of as many bytes as stand in a local.
    fn pay_bytes(self, local: u32, into: &mut Function) {
        let bytes = [I::LocalGet(local), I::I64ExtendI32U];
        put(into, [I::GlobalGet(self.fuel)].into_iter().chain(bytes.clone()));
        put(into, [I::I64LtU, I::If(BlockType::Empty)]);
        put(into, self.stop(NO_FUEL));
        put(into, [I::End, I::GlobalGet(self.fuel)].into_iter().chain(bytes));
        put(into, [I::I64Sub, I::GlobalSet(self.fuel)]);
    }

    /// Reserves a frame.
    fn enter(self, frame: u32, into: &mut Function) {
        let frame = I::I32Const(frame as i32);
        put(into, [I::GlobalGet(self.stack), frame.clone(), I::I32LtU, I::If(BlockType::Empty)]);
        put(into, self.stop(NO_STACK));
        put(into, [I::End, I::GlobalGet(self.stack), frame, I::I32Sub, I::GlobalSet(self.stack)]);
    }

    /// Gives a frame back.
    fn leave(self, frame: u32, into: &mut Function) {
        put(into, [I::GlobalGet(self.stack), I::I32Const(frame as i32), I::I32Add, I::GlobalSet(self.stack)]);
    }

    /// Grows the memory by as many pages as stand in a local: to `limit` at most, and where it may, it can.
    fn grow(self, limit: u64, local: u32, into: &mut Function) {
        let i32_block = BlockType::Result(ValType::I32);
        put(into, [I::LocalGet(local), I::I64ExtendI32U, I::MemorySize(0), I::I64ExtendI32U, I::I64Add]);
        put(into, [I::I64Const(limit as i64), I::I64GtU, I::If(i32_block), I::I32Const(-1), I::Else]);
        put(into, [I::LocalGet(local), I::MemoryGrow(0), I::LocalTee(local), I::I32Const(-1), I::I32Eq]);
        put(into, [I::If(BlockType::Empty)]);
        put(into, self.stop(NO_MEMORY));
        put(into, [I::End, I::LocalGet(local), I::End]);
    }
}

/// A function with its meters.
fn function(
    parameters: u32,
    body: &wasmparser::FunctionBody<'_>,
    survey: &Survey<'_>,
    (meters, labour): (Meters, &mut u64),
) -> Result<Function, Refusal> {
    let mut locals = Vec::new();
    let mut count = 0_u32;
    for group in body.get_locals_reader().map_err(invalid)? {
        let (number, ty) = group.map_err(invalid)?;
        count = count.saturating_add(number);
        few("locals in a function", u64::from(count), u64::from(MAX_LOCALS))?;
        locals.push((number, value_type(ty)?));
    }
    let scratch = parameters + count;
    locals.push((1, ValType::I32));

    let (bytes, base) = (body.as_bytes(), body.range().start);
    let (mut operators, mut steps) = (Vec::new(), 0_u64);
    let mut reader = body.get_operators_reader().map_err(invalid)?;
    while !reader.eof() {
        let (operator, at) = reader.read_with_offset().map_err(invalid)?;
        steps = steps.saturating_add(compiled(&operator, survey.imported));
        operators.push((operator, at - base));
        few("instructions in a function", operators.len() as u64, MAX_INSTRUCTIONS as u64)?;
    }
    let held = u64::from(parameters + count) + HELD;
    *labour = labour.saturating_add(steps.saturating_mul(held)).saturating_add(BODY);
    few("units of labour for a compiler", *labour, MAX_LABOUR)?;
    let frame = FRAME + SLOT * (parameters + count + operators.len() as u32);

    let mut function = Function::new(locals);
    // The function itself, and each local to be zeroed.
    let mut due = INSTRUCTION + u64::from(count) * INSTRUCTION;
    let mut begins = true;
    for (place, (operator, at)) in operators.iter().enumerate() {
        if std::mem::take(&mut begins) {
            due += block(&operators[place..]);
            if due > 0 {
                meters.pay(std::mem::take(&mut due), &mut function);
            }
        }
        begins = ends_block(operator);
        let end = operators.get(place + 1).map_or(bytes.len(), |(_, next)| *next);
        let raw = bytes[*at..end].iter().copied();
        match operator {
            Operator::Call { function_index } if *function_index < survey.imported => _ = function.raw(raw),
            Operator::Call { .. } | Operator::CallIndirect { .. } => {
                meters.enter(frame, &mut function);
                function.raw(raw);
                meters.leave(frame, &mut function);
            }
            Operator::MemoryCopy { .. } | Operator::MemoryFill { .. } => {
                function.instruction(&I::LocalSet(scratch));
                meters.pay_bytes(scratch, &mut function);
                function.instruction(&I::LocalGet(scratch)).raw(raw);
            }
            Operator::MemoryGrow { .. } => {
                function.instruction(&I::LocalSet(scratch));
                meters.grow(survey.pages, scratch, &mut function);
            }
            _ => _ = function.raw(raw),
        }
    }
    Ok(function)
}

/// What the block that begins here costs: all up to where control may leave it or enter another.
fn block(operators: &[(Operator<'_>, usize)]) -> u64 {
    let mut sum = 0;
    for (operator, _) in operators {
        sum += cost(operator);
        if ends_block(operator) {
            break;
        }
    }
    sum
}

fn ends_block(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::Loop { .. }
            | Operator::If { .. }
            | Operator::Else
            | Operator::End
            | Operator::Br { .. }
            | Operator::BrIf { .. }
            | Operator::BrTable { .. }
            | Operator::Return
            | Operator::Unreachable
    )
}

/// What an instruction costs a compiler, which has to know at each what every local holds.
fn compiled(operator: &Operator<'_>, imported: u32) -> u64 {
    match operator {
        Operator::BrTable { targets } => {
            let targets = u64::from(targets.len());
            1 + targets + targets * targets / 8
        }
        Operator::Call { function_index } if *function_index < imported => 1,
        Operator::Call { .. }
        | Operator::CallIndirect { .. }
        | Operator::MemoryCopy { .. }
        | Operator::MemoryFill { .. }
        | Operator::MemoryGrow { .. } => 8,
        operator => u64::from(ends_block(operator)),
    }
}

fn cost(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::Nop
        | Operator::Drop
        | Operator::Block { .. }
        | Operator::Loop { .. }
        | Operator::Else
        | Operator::End
        | Operator::Return
        | Operator::Unreachable => 0,
        Operator::MemoryGrow { .. } => INSTRUCTION + GROW,
        Operator::I32DivS
        | Operator::I32DivU
        | Operator::I32RemS
        | Operator::I32RemU
        | Operator::I64DivS
        | Operator::I64DivU
        | Operator::I64RemS
        | Operator::I64RemU
        | Operator::F32Div
        | Operator::F64Div
        | Operator::F32Sqrt
        | Operator::F64Sqrt => DIVISION,
        Operator::F32Ceil
        | Operator::F32Floor
        | Operator::F32Trunc
        | Operator::F32Nearest
        | Operator::F32Min
        | Operator::F32Max
        | Operator::F32DemoteF64
        | Operator::F64Ceil
        | Operator::F64Floor
        | Operator::F64Trunc
        | Operator::F64Nearest
        | Operator::F64Min
        | Operator::F64Max
        | Operator::F64PromoteF32 => ROUNDING,
        _ => INSTRUCTION,
    }
}

fn put<'a>(function: &mut Function, instructions: impl IntoIterator<Item = I<'a>>) {
    for instruction in instructions {
        function.instruction(&instruction);
    }
}

/// A section's items, with more behind them.
fn appended(section: Option<&[u8]>, count: u32, more: u32, items: &[u8]) -> Result<Vec<u8>, Refusal> {
    let before = match section {
        None => &[][..],
        Some(section) => {
            let mut reader = BinaryReader::new(section, 0);
            reader.read_var_u32().map_err(invalid)?;
            &section[reader.original_position()..]
        }
    };
    let mut bytes = Vec::new();
    (count + more).encode(&mut bytes);
    bytes.extend_from_slice(before);
    bytes.extend_from_slice(items);
    Ok(bytes)
}

fn value_type(ty: wasmparser::ValType) -> Result<ValType, Refusal> {
    match ty {
        wasmparser::ValType::I32 => Ok(ValType::I32),
        wasmparser::ValType::I64 => Ok(ValType::I64),
        wasmparser::ValType::F32 => Ok(ValType::F32),
        wasmparser::ValType::F64 => Ok(ValType::F64),
        other => Err(Refusal::Invalid(format!("a local of type {other}"))),
    }
}

const MUTABLE: u8 = 1;
const GLOBALS: u8 = SectionId::Global as u8;
const EXPORTS: u8 = SectionId::Export as u8;
const CODE: u8 = SectionId::Code as u8;

/// The sections in the order that a module has them.
const ORDER: [u8; 11] = [
    SectionId::Type as u8,
    SectionId::Import as u8,
    SectionId::Function as u8,
    SectionId::Table as u8,
    SectionId::Memory as u8,
    GLOBALS,
    EXPORTS,
    SectionId::Element as u8,
    SectionId::DataCount as u8,
    CODE,
    SectionId::Data as u8,
];
