use proptest::prelude::*;

use super::*;

fn hospitals() -> Program {
    Program::from_toml(include_str!("../../../../samples/hospitals/program.toml")).unwrap()
}

fn error(text: &str) -> String {
    Program::from_toml(text).unwrap_err().to_string()
}

#[test]
fn one_program_in_all_its_forms() {
    let program = hospitals();
    assert_eq!(Program::from_bytes(&program.to_bytes()).unwrap(), program);
    assert_eq!(Program::from_toml(&program.to_toml()).unwrap(), program);
    let json = serde_json::to_string(&program).unwrap();
    assert_eq!(serde_json::from_str::<Program>(&json).unwrap(), program);
    assert_eq!(program.columns().into_iter().collect::<Vec<_>>(), ["arms", "cd40", "cd420", "cd496", "cens"]);
    assert_eq!(program.groups(), ["0", "1", "2", "3"]);
    assert_eq!(program.length(), 4 * (2 + 4 + 5 + 4 + 3 + 4 + 5));
    assert_eq!(program.cost(3).bytes, 6 * 32);
    // Frozen: another digest is another format, and breaks contracts that were signed.
    assert_eq!(program.digest().to_string(), DIGEST);
}

#[test]
fn the_text_says_what_is_wrong() {
    let output = "[[outputs]]\nname = \"n\"\ncount = \"*\"\n";
    assert!(Program::from_toml(output).is_ok());
    for (text, what) in [
        ("outputs = []".to_owned(), "number of outputs is 0"),
        ("colour = 1\n".to_owned() + output, "unknown field `colour`"),
        (output.replace("count", "median"), "unknown field `median`"),
        (output.to_owned() + "mean = \"a\"\n", "exactly one of count, sum"),
        (output.replace("count = \"*\"", ""), "exactly one of count, sum"),
        (output.replace("count", "sum"), "not expected here; a column or number is"),
        (output.replace("count = \"*\"", "mean = \"a = 1\""), "needs a number like"),
        (output.replace("count = \"*\"", "share = \"a\""), "needs a condition like"),
        (output.to_owned() + output, "the output “n” appears twice"),
        (output.replace("\"n\"", "\"n n\""), "cannot name an output"),
        ("filter = \"a\"\n".to_owned() + output, "the filter needs a condition"),
        ("filter = \"a ==\"\n".to_owned() + output, "the filter: in the expression, at byte 3"),
        ("group_by = \"a\"\n".to_owned() + output, "belong together"),
        ("domain = [\"a\"]\n".to_owned() + output, "belong together"),
        ("group_by = \"a\"\ndomain = []\n".to_owned() + output, "size of the domain is 0"),
        ("group_by = \"a\"\ndomain = [\"x\", \"x\"]\n".to_owned() + output, "the group “x” appears twice"),
        ("group_by = \"a\"\ndomain = [\" x\"]\n".to_owned() + output, "cannot name a column or group"),
        ("decimals = 7\n".to_owned() + output, "decimals is 7: 0 to 6"),
        ("minimum_group = 0\n".to_owned() + output, "minimum_group is 0: 1 to"),
        (" ".repeat(MAX_TOML + 1), "longer than"),
    ] {
        let found = error(&text);
        assert!(found.contains(what), "{text}\n{found}");
    }
}

#[test]
fn no_way_around_the_checks_by_bytes() {
    let mut content = hospitals().0;
    content.minimum_group = 0;
    assert!(Program::from_bytes(&wire::to_vec(&content)).is_err());
    content = hospitals().0;
    content.version = 2;
    assert!(Program::from_bytes(&wire::to_vec(&content)).unwrap_err().to_string().contains("version 2"));
    content = hospitals().0;
    content.outputs[1].expression = None;
    assert!(Program::from_bytes(&wire::to_vec(&content)).is_err());
    content = hospitals().0;
    content.group_by.as_mut().unwrap().domain = (0..1025).map(|group| group.to_string()).collect();
    assert!(Program::from_bytes(&wire::to_vec(&content)).unwrap_err().to_string().contains("size of the domain"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z=\"\\[\\]\n*0-9 ]{0,120}") {
        let _ = Program::from_toml(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = Program::from_bytes(&bytes);
    }

    #[test]
    fn accepted_bytes_are_the_encoding(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut bytes = hospitals().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = Program::from_bytes(&bytes) {
            prop_assert!(other != hospitals());
            prop_assert_eq!(other.to_bytes(), bytes);
            prop_assert_eq!(Program::from_toml(&other.to_toml()).unwrap(), other);
        }
    }
}

const DIGEST: &str = "4fe0bb82e3fa9b38012bd804a239f9894f247c00f67b1636b0e781812124dcc2";
