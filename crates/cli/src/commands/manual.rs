//! The manual pages.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use serde_json::json;

use crate::args::Arguments;
use crate::error::Failure;
use crate::output::Output;

pub(super) fn run(directory: &Path, output: &Output) -> Result<(), Failure> {
    let written =
        fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Arguments::command(), directory));
    written.map_err(|error| Failure::file(directory, &error))?;
    let pages = fs::read_dir(directory).map_err(|error| Failure::file(directory, &error))?.count();
    let text = format!("{pages} pages in {}; read one with `man {}/sotto.1`", directory.display(), directory.display());
    output.result(&json!({ "directory": directory, "pages": pages }), &directory.display().to_string(), &text);
    Ok(())
}
