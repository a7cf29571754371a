//! The check with a toy ring, `GR(2^64, 4)`, 16 challenges: how often a liar gets away is what the page's formula says, for the best attacks on
//! each of its terms.

use std::cell::RefCell;

use super::super::claim::First;
use super::super::galois::Galois;
use super::super::plan::LAST;
use super::*;

type Element = Galois<u64, 4>;
type Toy = Reference<Element>;

const RUNS: u64 = 6000;
const LIAR: u16 = 1;
/// `|S|`.
const CHALLENGES: f64 = 16.0;

/// Errors that it adds to the last step, given the error that is left of its wrong product.
struct Fit {
    errors: fn(Element) -> Vec<(usize, Element)>,
    left: RefCell<Element>,
}

impl Fit {
    fn new(errors: fn(Element) -> Vec<(usize, Element)>) -> Rc<Self> {
        Rc::new(Self { errors, left: RefCell::new(Element::ZERO) })
    }
}

impl Conduct<Element> for Fit {
    fn challenged(&self, first: &First) {
        // Of result 0, whose error is 1.
        *self.left.borrow_mut() = Element::challenge(first.codes[0][0]);
    }

    fn products(&self, _: usize, parts: &mut [Element]) {
        for (at, error) in (self.errors)(*self.left.borrow()) {
            parts[at] = parts[at].add(error);
        }
    }
}

/// How often a liar with these errors in eight products gets away with it.
fn rate(errors: &[(usize, u64)], fit: fn(Element) -> Vec<(usize, Element)>) -> f64 {
    let errors: Vec<Error<u64>> = errors.iter().map(|(at, error)| (LIAR, 0, *at, *error)).collect();
    let passed = |seed: &u64| {
        let runs = run::<Toy>(*seed, &[(EACH, OCTET)], &errors, Some((LIAR, Fit::new(fit))));
        assert_eq!(runs[0].0.is_ok(), runs[2].0.is_ok(), "the honest agree");
        runs[0].0.is_ok()
    };
    (0..RUNS).filter(passed).count() as f64 / RUNS as f64
}

/// `found` is what was expected, and below the page's bound.
fn near(found: f64, expected: f64) {
    let deviation = (expected * (1.0 - expected) / RUNS as f64).sqrt();
    assert!((found - expected).abs() < 5.0 * deviation, "{found}, {expected} expected");
    // One kind, the variables of the last step.
    let bound = (2.0 * f64::from(LAST) + 2.0 + 1.0 + 2.0) / (CHALLENGES - 1.0);
    assert!(found < bound);
}

/// The chance to pass of an error that `θ` hides with `1/|S|`, and that otherwise is found but for `missed`.
fn hidden_or(missed: f64) -> f64 {
    1.0 / CHALLENGES + (1.0 - 1.0 / CHALLENGES) * missed
}

/// `X^-1`: the modulus is `X^4 + X + 1`.
fn inverse() -> Element {
    Element::ZERO.sub(Element::challenge(0b1001))
}

/// The error is left as it is: `e (1 − r_1) (1 − r_2) (1 − r_3) (1 − s)²`, with one root in each variable.
fn plain_rate() -> f64 {
    hidden_or(1.0 - (15f64 / 16.0).powi(3) * (14.0 / 15.0))
}

#[test]
fn one_error_passes_as_often_as_its_polynomial_has_roots() {
    near(rate(&[(0, 1)], |_| Vec::new()), plain_rate());
}

#[test]
fn errors_that_cancel_pass_where_their_weights_agree() {
    near(rate(&[(0, 1), (5, u64::MAX)], |_| Vec::new()), plain_rate());
    // What is hard to see modulo 2^64 is no better.
    near(rate(&[(0, 1 << 63)], |_| Vec::new()), plain_rate());
}

#[test]
fn the_last_variable_has_two_roots_at_most() {
    // (1 − s)² e + s (1 − s) μ has the roots 1 and X for μ = −e (1 − X) / X.
    let fit = |left: Element| {
        let x = Element::challenge(2);
        let middle = left.mul(Element::ONE.sub(x)).mul(inverse());
        vec![(3usize.pow(LAST) - 1, Element::ZERO.sub(middle))]
    };
    near(rate(&[(0, 1)], fit), hidden_or(1.0 - (15f64 / 16.0).powi(3) * (13.0 / 15.0)));
}

#[test]
fn each_variable_has_two_roots_at_most() {
    // q(r) = (1 − r) (1 − r / X) has the sum 1 over 0 and 1, and the roots 1 and X: E = e q(r_1) q(r_2) q(r_3).
    let fit = |left: Element| {
        let error = |point: usize| {
            let digits = (0..LAST).map(|digit| point / 3usize.pow(digit) % 3);
            digits.fold(left, |error, digit| [error, Element::ZERO, error.mul(inverse())][digit])
        };
        (1..3usize.pow(LAST)).map(|point| (point - 1, error(point))).collect()
    };
    near(rate(&[(0, 1)], fit), hidden_or(1.0 - (14f64 / 16.0).powi(3) * (14.0 / 15.0)));
}
