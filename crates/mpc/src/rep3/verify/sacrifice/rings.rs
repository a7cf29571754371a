//! Sacrifice over `Z_{2^k}` in `Z_{2^2k}` (the larger ring: Cramer, Damgård, Escudero, Scholl, Xing, CRYPTO 2018, eprint 2018/482, section 3; with
//! three parties: Eerikson, Keller, Orlandi, Pullonen, Puura, Simkin, ITC 2020, eprint 2019/164, section 4).

use crate::engine::{Cost, Failure, Io, OpId};
use crate::rep3::Product;
use crate::rep3::record::Size;
use crate::rep3::seat::Seat;
use crate::rep3::share::Atom;
use crate::rep3::verify::coin::Coins;
use crate::rep3::verify::plan::states;
use crate::rep3::verify::proof::Conduct;

use super::larger::Larger;
use super::{reveal, zero};

/// `log2` of the number of challenges.
pub(super) const CHALLENGE_BITS: u32 = 64;

/// A party's two parts of a vector.
type Parts<L> = [Vec<L>; 2];

/// A record in the larger ring, and what is given up for it.
struct Twin<'a, L: Larger> {
    product: &'a Product<L::Base>,
    op: OpId,
    /// The factors: each part as the number that it is.
    x: Parts<L>,
    y: Parts<L>,
    /// Uniform, in the place of `x`.
    a: Parts<L>,
    /// `x y`, then `a y`.
    results: Parts<L>,
}

/// Verifies records of one ring.
///
/// # Errors
/// As [`crate::rep3::Verifier::verify`].
pub(super) async fn prove<L: Larger>(
    io: &mut Io,
    products: &[Product<L::Base>],
    challenge_bits: u32,
    conduct: &dyn Conduct<L>,
) -> Result<(), Failure> {
    if !products.iter().any(states) {
        return Ok(());
    }
    let seat = Seat::of(io)?;
    let mut coins = Coins::commit(io, seat, 1);
    // Step 1.
    let mut twins: Vec<_> = products
        .iter()
        .filter(|product| states(*product))
        .map(|product| Twin::send(io, seat, product, conduct))
        .collect();
    for twin in &mut twins {
        io.receive(twin.op, seat.after, bytemuck::cast_slice_mut(&mut twin.results[1])).await?;
    }
    // Step 2.
    let rho = L::challenge(coins.toss(io).await?.codes(1, challenge_bits)[0]);
    // Step 3.
    let masked = [0, 1].map(|part| twins.iter().flat_map(|twin| twin.masked(part, rho)).collect::<Vec<L>>());
    let missing = reveal(io, seat, [&masked[0], &masked[1]].map(|part| bytemuck::cast_slice(part))).await?;
    let missing = missing.chunks_exact(size_of::<L>()).map(bytemuck::pod_read_unaligned::<L>);
    let opened: Vec<L> = masked[0].iter().zip(&masked[1]).zip(missing).map(|((x, y), z)| x.add(*y).add(z)).collect();
    // Step 4.
    let mut bytes: [Vec<u8>; 3] = Default::default();
    let mut rest = &opened[..];
    for twin in &twins {
        let opened = rest.split_off(..twin.x[0].len()).expect("one for each left factor");
        let [own, next] = [0, 1].map(|part| twin.difference(part, rho, opened));
        let third: Vec<L> = own.iter().zip(&next).map(|(x, y)| L::zeroed().sub(*x).sub(*y)).collect();
        for (bytes, part) in bytes.iter_mut().zip([own, next, third]) {
            bytes.extend_from_slice(bytemuck::cast_slice(&part));
        }
        let [own, next] = [0, 1].map(|part| twin.deviation(part));
        let third: Vec<L::Base> = own.iter().zip(&next).map(|(x, y)| L::Base::ZERO.minus(*x).minus(*y)).collect();
        for (bytes, part) in bytes.iter_mut().zip([own, next, third]) {
            bytes.extend_from_slice(bytemuck::cast_slice(&part));
        }
    }
    zero(io, seat, [&bytes[0], &bytes[1], &bytes[2]].map(|part| &part[..])).await
}

impl<'a, L: Larger> Twin<'a, L> {
    /// Step 1: multiplies anew in the larger ring, and `a` in the place of the left factor.
    fn send(io: &mut Io, seat: Seat, product: &'a Product<L::Base>, conduct: &dyn Conduct<L>) -> Self {
        let (random, op) = (io.op(), io.op());
        let lift = |part: &[L::Base]| part.iter().map(|atom| L::lift(*atom)).collect::<Vec<L>>();
        let x = [lift(product.left.own()), lift(product.left.next())];
        let y = [lift(product.right.own()), lift(product.right.next())];
        let noise = |peer: u16, op: OpId, len: usize| {
            let mut noise = vec![L::zeroed(); len];
            io.pair(peer).fill(op, 0, bytemuck::cast_slice_mut(&mut noise));
            noise
        };
        let a = [seat.before, seat.after].map(|peer| noise(peer, random, x[0].len()));
        let count = product.out.len();
        let mut own = vec![L::zeroed(); 2 * count];
        for (at, result) in own.iter_mut().enumerate() {
            let x = if at < count { &x } else { &a };
            for (left, right) in product.terms(at % count) {
                let term = x[0][left].mul(y[0][right].add(y[1][right])).add(x[1][left].mul(y[0][right]));
                *result = result.add(term);
            }
        }
        conduct.products(0, &mut own);
        let [plus, minus] = [seat.after, seat.before].map(|peer| noise(peer, op, own.len()));
        own.iter_mut().zip(plus).zip(minus).for_each(|((own, plus), minus)| *own = own.add(plus).sub(minus));
        io.send(op, seat.before, bytemuck::cast_slice(&own));
        let next = vec![L::zeroed(); own.len()];
        Self { product, op, x, y, a, results: [own, next] }
    }

    /// Step 3: `ρ x − a`.
    fn masked(&self, part: usize, rho: L) -> Vec<L> {
        self.x[part].iter().zip(&self.a[part]).map(|(x, a)| rho.mul(*x).sub(*a)).collect()
    }

    /// Step 4: `ρ z' − c − e y`, which is zero.
    fn difference(&self, part: usize, rho: L, opened: &[L]) -> Vec<L> {
        let (z, c) = self.results[part].split_at(self.product.out.len());
        let difference = |(at, (z, c)): (usize, (&L, &L))| {
            let public = |sum: L, (left, right): (usize, usize)| sum.sub(opened[left].mul(self.y[part][right]));
            self.product.terms(at).fold(rho.mul(*z).sub(*c), public)
        };
        z.iter().zip(c).enumerate().map(difference).collect()
    }

    /// Step 4: `z' − z` modulo `2^k`, which is zero.
    fn deviation(&self, part: usize) -> Vec<L::Base> {
        let out = if part == 0 { self.product.out.own() } else { self.product.out.next() };
        self.results[part].iter().zip(out).map(|(twin, out)| twin.low().minus(*out)).collect()
    }
}

/// What verifying records of one ring, of these sizes, costs.
pub(super) fn cost<L: Larger>(sizes: &[Size]) -> Cost {
    let stated = || sizes.iter().filter(|size| size.results > 0);
    let (factors, results): (usize, usize) =
        (stated().map(|size| size.left).sum(), stated().map(|size| size.results).sum());
    if results == 0 {
        return Cost::default();
    }
    // Twins; the coin's digest and part; the opening and its digest; two digests of zeros.
    let each = size_of::<L>() * (2 * results + factors) + 64 + 32 + 64;
    Cost { bytes: 3 * each as u64, rounds: 4 }
}
