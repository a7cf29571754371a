use proptest::prelude::*;

use super::*;

fn number() -> impl Strategy<Value = Node> {
    let name = prop_oneof!["[a-z_][a-z0-9_]{0,4}", "[ -~é]{1,6}".prop_filter("quotable", |name| name.trim() == name)];
    let decimal = (0i64..1_000_000, 0u8..=9)
        .prop_map(|(mantissa, scale)| Node::Number(Decimal::read(&Decimal { mantissa, scale }.to_string()).unwrap()));
    let leaf = prop_oneof![name.prop_map(Node::Column), decimal];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let operation = prop_oneof![Just(Arithmetic::Add), Just(Arithmetic::Subtract), Just(Arithmetic::Multiply)];
        prop_oneof![
            inner.clone().prop_map(|a| Node::Negative(a.into())),
            (operation, inner.clone(), inner).prop_map(|(o, a, b)| Node::Arithmetic(o, a.into(), b.into())),
        ]
    })
}

fn truth() -> impl Strategy<Value = Node> {
    let comparison = prop_oneof![
        Just(Comparison::Equal),
        Just(Comparison::Unequal),
        Just(Comparison::Less),
        Just(Comparison::GreaterOrEqual)
    ];
    let leaf = prop_oneof![
        (comparison, number(), number()).prop_map(|(c, a, b)| Node::Compare(c, a.into(), b.into())),
        ("[a-z]{1,5}", "[ -~]{0,6}", any::<bool>()).prop_map(|(column, text, equal)| Node::Matches {
            column: column + "_",
            text,
            equal
        }),
        ("[a-z]{1,5}", any::<bool>()).prop_map(|(column, missing)| Node::Missing { column: column + "_", missing }),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| Node::Not(a.into())),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Node::Both(a.into(), b.into())),
            (inner.clone(), inner).prop_map(|(a, b)| Node::Either(a.into(), b.into())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(expression in prop_oneof![
        number().prop_map(|node| Expression { node, kind: Kind::Number }),
        truth().prop_map(|node| Expression { node, kind: Kind::Truth }),
    ]) {
        let text = expression.to_string();
        let mut count = 0;
        expression.node.visit(&mut |_| count += 1);
        prop_assume!(text.len() <= MAX_TEXT && count <= MAX_NODES / 2);
        prop_assert_eq!(&text.parse::<Expression>().unwrap(), &expression, "{}", text);
        let bytes = wire::to_vec(&expression);
        prop_assert_eq!(wire::from_slice::<Expression>(&bytes, wire::Limits::small()).unwrap(), expression);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}") {
        let _ = text.parse::<Expression>();
    }

    #[test]
    fn any_tokens_are_read_or_refused(words in proptest::collection::vec(prop::sample::select(vec![
        "a", "b", "1", "0.25", "'t'", "\"c d\"", "and", "or", "not", "is", "missing", "(", ")", "+", "-", "*", "=", "!=", "<", ">=",
    ]), 0..40)) {
        if let Ok(expression) = words.join(" ").parse::<Expression>() {
            prop_assert_eq!(expression.to_string().parse::<Expression>().unwrap(), expression);
        }
    }
}

#[test]
fn canonical_spelling() {
    for (written, printed) in [
        ("cd420-cd40", "cd420 - cd40"),
        ("((a))", "a"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a-b)-c", "a - b - c"),
        ("a*(b+c)", "a * (b + c)"),
        ("-(a+1.500)", "-(a + 1.5)"),
        ("007", "7"),
        ("not (a=1 or b=2) and c is not missing", "not (a = 1 or b = 2) and c is not missing"),
        ("\"body weight\" >= 50", "\"body weight\" >= 50"),
        ("\"cens\" = 1", "cens = 1"),
        ("\"not\" = 1", "\"not\" = 1"),
        ("bpl = 'Land''s End'", "bpl = 'Land''s End'"),
    ] {
        let expression: Expression = written.parse().unwrap();
        assert_eq!(expression.to_string(), printed);
        let spelled = wire::minicbor::to_vec(written).unwrap();
        assert_eq!(
            wire::from_slice::<Expression>(&spelled, wire::Limits::small()).is_ok(),
            written == printed,
            "one spelling only"
        );
    }
}

#[test]
fn refusals_say_where_and_what() {
    let deep = format!("{}a{}", "(".repeat(33), ")".repeat(33));
    let wide = vec!["a"; 65].join("+");
    let mut wrong = Vec::new();
    for (text, at, what) in [
        ("", 0, "ends too early"),
        ("a +", 3, "ends too early"),
        ("a b", 2, "not expected"),
        ("(a", 2, "parenthesis"),
        ("a < b < c", 6, "not expected"),
        ("a and b = 1", 6, "comparisons"),
        ("(a = 1) + 2", 10, "numbers"),
        ("'x' = 'x'", 9, "compared"),
        ("a < 'x'", 7, "= or !="),
        ("'x'", 0, "text"),
        ("1e5", 1, "not expected"),
        ("1.2.3", 0, "numbers look like"),
        ("0.1234567891", 0, "9 of them"),
        ("1234567890123456789", 0, "18 digits"),
        ("a / b", 2, "not a part"),
        ("a == 1", 3, "not expected"),
        ("\"a", 0, "does not end"),
        ("a + 1 is missing", 16, "follow a column"),
        ("\"a\u{7}\"", 0, "control"),
        (&deep, 33, "nested"),
        (&wide, 129, "more than 128"),
        (&"a".repeat(1025), 0, "longer"),
    ] {
        let error = text.parse::<Expression>().unwrap_err();
        if error.at != at || !error.what.contains(what) {
            wrong.push(format!("{text}: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
