//! Numbers with a fixed point: a column of integers, each standing for itself over a power of two.

use crate::domain::{Domain, Values};
use crate::engine::{Backend, Column, Failure, Io, Truncation};

use super::wiring::{combine, from_integers, headroom, inject, side_by_side, xor};
use super::{choose, logic};

/// Values `v / 2^scale`. In a ring or field of width `w`, all products before their truncation stay below `2^(w − 2)`.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The integers.
    pub column: Column,
    /// Binary places after the point.
    pub scale: u32,
}

impl Fixed {
    /// A column of integers as numbers with `scale` places: `v / 2^scale`. Local.
    pub const fn new(column: Column, scale: u32) -> Self {
        Self { column, scale }
    }

    /// The nearest fixed-point integers to real numbers, for inputs and constants.
    pub fn encode(domain: Domain, values: &[f64], scale: u32) -> Values {
        let factor = (f64::from(scale)).exp2();
        from_integers(domain, values.iter().map(|value| (value * factor).round() as i128))
    }

    /// The real numbers that opened values stand for, to a double's precision.
    pub fn decode(values: &Values, scale: u32) -> Vec<f64> {
        let factor = (f64::from(scale)).exp2();
        super::wiring::integers(values).into_iter().map(|value| value as f64 / factor).collect()
    }

    /// The same numbers with more places: local; or with fewer: one truncation, error below one unit of the new last place (two, where it
    /// is probabilistic).
    ///
    /// # Errors
    /// The back end's.
    pub async fn rescale(
        &self,
        backend: &dyn Backend,
        io: &mut Io,
        scale: u32,
        mode: Truncation,
    ) -> Result<Self, Failure> {
        let column = if scale >= self.scale {
            logic::shift_left(backend, &self.column, scale - self.scale)?
        } else {
            backend.truncate(io, &self.column, self.scale - scale, mode).await?
        };
        Ok(Self { column, scale })
    }
}

/// The sum, at the finer of the two scales. Exact; local.
///
/// # Errors
/// [`Failure::Shape`].
pub fn add(backend: &dyn Backend, left: &Fixed, right: &Fixed) -> Result<Fixed, Failure> {
    let scale = left.scale.max(right.scale);
    let factors = (1i128 << (scale - left.scale), 1i128 << (scale - right.scale));
    Ok(Fixed { column: backend.linear(&[(factors.0, &left.column), (factors.1, &right.column)], None)?, scale })
}

/// The product at a scale of one's choice: one multiplication, and where the scale is less than both together one truncation. The floor of
/// the exact product, or with [`Truncation::Probabilistic`] the floor or one more.
///
/// # Errors
/// The back end's.
pub async fn mul(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Fixed,
    right: &Fixed,
    scale: u32,
    mode: Truncation,
) -> Result<Fixed, Failure> {
    let product = backend.mul(io, &left.column, &right.column).await?;
    Fixed { column: product, scale: left.scale + right.scale }.rescale(backend, io, scale, mode).await
}

/// Binary places that a domain's normalised numbers carry: two of them make a product within [`headroom`].
const fn precision(domain: Domain) -> u32 {
    let half = (headroom(domain) - 2) / 2;
    if half > 60 { 60 } else { half }
}

/// A positive number brought to `[2^(p − 1), 2^p)`, and by what.
struct Normalised {
    /// The number times a power of two, `p` binary places after the point: in `[½, 1)`. Of zero, zero.
    value: Column,
    /// The bit of the number's length: bit `j` is set where it has `j + 1` bits.
    top: Vec<Column>,
}

/// Brings integers `0 ≤ v < 2^bits` to `p` binary places. One decomposition, a prefix network, one composition, one multiplication, one
/// exact truncation.
async fn normalise(
    backend: &dyn Backend,
    io: &mut Io,
    column: &Column,
    bits: u32,
    places: u32,
) -> Result<Normalised, Failure> {
    let domain = column.domain();
    let digits = backend.to_bits(io, column, bits + 1).await?;
    let reached = logic::suffix_or(backend, io, &digits[..bits as usize]).await?;
    let top = reached.iter().enumerate().map(|(at, here)| match reached.get(at + 1) {
        Some(above) => xor(backend, here, above),
        None => Ok(here.clone()),
    });
    let top = top.collect::<Result<Vec<_>, _>>()?;
    // 2^(bits − length)
    let mirrored: Vec<Column> = top.iter().rev().cloned().collect();
    let factor = backend.from_bits(io, &mirrored, domain).await?;
    let lifted = backend.mul(io, column, &factor).await?;
    let value = if bits > places {
        backend.truncate(io, &lifted, bits - places, Truncation::Exact).await?
    } else {
        combine(backend, &[(1 << (places - bits), &lifted)], 0)?
    };
    Ok(Normalised { value, top })
}

/// The quotient `left / right`, where both have at most `bits` bits as integers (sign not counted) and so has the quotient at scale
/// `scale`. Of a division by zero the result is zero.
///
/// Goldschmidt's iteration on the normalised divisor (Catrina & Saxena 2010, §4). Let `p` be 30 in [`Domain::Ring64`], 28 in M61, 60 in the
/// wide domains. Needs `scale ≤ p`, `bits + p + 2 ≤ width − 2` and `bits ≤ 31` in Ring64 (28, 62, 61). With
/// exact truncation the error is below `2 + q · 2^(4 − p)` units of the last place for a quotient of `q` units.
///
/// # Errors
/// The back end's; [`Failure::Program`] where it does not fit.
pub async fn div(
    backend: &dyn Backend,
    io: &mut Io,
    left: &Fixed,
    right: &Fixed,
    scale: u32,
    bits: u32,
    mode: Truncation,
) -> Result<Fixed, Failure> {
    left.column.fits("quotient", &right.column)?;
    let domain = left.column.domain();
    let places = precision(domain);
    // left / right at the scale is (left's integer / right's integer) · 2^shift
    let shift = i64::from(scale) + i64::from(right.scale) - i64::from(left.scale);
    if bits == 0 || 2 * bits > headroom(domain) || bits + places + 1 > headroom(domain) || shift > i64::from(places) {
        return Err(Failure::Program("a quotient's numbers fit half of the domain"));
    }
    let (size, negative) = choose::magnitude(backend, io, &right.column).await?;
    let Normalised { value, top } = normalise(backend, io, &size, bits, places).await?;
    let inverse = invert(backend, io, &value, places, mode).await?;
    // 2^(bits − length), with the divisor's sign; the dividend, meanwhile, times the reciprocal, down to `shift` places more than
    // the result has before the factor.
    let mirrored: Vec<Column> = top.iter().rev().cloned().collect();
    let cut = i64::from(places) - shift;
    let mut strands = io.split(2);
    let (sign, quotient) = {
        let (first, second) = strands.split_at_mut(1);
        let factor = async {
            let io = &mut first[0];
            let factor = backend.from_bits(io, &mirrored, domain).await?;
            let turned = backend.mul(io, &factor, &negative).await?;
            backend.linear(&[(1, &factor), (-2, &turned)], None)
        };
        let product = async {
            let io = &mut second[0];
            let product = backend.mul(io, &left.column, &inverse).await?;
            match cut {
                0 => Ok(product),
                _ => backend.truncate(io, &product, cut.unsigned_abs() as u32, mode).await,
            }
        };
        crate::engine::join(factor, product).await?
    };
    io.rejoin(strands);
    let lifted = backend.mul(io, &quotient, &sign).await?;
    let column = backend.truncate(io, &lifted, bits, mode).await?;
    Ok(Fixed { column, scale })
}

/// `1 / v` at scale `scale`: as [`div`] of one.
///
/// # Errors
/// As [`div`].
pub async fn reciprocal(
    backend: &dyn Backend,
    io: &mut Io,
    value: &Fixed,
    scale: u32,
    bits: u32,
    mode: Truncation,
) -> Result<Fixed, Failure> {
    let ones = super::wiring::constant(value.column.domain(), 1, value.column.len());
    let one = Fixed { column: backend.public(&ones)?, scale: 0 };
    div(backend, io, &one, value, scale, bits, mode).await
}

/// `1 / x` for `x` in `[½, 1)`, both with `places` binary places.
async fn invert(
    backend: &dyn Backend,
    io: &mut Io,
    value: &Column,
    places: u32,
    mode: Truncation,
) -> Result<Column, Failure> {
    // w = c − 2x is off by at most 0.072 = 2^-3.8 of 1/x, for c = √192 / 2 − 4 + … = 2.9282.
    let one = 1i128 << places;
    let mut inverse = combine(backend, &[(-2, value)], (2.928_203_230_275_509 * one as f64) as i128)?;
    let product = backend.mul(io, value, &inverse).await?;
    let product = backend.truncate(io, &product, places, mode).await?;
    // 1/x = w (1 + e) (1 + e²) (1 + e⁴) …, e = 1 − x w
    let mut error = combine(backend, &[(-1, &product)], one)?;
    let turns = (f64::from(places) / 3.79).log2().ceil() as u32;
    for turn in 0..turns {
        let last = turn + 1 == turns;
        let factors = if last { vec![&inverse] } else { vec![&inverse, &error] };
        let mut next = side_by_side(io, factors.len(), async |at, io| {
            let product = backend.mul(io, factors[at], &error).await?;
            backend.truncate(io, &product, places, mode).await
        })
        .await?;
        if !last {
            error = next.pop().ok_or(Failure::Program("two products"))?;
        }
        inverse = combine(backend, &[(1, &inverse), (1, &next[0])], 0)?;
    }
    Ok(inverse)
}

/// The square root of numbers that are integers `0 ≤ v < 2^bits`, at scale `scale`.
///
/// Goldschmidt's iteration for root and reciprocal root on the normalised number. Let `p` be 29 in [`Domain::Ring64`], 27 in M61, 60 in
/// the wide domains: `bits ≤ width − 2`, and the root at its scale has at most `width − 3 − p` bits. With exact truncation the error is
/// below `2 + r · 2^(4 − p)` units of the last place for a root of `r` units.
///
/// # Errors
/// The back end's; [`Failure::Program`] where it does not fit.
pub async fn sqrt(
    backend: &dyn Backend,
    io: &mut Io,
    value: &Fixed,
    scale: u32,
    bits: u32,
    mode: Truncation,
) -> Result<Fixed, Failure> {
    let domain = value.column.domain();
    let places = precision(domain).min((headroom(domain) - 4) / 2);
    // The root at the scale is √(v · 2^lift), and that of an integer with `at + 1` bits √x · 2^half(at), times √2 where
    // spread(at) is odd.
    let lift = 2 * i64::from(scale) - i64::from(value.scale);
    let spread = |at: usize| at as i64 + 1 + lift;
    let half = |at: usize| spread(at).div_euclid(2);
    let lowest = half(0);
    let drop = i64::from(places) - lowest;
    let size = (i64::from(bits) + lift + 1).div_euclid(2);
    if bits == 0 || bits > headroom(domain) || drop <= 0 || size + drop >= i64::from(headroom(domain)) {
        return Err(Failure::Program("a root's numbers fit the domain"));
    }
    let Normalised { value: number, top } = normalise(backend, io, &value.column, bits, places).await?;
    let root = root(backend, io, &number, places, mode).await?;
    let mut powers: Vec<Option<Column>> = vec![None; (half(top.len() - 1) - lowest + 1) as usize];
    let mut odd: Option<Column> = None;
    for (at, here) in top.iter().enumerate() {
        let place = &mut powers[(half(at) - lowest) as usize];
        *place = Some(merge(backend, place.take(), here)?);
        if spread(at).rem_euclid(2) == 1 {
            odd = Some(merge(backend, odd, here)?);
        }
    }
    let zero = super::wiring::zeros(backend, Domain::Bits, number.len())?;
    let powers: Vec<Column> = powers.into_iter().map(|power| power.unwrap_or_else(|| zero.clone())).collect();
    let odd = odd.unwrap_or_else(|| zero.clone());
    let parts = side_by_side(io, 3, async |at, io| match at {
        0 => backend.from_bits(io, &powers, domain).await,
        1 => inject(backend, io, std::slice::from_ref(&odd), domain).await?.pop().ok_or(Failure::Program("one")),
        _ => {
            // √2 − 1
            let more = (2u128 << (2 * places)).isqrt() as i128 - (1 << places);
            let product = combine(backend, &[(more, &root)], 0)?;
            backend.truncate(io, &product, places, mode).await
        }
    });
    let parts = parts.await?;
    let more = backend.mul(io, &parts[1], &parts[2]).await?;
    let root = combine(backend, &[(1, &root), (1, &more)], 0)?;
    let lifted = backend.mul(io, &root, &parts[0]).await?;
    Ok(Fixed { column: backend.truncate(io, &lifted, drop.unsigned_abs() as u32, mode).await?, scale })
}

/// `√x` for `x` in `[½, 1)`, both with `places` binary places.
async fn root(
    backend: &dyn Backend,
    io: &mut Io,
    value: &Column,
    places: u32,
    mode: Truncation,
) -> Result<Column, Failure> {
    // y = 1.7475 − ¾ x is off by at most 0.03 of 1/√x; with two places more it needs no truncation.
    let one = 1i128 << places;
    let first = combine(backend, &[(-3, value)], (4.0 * 1.7475 * one as f64) as i128)?;
    let starts = side_by_side(io, 2, async |at, io| match at {
        0 => {
            let product = backend.mul(io, value, &first).await?;
            backend.truncate(io, &product, places + 2, mode).await
        }
        _ => backend.truncate(io, &first, 3, mode).await,
    });
    // g → √x, h → 1 / 2√x; r = ½ − g h
    let mut sides = starts.await?;
    let mut error = 5.0;
    while error < f64::from(places) {
        let product = backend.mul(io, &sides[0], &sides[1]).await?;
        let product = backend.truncate(io, &product, places, mode).await?;
        let off = combine(backend, &[(-1, &product)], one / 2)?;
        // An error of 2^-a becomes 1.5 · 2^-2a.
        error = 2.0 * error - 0.59;
        let turns = if error < f64::from(places) { 2 } else { 1 };
        let moves = side_by_side(io, turns, async |at, io| {
            let product = backend.mul(io, &sides[at], &off).await?;
            backend.truncate(io, &product, places, mode).await
        });
        let moved = moves.await?;
        let next = sides.iter().zip(&moved).map(|(side, moved)| combine(backend, &[(1, side), (1, moved)], 0));
        sides = next.collect::<Result<_, _>>()?;
    }
    Ok(sides.swap_remove(0))
}

/// Disjunction of bits of which at most one is set in a row.
fn merge(backend: &dyn Backend, sum: Option<Column>, bit: &Column) -> Result<Column, Failure> {
    match sum {
        None => Ok(bit.clone()),
        Some(sum) => xor(backend, &sum, bit),
    }
}
