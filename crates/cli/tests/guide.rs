//! The commands of `docs/user/guide.md` do what it says.

use std::fs;
use std::process::Command;

#[path = "shared/page.rs"]
mod page;

#[test]
fn the_guides_commands_do_what_it_says() {
    let (terminals, told) = page::run("docs/user/guide.md");
    for expected in [
        "the data was released",
        "the result was computed",
        "is whole",
        "Dr. Maria Lind",
        "is withdrawn",
        "cancelled",
        "refused: objected",
        "contract_not_in_force",
        "2 clients, ",
        "asset_retired",
        "request.objected",
        "contract.amended",
    ] {
        assert!(told.contains(expected), "`{expected}` is not in:\n{told}");
    }

    // A receipt with one changed byte proves nothing.
    let mut receipt = fs::read(terminals.path("release.receipt")).unwrap();
    let at = receipt.len() / 2;
    receipt[at] = if receipt[at] == b'A' { b'B' } else { b'A' };
    fs::write(terminals.path("forged.receipt"), receipt).unwrap();
    let forged = Command::new(env!("CARGO_BIN_EXE_sotto"))
        .arg("verify")
        .arg(terminals.path("forged.receipt"))
        .arg("--consortium")
        .arg(terminals.path("st-anna.toml"))
        .output()
        .unwrap();
    assert!(!forged.status.success() && forged.stdout.is_empty());
}
