//! The commands of `docs/user/own-data.md` yield what the same tables yield in clear.

use std::fs;

use serde_json::{Value, json};

#[path = "shared/page.rs"]
mod page;
#[path = "shared/python.rs"]
mod python;

#[test]
fn tables_of_other_shapes_are_computed_over() {
    let (terminals, told) = page::run("docs/user/own-data.md");
    let answer = |name: &str| -> Value { serde_json::from_slice(&fs::read(terminals.path(name)).unwrap()).unwrap() };

    let (homes, expected) = (answer("homes.json"), python::in_clear("banks"));
    assert_eq!(homes["parties"], 3);
    let expected = expected.as_object().unwrap();
    assert_eq!((homes["groups"].as_object().unwrap().len(), expected.len()), (4, 4));
    for (quarter, figures) in expected {
        for (figure, expected) in figures.as_object().unwrap() {
            let found = &homes["groups"][quarter][figure]["value"];
            assert!(python::equal(found, expected), "quarter {quarter}, {figure}: {found}, in clear {expected}");
        }
    }

    // By hand from the page's tables. Harbour's nine people inland do not enter; the empty cells are counted where the
    // group enters.
    let savings = answer("savings.json");
    assert_eq!(savings["parties"], 2);
    let cell = |value: f64, n: u64, missing: u64, withheld: u64| json!({ "value": value, "n": n, "missing": missing, "withheld": withheld });
    let expected = json!({
        "coast": { "people": cell(22.0, 22, 0, 0), "balance": cell(500.0, 20, 2, 0), "savers": cell(0.6, 20, 2, 0) },
        "inland": { "people": cell(11.0, 11, 0, 1), "balance": cell(250.55, 10, 1, 1), "savers": cell(0.7, 10, 1, 1) },
    });
    assert_eq!(savings["groups"], expected);
    assert!(told.contains("the result was computed"));
}
