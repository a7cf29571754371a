//! The commands of `docs/operator/consortium.md` do what it says: founding across organisations, a fifth member, an upgrade, a lost disk.

#[path = "shared/page.rs"]
#[expect(dead_code, reason = "the guide's test reads files of the terminals")]
mod page;

#[test]
fn the_operators_commands_do_what_it_says() {
    let (_terminals, told) = page::run("docs/operator/consortium.md");
    for expected in
        ["quorum 4", "quorum 5", "quorum 6", "Copied into", "Restored into", "restored: it votes again with a new key"]
    {
        assert!(told.contains(expected), "`{expected}` is not in:\n{told}");
    }
}
