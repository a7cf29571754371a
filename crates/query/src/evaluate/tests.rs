use proptest::prelude::*;

use super::*;

fn program(text: &str) -> Program {
    Program::from_toml(text).unwrap()
}

fn table(text: &str) -> Table {
    Table::read(text.as_bytes()).unwrap()
}

fn local(program: &Program, table: &Table, parties: u16) -> Result<Vec<i64>, String> {
    let vector = program.local(table, parties).map_err(|error| error.to_string())?;
    Ok(vector.expose(|vector| vector.iter().map(|word| word.cast_signed()).collect()))
}

/// One output over the rows of a table without small-group control.
fn one(function: &str, expression: &str, decimals: u8, rows: &str) -> Result<Vec<i64>, String> {
    let text = format!(
        "minimum_group = 1\ndecimals = {decimals}\noutputs = [{{ name = \"x\", {function} = \"{expression}\" }}]"
    );
    local(&program(&text), &table(rows), 1)
}

#[test]
fn layout_and_missing_values() {
    let rows = "a,b,t\n1,10,x\n2,,y\n-4,30,\n,40,x\n";
    assert_eq!(one("count", "*", 0, rows).unwrap(), [4, 0]);
    assert_eq!(one("count", "a", 0, rows).unwrap(), [3, 1, 0]);
    assert_eq!(one("sum", "a", 0, rows).unwrap(), [3, 1, -1, 0]);
    assert_eq!(one("sum", "b - a", 0, rows).unwrap(), [2, 2, 43, 0]);
    assert_eq!(one("sd", "a", 1, rows).unwrap(), [3, 1, -10, 2100, 0]);
    assert_eq!(one("share", "a < 2", 3, rows).unwrap(), [3, 1, 2, 0]);
    assert_eq!(one("share", "t = 'x'", 0, rows).unwrap(), [3, 1, 2, 0]);
    assert_eq!(one("share", "t != 'x'", 0, rows).unwrap(), [3, 1, 1, 0]);
    assert_eq!(one("share", "t is missing", 0, rows).unwrap(), [4, 0, 1, 0]);
    // Unknown `and` false is false, unknown `or` true is true; otherwise unknown stays unknown.
    assert_eq!(one("share", "a < 2 and b > 35", 0, rows).unwrap(), [3, 1, 0, 0]);
    assert_eq!(one("share", "a < 2 or b > 35", 0, rows).unwrap(), [3, 1, 3, 0]);
    assert_eq!(one("share", "not (a < 2)", 0, rows).unwrap(), [3, 1, 1, 0]);
}

#[test]
fn decimals_are_exact_and_rounded_once() {
    let rows = "a,b\n0.1,3\n0.25,-2\n";
    assert_eq!(one("sum", "a * a * 10000", 0, rows).unwrap(), [2, 0, 725, 0]);
    assert_eq!(one("sum", "a + b - 0.005", 2, rows).unwrap(), [2, 0, 310 - 176, 0], "3.095 -> 3.10, -1.755 -> -1.76");
    assert_eq!(one("sum", "-(a * b)", 0, rows).unwrap(), [2, 0, 1, 0], "-0.3 -> 0, 0.5 -> 1");
    assert_eq!(one("share", "a = 0.10", 0, rows).unwrap(), [2, 0, 1, 0]);
    assert_eq!(one("share", "a * 3 = 0.3", 0, rows).unwrap(), [2, 0, 1, 0], "no binary fractions");
}

#[test]
fn nothing_wraps_silently() {
    let big = "a\n999999999999999999\n999999999999999999\n";
    assert_eq!(one("sum", "a", 0, big).unwrap(), [2, 0, 1_999_999_999_999_999_998, 0]);
    assert!(one("sum", "a", 1, big).unwrap_err().contains("too large for 62 bits"));
    assert!(one("sd", "a", 0, big).unwrap_err().contains("too large for 62 bits"));
    assert!(one("sum", "a * a * a", 0, big).unwrap_err().contains("38 digits"));
    assert!(one("share", "a * a * a > 1", 0, big).unwrap_err().contains("38 digits"));
    // The margin is for all parties together.
    let text = "minimum_group = 1\noutputs = [{ name = \"x\", sum = \"a\" }]";
    assert!(local(&program(text), &table(big), 2).is_ok());
    assert!(local(&program(text), &table(big), 3).is_err());
}

const GROUPS: &str = "filter = \"use = 1\"\ngroup_by = \"g\"\ndomain = [\"a\", \"b\", \"none\"]\nminimum_group = 10\n\
    outputs = [{ name = \"rows\", count = \"*\" }, { name = \"x\", sd = \"x\" }]";

fn groups(a: usize, b: usize, missing_in_b: usize) -> Table {
    let mut text = "g,x,use\n".to_owned();
    (0..a).for_each(|row| text += &format!("a,{row},1\n"));
    (0..b).for_each(|row| text += &if row < missing_in_b { "b,,1\n".to_owned() } else { format!("b,{row},1\n") });
    // Filtered out, unknown to the filter, outside the domain: none of them helps a group to its minimum.
    text += "a,7,0\na,7,\nc,7,1\n,7,1\n";
    table(&text)
}

#[test]
fn a_group_of_nine_does_not_enter() {
    let program = program(GROUPS);
    let nothing = [0, 1, 0, 0, 0, 0, 1];
    let nine = local(&program, &groups(9, 10, 0), 1).unwrap();
    assert_eq!(nine[..7], nothing);
    assert_eq!(nine[7..14], [10, 0, 10, 0, 45, 285, 0]);
    assert_eq!(nine[14..], nothing, "an empty group looks like a small one");
    let ten = local(&program, &groups(10, 9, 0), 1).unwrap();
    assert_eq!((&ten[..7], &ten[7..14]), (&[10, 0, 10, 0, 45, 285, 0][..], &nothing[..]));
}

#[test]
fn too_few_values_withhold_the_cell_alone() {
    let program = program(GROUPS);
    let found = local(&program, &groups(10, 12, 3), 1).unwrap();
    assert_eq!(found[7..14], [12, 0, 0, 0, 0, 0, 1], "nine values: neither they nor the number missing enter");
    let found = local(&program, &groups(10, 12, 2), 1).unwrap();
    assert_eq!(found[7..14], [12, 0, 10, 2, 65, 505, 0]);
}

#[test]
fn what_does_not_fit_is_named() {
    let error = |rows: &str| local(&program(GROUPS), &table(rows), 1).unwrap_err();
    assert!(error("g,x\na,1\n").contains("no column “use”"));
    assert!(error("g,x,use\na,one,1\n").contains("“x”, row 1"));
}

proptest! {
    /// Against a plain reading in f64 and i128 of numbers small enough for both.
    #[test]
    fn sums_match_a_plain_computation(rows in proptest::collection::vec((proptest::option::of(-9999i32..9999), proptest::option::of(-999i32..999), 0u8..4), 0..60)) {
        let cell = |value: Option<i32>| value.map_or(String::new(), |value| format!("{:.2}", f64::from(value) / 100.0));
        let text: String = rows.iter().map(|(a, b, g)| format!("{},{},{g}\n", cell(*a), cell(*b))).collect();
        let program = program("filter = \"a > -50 or b is missing\"\ngroup_by = \"g\"\ndomain = [\"2\", \"0\"]\ndecimals = 4\nminimum_group = 3\noutputs = [{ name = \"x\", sd = \"a * b + 1\" }]");
        let found = local(&program, &table(&format!("a,b,g\n{text}")), 3).unwrap();
        let mut expected = Vec::new();
        for group in [2, 0] {
            let kept: Vec<_> = rows.iter().filter(|(a, b, g)| *g == group && (b.is_none() || a.is_some_and(|a| a > -5000))).collect();
            let values: Vec<i64> = kept.iter().filter_map(|(a, b, _)| Some(i64::from((*a)?) * i64::from((*b)?) + 10_000)).collect();
            expected.extend(if kept.len() < 3 || values.len() < 3 { [0, 0, 0, 0, 1] } else {
                [values.len() as i64, (kept.len() - values.len()) as i64, values.iter().sum(), values.iter().map(|x| x * x).sum(), 0]
            });
        }
        prop_assert_eq!(found, expected);
    }
}
