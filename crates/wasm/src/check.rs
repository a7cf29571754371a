//! What a module holds, and whether that may be.

use std::collections::BTreeMap;

use wasmparser::{
    ExternalKind, FuncType, FunctionBody, Parser, Payload, RefType, TypeRef, ValType, Validator, WasmFeatures,
};

use crate::bounds::{
    MAX_EXPORTS, MAX_FUNCTIONS, MAX_GLOBALS, MAX_MODULE, MAX_PAGES, MAX_PARAMETERS, MAX_RESULTS, MAX_TABLE, MAX_TYPES,
};
use crate::{Refusal, host, meter};

/// The extensions of WebAssembly 1.0 that contracts have; a fixed set, whatever the reader learns later. References of other kinds than
/// to functions, which the set would name without allowing them, this engine cannot have.
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::LIME1.difference(WasmFeatures::GC_TYPES);

/// A module that was found good, taken apart.
pub(crate) struct Survey<'a> {
    /// The sections as they are, by number, without custom ones.
    pub(crate) sections: BTreeMap<u8, &'a [u8]>,
    /// The functions that it defines, each with its type.
    pub(crate) functions: Vec<(FuncType, FunctionBody<'a>)>,
    /// How many functions it imports.
    pub(crate) imported: u32,
    /// How many globals it has.
    pub(crate) globals: u32,
    /// How many exports it has.
    pub(crate) exports: u32,
    /// How many pages its memory may have.
    pub(crate) pages: u64,
    /// Whether it can take over the state of an earlier version.
    pub(crate) migrates: bool,
    /// Whether it can be called by an alarm.
    pub(crate) wakes: bool,
}

impl<'a> Survey<'a> {
    /// Reads a module.
    ///
    /// # Errors
    /// A [`Refusal`]; of several, whichever is found first.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_MODULE {
            return Err(Refusal::TooLong { found: bytes.len(), limit: MAX_MODULE });
        }
        Validator::new_with_features(FEATURES).validate_all(bytes).map_err(invalid)?;
        let mut parts = Parts::default();
        for payload in Parser::new(0).parse_all(bytes) {
            parts.take(bytes, payload.map_err(invalid)?)?;
        }
        parts.finish()
    }
}

/// What has been read of a module so far.
#[derive(Default)]
struct Parts<'a> {
    sections: BTreeMap<u8, &'a [u8]>,
    types: Vec<FuncType>,
    /// The types of all functions, imported ones first.
    functions: Vec<u32>,
    imported: u32,
    bodies: Vec<FunctionBody<'a>>,
    globals: u32,
    pages: Option<u64>,
    exports: BTreeMap<String, (ExternalKind, u32)>,
}

impl<'a> Parts<'a> {
    fn take(&mut self, bytes: &'a [u8], payload: Payload<'a>) -> Result<(), Refusal> {
        if let Some((id, range)) = payload.as_section()
            && id != CUSTOM
        {
            self.sections.insert(id, &bytes[range]);
        }
        match payload {
            Payload::TypeSection(types) => {
                few("types", u64::from(types.count()), MAX_TYPES as u64)?;
                for ty in types.into_iter_err_on_gc_types() {
                    let ty = ty.map_err(invalid)?;
                    few("parameters", ty.params().len() as u64, MAX_PARAMETERS as u64)?;
                    few("results", ty.results().len() as u64, MAX_RESULTS as u64)?;
                    self.types.push(ty);
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(invalid)?;
                    let refused = || Refusal::Import { module: import.module.into(), name: import.name.into() };
                    let TypeRef::Func(index) = import.ty else { return Err(refused()) };
                    let ty = self.types.get(index as usize).ok_or_else(refused)?;
                    if import.module != host::MODULE || !host::offers(import.name, ty.params(), ty.results()) {
                        return Err(refused());
                    }
                    self.functions.push(index);
                    self.imported += 1;
                    few("imports", u64::from(self.imported), host::OFFERED as u64)?;
                }
            }
            Payload::FunctionSection(functions) => {
                few("functions", u64::from(functions.count()), MAX_FUNCTIONS as u64)?;
                for index in functions {
                    self.functions.push(index.map_err(invalid)?);
                }
            }
            Payload::TableSection(tables) => {
                few("tables", u64::from(tables.count()), 1)?;
                for table in tables {
                    let table = table.map_err(invalid)?.ty;
                    few("elements in a table", table.initial, MAX_TABLE)?;
                    if table.element_type != RefType::FUNCREF {
                        return Err(Refusal::Invalid("a table of something else than functions".into()));
                    }
                }
            }
            Payload::MemorySection(memories) => {
                few("memories", u64::from(memories.count()), 1)?;
                for memory in memories {
                    let memory = memory.map_err(invalid)?;
                    few("pages of memory", memory.initial, MAX_PAGES)?;
                    self.pages = Some(memory.maximum.map_or(MAX_PAGES, |maximum| maximum.min(MAX_PAGES)));
                }
            }
            Payload::GlobalSection(globals) => {
                few("globals", u64::from(globals.count()), u64::from(MAX_GLOBALS))?;
                self.globals = globals.count();
            }
            Payload::ExportSection(exports) => {
                few("exports", u64::from(exports.count()), u64::from(MAX_EXPORTS))?;
                for export in exports {
                    let export = export.map_err(invalid)?;
                    if export.name.starts_with(meter::RESERVED) {
                        return Err(Refusal::Reserved(export.name.into()));
                    }
                    self.exports.insert(export.name.into(), (export.kind, export.index));
                }
            }
            Payload::StartSection { .. } => return Err(Refusal::Start),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            // The validator has seen that nothing else than data and elements is left.
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<Survey<'a>, Refusal> {
        let (Some(pages), Some((ExternalKind::Memory, _))) = (self.pages, self.exports.get("memory")) else {
            return Err(Refusal::Export("memory"));
        };
        let own = |(name, parameters, results): (&'static str, usize, usize)| match self.exports.get(name) {
            Some((ExternalKind::Func, index)) => {
                let ty = self.functions.get(*index as usize).and_then(|index| self.types.get(*index as usize));
                let all_i32 = |types: &[ValType], count| types == vec![ValType::I32; count];
                match ty {
                    Some(ty) if all_i32(ty.params(), parameters) && all_i32(ty.results(), results) => Ok(true),
                    _ => Err(Refusal::Export(name)),
                }
            }
            Some(_) => Err(Refusal::Export(name)),
            None => Ok(false),
        };
        for needed in [ALLOCATE, CALL] {
            if !own(needed)? {
                return Err(Refusal::Export(needed.0));
            }
        }
        let (migrates, wakes) = (own(MIGRATE)?, own(ALARM)?);
        let defined = self.functions.iter().skip(self.imported as usize);
        let types = defined.filter_map(|index| self.types.get(*index as usize)).cloned();
        let functions: Vec<_> = types.zip(self.bodies).collect();
        let exports = self.exports.len() as u32;
        let Self { sections, imported, globals, .. } = self;
        Ok(Survey { sections, functions, imported, globals, exports, pages, migrates, wakes })
    }
}

/// Name, how many parameters and how many results; all of type `i32`.
pub(crate) const ALLOCATE: (&str, usize, usize) = ("allocate", 1, 1);
pub(crate) const CALL: (&str, usize, usize) = ("call", 4, 0);
pub(crate) const MIGRATE: (&str, usize, usize) = ("migrate", 3, 0);
pub(crate) const ALARM: (&str, usize, usize) = ("alarm", 2, 0);

const CUSTOM: u8 = 0;

/// Refuses more of something than a module may have.
pub(crate) fn few(what: &'static str, found: u64, limit: u64) -> Result<(), Refusal> {
    match found <= limit {
        true => Ok(()),
        false => Err(Refusal::TooMany { what, found, limit }),
    }
}

pub(crate) fn invalid(error: wasmparser::Error) -> Refusal {
    Refusal::Invalid(error.to_string())
}
