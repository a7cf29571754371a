//! Contracts in WebAssembly: which there are, and what they keep.

use std::fmt::Write as _;
use std::path::Path;

use client::api::{KeptValue, ModuleView};
use contracts::message::{ModuleState, Room};
use contracts::record::{Alarm, Kept};
use minicbor::Decoder;
use minicbor::data::Type;
use serde_json::json;
use wasm::Code;

use super::Surroundings;
use crate::args::ModuleCommand;
use crate::error::Failure;
use crate::output::{Output, fields, moment, short, table};

pub(super) async fn run(command: ModuleCommand, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    if let ModuleCommand::Digest { file } = &command {
        return digest(file, output);
    }
    let client = surroundings.session()?.client;
    match command {
        ModuleCommand::List => {
            let modules = client.modules().await?;
            let header = ["contract", "version", "module", "stands", "called by", "fuel", "keeps"];
            let text = table(&header, modules.iter().map(row).collect(), "no contracts in WebAssembly");
            let names: Vec<&str> = modules.iter().map(|view| view.installed.name.as_str()).collect();
            output.result(&json!({ "modules": modules }), &names.join("\n"), &text);
        }
        ModuleCommand::Show { name } => {
            let view = client.module(&name).await?;
            let one = &view.installed;
            let text = fields(&[
                ("contract", one.name.clone()),
                ("stands", format!("{} since {}", one.course, moment(one.since))),
                ("version", one.version.to_string()),
                ("module", one.module.to_string()),
                ("called by", one.callers.to_string()),
                ("fuel of a call", one.room.fuel.to_string()),
                ("keeps", keeps(&view)),
                ("alarms", alarms(&view)),
                ("proposal", one.proposal.to_string()),
            ]);
            output.result(&view, &one.module.to_string(), &text);
        }
        ModuleCommand::Read { name, key, height } => read(&client.kept(&name, &key, height).await?, output),
        ModuleCommand::Sweep { name } => {
            let mut parts = 0;
            let waiting = output.waiting(format!("what `{name}` kept is erased"));
            // Others may do the same; the last part takes the contract with it.
            loop {
                let placed = client.submit("modules", "sweep", &ModuleState { name: name.clone() }).await?;
                parts += 1;
                let left = client.modules().await?.into_iter().find(|view| view.installed.name == name);
                let Some(left) = left else {
                    drop(waiting);
                    output.result(&placed, &placed.id.to_string(), &format!("{name}: erased, in {parts} transactions"));
                    return Ok(());
                };
                waiting.say(format!("{} records are left", left.kept.records));
            }
        }
        ModuleCommand::Digest { .. } => {}
    }
    Ok(())
}

/// A module's bytes in a file, found good.
pub(super) fn load(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = std::fs::read(file).map_err(|error| Failure::file(file, &error))?;
    // As every node does before it runs it: what would be refused later is refused here.
    Code::compile(&bytes).map_err(|error| {
        Failure::refused(contracts::code::MODULE_REFUSED.code, format!("{}: {error}", file.display()))
    })?;
    Ok(bytes)
}

fn digest(file: &Path, output: &Output) -> Result<(), Failure> {
    let bytes = load(file)?;
    let digest = wasm::digest(&bytes);
    let text = format!("{digest}  {} ({} bytes)", file.display(), bytes.len());
    output.result(&json!({ "module": digest, "bytes": bytes.len() }), &digest.to_string(), &text);
    Ok(())
}

fn read(kept: &KeptValue, output: &Output) {
    let hex = kept.value.as_ref().map(|value| wire::text::to_hex(value));
    let told = kept.value.as_ref().and_then(|value| diagnostic(value));
    let essence = hex.clone().unwrap_or_default();
    let text = match &hex {
        None => format!("after block {} {} kept nothing under `{}`", kept.height, kept.name, kept.key),
        Some(hex) => {
            let mut rows = vec![("block", kept.height.to_string()), ("key", kept.key.clone()), ("hex", hex.clone())];
            if let Some(told) = &told {
                rows.push(("CBOR", told.clone()));
            }
            fields(&rows)
        }
    };
    let json = json!({
        "name": kept.name, "key": kept.key, "height": kept.height, "value": hex, "diagnostic": told,
    });
    output.result(&json, &essence, &text);
}

fn row(view: &ModuleView) -> Vec<String> {
    let one = &view.installed;
    vec![
        one.name.clone(),
        one.version.to_string(),
        short(one.module),
        one.course.to_string(),
        one.callers.to_string(),
        one.room.fuel.to_string(),
        keeps(view),
    ]
}

fn keeps(view: &ModuleView) -> String {
    let (Kept { records, bytes }, Room { records: most, bytes: size, .. }) = (view.kept, view.installed.room);
    format!("{records} of {most} records, {bytes} of {size} bytes")
}

fn alarms(view: &ModuleView) -> String {
    let one = |alarm: &Alarm| format!("{} at {}", alarm.name, moment(alarm.at));
    match view.alarms.as_slice() {
        [] => "none".to_owned(),
        alarms => alarms.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

/// What CBOR says, in the notation of RFC 8949 §8; none where it is no CBOR, or of a kind that contracts hardly use.
fn diagnostic(bytes: &[u8]) -> Option<String> {
    let mut decoder = Decoder::new(bytes);
    let mut text = String::new();
    item(&mut decoder, &mut text, 0)?;
    (decoder.position() == bytes.len()).then_some(text)
}

fn item(from: &mut Decoder<'_>, into: &mut String, depth: usize) -> Option<()> {
    if depth == MAX_DEPTH {
        return None;
    }
    match from.datatype().ok()? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => write!(into, "{}", from.u64().ok()?).ok(),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => write!(into, "{}", from.i64().ok()?).ok(),
        Type::Bool => write!(into, "{}", from.bool().ok()?).ok(),
        Type::Null => {
            from.null().ok()?;
            into.push_str("null");
            Some(())
        }
        Type::String => write!(into, "{:?}", from.str().ok()?).ok(),
        Type::Bytes => write!(into, "h'{}'", wire::text::to_hex(from.bytes().ok()?)).ok(),
        Type::Array => {
            let count = from.array().ok()??;
            into.push('[');
            for place in 0..count {
                if place > 0 {
                    into.push_str(", ");
                }
                item(from, into, depth + 1)?;
            }
            into.push(']');
            Some(())
        }
        _ => None,
    }
}

/// Arrays within arrays that are told.
const MAX_DEPTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_values_are_told_as_cbor_where_they_are() {
        assert_eq!(diagnostic(&wire::to_vec(&("st-anna", 7))).unwrap(), r#"["st-anna", 7]"#);
        assert_eq!(diagnostic(&[0x20]).unwrap(), "-1");
        assert_eq!(diagnostic(&[0x42, 0, 0xff]).unwrap(), "h'00ff'");
        for none in [&b""[..], b"mri", &[0x81], &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x81; 20]] {
            assert_eq!(diagnostic(none), None);
        }
    }
}
