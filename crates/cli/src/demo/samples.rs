//! The sample data, inside the binary so that the demo runs anywhere.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Failure;

/// Writes the samples into a directory.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn write(directory: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
    for (name, bytes) in FILES {
        let path = directory.join(name);
        fs::write(&path, bytes).map_err(|error| Failure::file(&path, &error))?;
    }
    Ok(directory.to_owned())
}

/// Checks that no file below `directory` holds a row of the table in clear.
///
/// # Errors
/// Names the file that does.
pub(super) fn nowhere_in(directory: &Path, table: &Path) -> Result<(), Failure> {
    let table = fs::read_to_string(table).map_err(|error| Failure::file(table, &error))?;
    search(directory, table.lines().nth(1).unwrap_or_default().as_bytes())
}

fn search(directory: &Path, row: &[u8]) -> Result<(), Failure> {
    for entry in fs::read_dir(directory).map_err(|error| Failure::file(directory, &error))?.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() { search(&path, row)? } else { check(&path, row)? }
    }
    Ok(())
}

fn check(path: &Path, row: &[u8]) -> Result<(), Failure> {
    // A file may vanish meanwhile: the database's journal, for one.
    let bytes = fs::read(path).unwrap_or_default();
    if bytes.windows(row.len()).any(|window| window == row) {
        return Err(Failure::new(format!("{} holds a row of the table in clear", path.display())));
    }
    Ok(())
}

const FILES: [(&str, &[u8]); 7] = [
    ("st-anna.csv", include_bytes!("../../../../samples/hospitals/st-anna.csv")),
    ("riverside.csv", include_bytes!("../../../../samples/hospitals/riverside.csv")),
    ("northgate.csv", include_bytes!("../../../../samples/hospitals/northgate.csv")),
    ("program.toml", include_bytes!("../../../../samples/hospitals/program.toml")),
    ("compute.toml", include_bytes!("../../../../samples/hospitals/compute.toml")),
    ("compute-dropout.toml", include_bytes!("../../../../samples/hospitals/compute-dropout.toml")),
    ("northgate-release.toml", include_bytes!("../../../../samples/hospitals/northgate-release.toml")),
];
