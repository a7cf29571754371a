//! Exact integer quotients and roots, and the rounding of money.

use crate::domain::Domain;
use crate::engine::{Backend, Column, Failure, Io, Truncation};

use super::operand::Range;
use super::wiring::{combine, headroom, inject, side_by_side, zeros};
use super::{choose, compare, logic};

/// How a quotient that is no integer becomes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Down, also below zero: −7/2 is −4.
    Floor,
    /// Up: −7/2 is −3.
    Ceiling,
    /// To the nearest, ties up: 7/2 is 4 and −7/2 is −3.
    Nearest,
}

/// The exact quotient by a public integer, rounded as stated, of values with `|v| + |divisor| < 2^(width − 3)`.
///
/// By multiplication with the reciprocal: each turn truncates twice and leaves a remainder of about half as many bits, the last one
/// truncates once; two comparisons correct the floor. For 64 bits at most three turns, for values of 30 bits one.
///
/// # Errors
/// The back end's; [`Failure::Program`] for a zero divisor, one beyond the domain, or a column of bits.
pub async fn by_public(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    divisor: i128,
    rounding: Rounding,
    range: Range,
) -> Result<Column, Failure> {
    let room = headroom(column.domain()).saturating_sub(1);
    if divisor == 0 || column.domain() == Domain::Bits || divisor.unsigned_abs() >= 1 << room {
        return Err(Failure::Program("a divisor is an integer of the domain, and not zero"));
    }
    let (sign, divisor) = (divisor.signum(), divisor.abs());
    let lift = match rounding {
        Rounding::Floor => 0,
        Rounding::Ceiling => divisor - 1,
        Rounding::Nearest => divisor / 2,
    };
    let dividend = combine(backend, &[(sign, column)], lift)?;
    let bits = match range {
        Range::Bits(bits) => bits.saturating_sub(1).max(128 - lift.leading_zeros()) + 1,
        _ => room,
    };
    floor_quotient(backend, io, dividend, divisor, bits.min(room)).await
}

/// `⌊r / divisor⌋` for `|r| < 2^bits`, positive divisor.
async fn floor_quotient(
    backend: &dyn Backend,
    io: &mut Io,
    dividend: Column,
    divisor: i128,
    bits: u32,
) -> Result<Column, Failure> {
    if divisor == 1 {
        return Ok(dividend);
    }
    let room = headroom(dividend.domain());
    if divisor & (divisor - 1) == 0 {
        return backend.truncate(io, &dividend, divisor.trailing_zeros(), Truncation::Exact).await;
    }
    let half = room / 2 - 1;
    let size = 128 - divisor.leading_zeros();
    let mut quotient = zeros(backend, dividend.domain(), dividend.len())?;
    let (mut rest, mut bits) = (dividend, bits);
    loop {
        let most = (1i128 << bits.min(126)) / divisor;
        if most < FEW {
            // −(most + 1) ≤ ⌊r / d⌋ ≤ most: count the multiples that it reaches.
            let steps: Vec<i128> = (-most..=most).map(|step| step * divisor).collect();
            let reached = multiples(backend, io, &rest, &steps, bits + 1).await?;
            return sum(backend, &[&[quotient], reached.as_slice()].concat(), -(most + 1));
        }
        // One truncation brings the remainder to (−d, 2d), if the reciprocal to 2^-bits leaves the product in range.
        let last = 2 * bits < room + size;
        let (drop, place) = if last { (0, bits) } else { (bits - half, room + size - 1 - half - (bits - half)) };
        let head = if drop == 0 { rest.clone() } else { truncate(backend, io, &rest, drop).await? };
        let reciprocal = shifted_reciprocal(place + drop, divisor);
        let product = combine(backend, &[(reciprocal, &head)], 0)?;
        let estimate = truncate(backend, io, &product, place).await?;
        quotient = combine(backend, &[(1, &quotient), (1, &estimate)], 0)?;
        rest = combine(backend, &[(1, &rest), (-divisor, &estimate)], 0)?;
        if last {
            let reached = multiples(backend, io, &rest, &[0, divisor], size + 2).await?;
            return sum(backend, &[&[quotient], reached.as_slice()].concat(), -1);
        }
        bits = (drop + 1).max(size) + 1;
    }
}

/// Most multiples of a divisor that are compared with one by one.
const FEW: i128 = 4;

/// `⌊2^places / divisor⌋`, also where `2^places` is no i128.
const fn shifted_reciprocal(places: u32, divisor: i128) -> i128 {
    if places < 127 {
        return (1 << places) / divisor;
    }
    // Long division, for the wide domains.
    let (mut quotient, mut rest, mut place) = (0i128, 1i128, 0);
    while place < places {
        rest *= 2;
        quotient *= 2;
        if rest >= divisor {
            rest -= divisor;
            quotient += 1;
        }
        place += 1;
    }
    quotient
}

/// Whether each value reaches each of the steps, as 0 or 1 in the values' domain.
async fn multiples(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    steps: &[i128],
    bits: u32,
) -> Result<Vec<Column>, Failure> {
    side_by_side(io, steps.len(), async |at, io| {
        let below = combine(backend, &[(1, column)], -steps[at])?;
        let bits = (bits + 1).min(column.domain().width());
        let below = compare::sign(backend, io, &below, bits).await?;
        let reached = logic::not(backend, &below)?;
        backend.from_bits(io, &[reached], column.domain()).await
    })
    .await
}

fn sum(backend: &dyn Backend, columns: &[Column], constant: i128) -> Result<Column, Failure> {
    let terms: Vec<_> = columns.iter().map(|column| (1, column)).collect();
    combine(backend, &terms, constant)
}

async fn truncate(backend: &dyn Backend, io: &mut Io, column: &Column, places: u32) -> Result<Column, Failure> {
    match places {
        0 => Ok(column.clone()),
        _ => backend.truncate(io, column, places, Truncation::Exact).await,
    }
}

/// `v · numerator / denominator`, rounded as stated: rates, taxes and shares of amounts in the smallest unit of money. Exact, where
/// `|v · numerator| + |denominator| < 2^(width − 3)`. `range` bounds `v`.
///
/// # Errors
/// As [`by_public`].
pub async fn ratio(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    numerator: i128,
    denominator: i128,
    rounding: Rounding,
    range: Range,
) -> Result<Column, Failure> {
    let range = match range {
        Range::Bits(bits) => Range::Bits(bits + 128 - numerator.unsigned_abs().leading_zeros()),
        other => other,
    };
    let product = combine(backend, &[(numerator, column)], 0)?;
    by_public(backend, io, &product, denominator, rounding, range).await
}

/// A quotient and what remains.
#[derive(Clone, Debug)]
pub struct Quotient {
    /// `⌊dividend / divisor⌋`.
    pub quotient: Column,
    /// `dividend − quotient · divisor`: zero, or of the divisor's sign.
    pub remainder: Column,
}

/// The exact floor of the quotient of two secret integers of `bits` bits with their sign, by long division, two bits a turn:
/// `bits / 2` turns of three comparisons side by side, one composition and one multiplication. At most `width − 3` bits. By zero the
/// quotient is without meaning, and nothing fails.
///
/// # Errors
/// The back end's; [`Failure::Program`] past that width.
pub async fn floor(
    backend: &dyn Backend,
    io: &mut Io,
    dividend: &Column,
    divisor: &Column,
    bits: u32,
) -> Result<Quotient, Failure> {
    dividend.fits("quotient", divisor)?;
    let domain = dividend.domain();
    if bits == 0 || bits > headroom(domain).saturating_sub(1) {
        return Err(Failure::Program("an exact quotient is of integers that leave three bits of the domain"));
    }
    // Magnitudes; ⌊−a / d⌋ is −⌊(a + d − 1) / d⌋.
    let sides = [dividend, divisor];
    let mut parts = side_by_side(io, 2, async |at, io| choose::magnitude(backend, io, sides[at]).await).await?;
    let (size, negative) = parts.pop().ok_or(Failure::Program("the divisor"))?;
    let (amount, below) = parts.pop().ok_or(Failure::Program("the dividend"))?;
    let both = backend.mul(io, &below, &negative).await?;
    let opposite = backend.linear(&[(1, &below), (1, &negative), (-2, &both)], None)?;
    let lift = combine(backend, &[(1, &size)], -1)?;
    let lift = backend.mul(io, &opposite, &lift).await?;
    let amount = backend.linear(&[(1, &amount), (1, &lift)], None)?;
    let quotient = long_division(backend, io, &amount, &size, bits).await?;
    // q becomes −q where the signs differ, and the remainder follows.
    let turned = backend.mul(io, &opposite, &quotient).await?;
    let quotient = backend.linear(&[(1, &quotient), (-2, &turned)], None)?;
    let product = backend.mul(io, &quotient, divisor).await?;
    let remainder = backend.linear(&[(1, dividend), (-1, &product)], None)?;
    Ok(Quotient { quotient, remainder })
}

/// `⌊amount / size⌋` of non-negative integers, `amount < 2^bits`.
async fn long_division(
    backend: &dyn Backend,
    io: &mut Io,
    amount: &Column,
    size: &Column,
    bits: u32,
) -> Result<Column, Failure> {
    let domain = amount.domain();
    let places = backend.to_bits(io, amount, bits + 1).await?;
    let pairs: Vec<&[Column]> = places[..bits as usize].chunks(2).collect();
    let digits = side_by_side(io, pairs.len(), async |at, io| backend.from_bits(io, pairs[at], domain).await).await?;
    let mut quotient = zeros(backend, domain, amount.len())?;
    let mut rest = quotient.clone();
    for digit in digits.iter().rev() {
        rest = backend.linear(&[(4, &rest), (1, digit)], None)?;
        let below = side_by_side(io, 3, async |at, io| {
            let beyond = backend.linear(&[(1, &rest), (-(at as i128 + 1), size)], None)?;
            compare::sign(backend, io, &beyond, bits + 2).await
        });
        let below = below.await?;
        // How many multiples it reaches: 0 to 3, in two bits. Those it misses come after those it reaches.
        let high = logic::not(backend, &below[1])?;
        let low = combine(backend, &[(1, &below[0]), (1, &below[1]), (1, &below[2])], 1)?;
        let reached = backend.from_bits(io, &[low, high], domain).await?;
        let taken = backend.mul(io, &reached, size).await?;
        rest = backend.linear(&[(1, &rest), (-1, &taken)], None)?;
        quotient = backend.linear(&[(4, &quotient), (1, &reached)], None)?;
    }
    Ok(quotient)
}

/// `⌊√v⌋` of integers `0 ≤ v < 2^bits`, digit by digit: `⌈bits / 2⌉` turns of one comparison, one composition and one multiplication.
/// At most `width − 2` bits, rounded down to even. Of a negative value it is zero.
///
/// # Errors
/// The back end's; [`Failure::Program`] past that width.
pub async fn floor_sqrt(backend: &dyn Backend, io: &mut Io, column: &Column, bits: u32) -> Result<Column, Failure> {
    let domain = column.domain();
    if bits == 0 || bits.next_multiple_of(2) > headroom(domain) {
        return Err(Failure::Program("a root is of integers that leave two bits of the domain"));
    }
    let mut root = zeros(backend, domain, column.len())?;
    let mut rest = column.clone();
    for place in (0..bits.div_ceil(2)).rev() {
        // (root + 2^place)² − root²
        let step = combine(backend, &[(1 << (place + 1), &root)], 1 << (2 * place))?;
        let beyond = backend.linear(&[(1, &rest), (-1, &step)], None)?;
        let below = compare::sign(backend, io, &beyond, (bits + 2).min(domain.width())).await?;
        let mut reached = inject(backend, io, &[logic::not(backend, &below)?], domain).await?;
        let reached = reached.pop().ok_or(Failure::Program("one column"))?;
        let taken = backend.mul(io, &reached, &step).await?;
        rest = backend.linear(&[(1, &rest), (-1, &taken)], None)?;
        root = combine(backend, &[(1, &root), (1 << place, &reached)], 0)?;
    }
    Ok(root)
}
