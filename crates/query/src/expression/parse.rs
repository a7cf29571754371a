//! The reader of expressions: bounded in length, parts and nesting.

use super::{Arithmetic, Comparison, Decimal, Kind, MAX_NODES, MAX_TEXT, Node};

/// Why an expression was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in the expression, at byte {at}: {what}")]
pub struct ParseError {
    /// Offset in the text.
    pub at: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

pub(super) fn parse(text: &str) -> Result<(Node, Kind), ParseError> {
    if text.len() > MAX_TEXT {
        return Err(ParseError { at: 0, what: format!("the expression is longer than {MAX_TEXT} bytes") });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, end: text.len(), nodes: 0, depth: 0 };
    let found = parser.either()?;
    if let Some((at, token)) = parser.tokens.get(parser.next) {
        return Err(ParseError { at: *at, what: format!("{} is not expected here", token.describe()) });
    }
    let kind = match &found {
        Part::Number(_) => Kind::Number,
        Part::Truth(_) => Kind::Truth,
        Part::Text(_) => return Err(ParseError { at: 0, what: "a text can only be compared with a column".into() }),
    };
    let (Part::Number(node) | Part::Truth(node)) = found else { unreachable!("texts were refused above") };
    Ok((node, kind))
}

/// Whether a column's name needs no quotes.
pub(super) fn is_word(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !KEYWORDS.contains(&name)
}

const KEYWORDS: [&str; 5] = ["and", "or", "not", "is", "missing"];

/// Deepest nesting of parentheses, `not` and signs.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Text(String),
    Number(Decimal),
    Sign(&'static str),
}

impl Token {
    fn describe(&self) -> String {
        match self {
            Self::Word(word) | Self::Quoted(word) => format!("“{word}”"),
            Self::Text(_) => "a text".into(),
            Self::Number(number) => format!("the number {number}"),
            Self::Sign(sign) => format!("“{sign}”"),
        }
    }
}

const SIGNS: [&str; 11] = ["<=", ">=", "!=", "<", ">", "=", "+", "-", "*", "(", ")"];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let error = |what: &str| Err(ParseError { at, what: what.into() });
        let span = |inside: fn(u8) -> bool| rest.bytes().position(|byte| !inside(byte)).unwrap_or(rest.len());
        let (token, length) = match first {
            ' ' | '\t' | '\n' | '\r' => {
                at += 1;
                continue;
            }
            '"' | '\'' => {
                let Some((content, length)) = quoted(rest, first) else { return error("the quotation does not end") };
                if content.chars().any(char::is_control) || (first == '"' && content.trim() != content) {
                    return error(
                        "quoted names and texts hold no control characters, and names neither start nor end with space",
                    );
                }
                if first == '"' && content.is_empty() {
                    return error("a column's name is not empty");
                }
                (if first == '"' { Token::Quoted(content) } else { Token::Text(content) }, length)
            }
            '0'..='9' => {
                let length = span(|byte| byte.is_ascii_digit() || byte == b'.');
                let Some(number) = Decimal::read(&rest[..length]) else {
                    return error("numbers look like 12 or 0.5, with at most 18 digits, 9 of them behind the point");
                };
                (Token::Number(number), length)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = span(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                (Token::Word(rest[..length].into()), length)
            }
            _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => {
                    return error(
                        "not a part of any expression; quote column names like \"body weight\", texts like 'Texas'",
                    );
                }
            },
        };
        tokens.push((at, token));
        at += length;
    }
    Ok(tokens)
}

/// A quotation's content, its doubled quotes undone, and its length with quotes.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            content.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return Some((content, at + 1));
        }
    }
    None
}

/// What a rule recognised.
enum Part {
    Number(Node),
    Truth(Node),
    Text(String),
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
    nodes: usize,
    depth: usize,
}

type Parsed<T> = Result<T, ParseError>;

impl Parser {
    fn either(&mut self) -> Parsed<Part> {
        self.chain(Self::both, "or", Node::Either)
    }

    fn both(&mut self) -> Parsed<Part> {
        self.chain(Self::not, "and", Node::Both)
    }

    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Parsed<Part>,
        word: &str,
        join: fn(Box<Node>, Box<Node>) -> Node,
    ) -> Parsed<Part> {
        let mut left = operand(self)?;
        while self.take_word(word) {
            let a = self.truth(left)?;
            let right = operand(self)?;
            let b = self.truth(right)?;
            left = Part::Truth(self.grow(join(a.into(), b.into()))?);
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Part> {
        if !self.take_word("not") {
            return self.comparison();
        }
        let operand = self.nested(Self::not)?;
        let node = Node::Not(self.truth(operand)?.into());
        Ok(Part::Truth(self.grow(node)?))
    }

    fn comparison(&mut self) -> Parsed<Part> {
        let left = self.sum()?;
        if self.take_word("is") {
            let missing = !self.take_word("not");
            let (Part::Number(Node::Column(column)), true) = (left, self.take_word("missing")) else {
                return self.fail("“is missing” and “is not missing” follow a column");
            };
            return Ok(Part::Truth(Node::Missing { column, missing }));
        }
        let Some(comparison) = self.take_comparison() else { return Ok(left) };
        let right = self.sum()?;
        let node = match (left, right) {
            (Part::Number(a), Part::Number(b)) => self.grow(Node::Compare(comparison, a.into(), b.into()))?,
            (Part::Number(Node::Column(column)), Part::Text(text)) => {
                let equal = match comparison {
                    Comparison::Equal => true,
                    Comparison::Unequal => false,
                    _ => return self.fail("texts are compared by = or != only"),
                };
                Node::Matches { column, text, equal }
            }
            _ => return self.fail("numbers are compared with numbers, and a column with a text: column = 'text'"),
        };
        Ok(Part::Truth(node))
    }

    fn sum(&mut self) -> Parsed<Part> {
        self.arithmetic(Self::product, &[("+", Arithmetic::Add), ("-", Arithmetic::Subtract)])
    }

    fn product(&mut self) -> Parsed<Part> {
        self.arithmetic(Self::signed, &[("*", Arithmetic::Multiply)])
    }

    fn arithmetic(&mut self, operand: fn(&mut Self) -> Parsed<Part>, signs: &[(&str, Arithmetic)]) -> Parsed<Part> {
        let mut left = operand(self)?;
        while let Some((_, operation)) = signs.iter().find(|(sign, _)| self.take_sign(sign)) {
            let a = self.number(left)?;
            let right = operand(self)?;
            let b = self.number(right)?;
            left = Part::Number(self.grow(Node::Arithmetic(*operation, a.into(), b.into()))?);
        }
        Ok(left)
    }

    fn signed(&mut self) -> Parsed<Part> {
        if !self.take_sign("-") {
            return self.atom();
        }
        let operand = self.nested(Self::signed)?;
        let node = Node::Negative(self.number(operand)?.into());
        Ok(Part::Number(self.grow(node)?))
    }

    fn atom(&mut self) -> Parsed<Part> {
        let Some((_, token)) = self.tokens.get(self.next).cloned() else {
            return self.fail("the expression ends too early");
        };
        if token == Token::Sign("(") {
            self.next += 1;
            let inner = self.nested(Self::either)?;
            return if self.take_sign(")") { Ok(inner) } else { self.fail("a closing parenthesis is missing here") };
        }
        let part = match token {
            Token::Number(number) => Part::Number(Node::Number(number)),
            Token::Word(word) if !KEYWORDS.contains(&word.as_str()) => Part::Number(Node::Column(word)),
            Token::Quoted(name) => Part::Number(Node::Column(name)),
            Token::Text(text) => Part::Text(text),
            other => return self.fail(&format!("{} is not expected here; a column or number is", other.describe())),
        };
        self.next += 1;
        match part {
            Part::Number(node) => Ok(Part::Number(self.grow(node)?)),
            other => Ok(other),
        }
    }

    fn nested(&mut self, rule: fn(&mut Self) -> Parsed<Part>) -> Parsed<Part> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return self.fail(&format!("nested deeper than {MAX_DEPTH}"));
        }
        let found = rule(self);
        self.depth -= 1;
        found
    }

    fn number(&self, part: Part) -> Parsed<Node> {
        if let Part::Number(node) = part { Ok(node) } else { self.fail("+ - * take numbers") }
    }

    fn truth(&self, part: Part) -> Parsed<Node> {
        if let Part::Truth(node) = part { Ok(node) } else { self.fail("and, or, not take comparisons") }
    }

    /// Counts a part.
    fn grow(&mut self, node: Node) -> Parsed<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES { self.fail(&format!("more than {MAX_NODES} parts")) } else { Ok(node) }
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.take(|token| matches!(token, Token::Word(found) if found == word))
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        self.take(|token| matches!(token, Token::Sign(found) if *found == sign))
    }

    fn take_comparison(&mut self) -> Option<Comparison> {
        use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Unequal};
        [Equal, Unequal, Less, LessOrEqual, Greater, GreaterOrEqual]
            .into_iter()
            .find(|comparison| self.take_sign(comparison.sign()))
    }

    fn take(&mut self, wanted: impl FnOnce(&Token) -> bool) -> bool {
        let found = self.tokens.get(self.next).is_some_and(|(_, token)| wanted(token));
        self.next += usize::from(found);
        found
    }

    fn fail<T>(&self, what: &str) -> Parsed<T> {
        let at = self.tokens.get(self.next).map_or(self.end, |(at, _)| *at);
        Err(ParseError { at, what: what.into() })
    }
}
