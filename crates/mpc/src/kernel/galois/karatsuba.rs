//! Products of polynomials of 48 coefficients by three levels of Karatsuba: 27 products of 6 coefficients each.

use super::{DEGREE, Lanes, Octet, Pack};

const SIXTHS: usize = 27;
const SHORT: usize = 6;
const LONG: usize = 2 * SHORT - 1;

/// Coefficients of the 27 short products: linear in the product, so that sums of products are combined but once.
pub(crate) const PRODUCTS: usize = SIXTHS * LONG;

/// Room for what factors evaluate to.
pub(super) struct Room {
    total: Pack,
    halves: [Octet; 3 * 24],
    twelves: [Octet; 9 * 12],
    sides: [[Octet; SIXTHS * SHORT]; 4],
}

impl Room {
    pub(super) fn new() -> Box<Self> {
        let zero = Octet::ZERO;
        Box::new(Self {
            total: [zero; DEGREE],
            halves: [zero; 3 * 24],
            twelves: [zero; 9 * 12],
            sides: [[zero; SIXTHS * SHORT]; 4],
        })
    }
}

/// `sums += u_own (v_own + v_next) + u_next v_own`, lane by lane.
#[inline(always)]
pub(super) fn accumulate<L: Lanes<Atom = u64>>(
    sums: &mut [Octet; PRODUCTS],
    u: [&Pack; 2],
    v: [&Pack; 2],
    room: &mut Room,
) {
    let Room { total, halves, twelves, sides } = room;
    for ((total, own), next) in total.iter_mut().zip(v[0]).zip(v[1]) {
        L::load(&own.0).add(L::load(&next.0)).store(&mut total.0);
    }
    // Low halves, high halves and their sums, three times.
    for (pack, side) in [u[0], u[1], v[0], total].into_iter().zip(sides.iter_mut()) {
        split::<L>(pack, halves);
        for (half, out) in halves.chunks_exact(24).zip(twelves.chunks_exact_mut(36)) {
            split::<L>(half, out);
        }
        for (twelve, out) in twelves.chunks_exact(12).zip(side.chunks_exact_mut(18)) {
            split::<L>(twelve, out);
        }
    }
    let [u_own, u_next, v_own, v_sum] = &*sides;
    for at in 0..SIXTHS {
        let short = at * SHORT..(at + 1) * SHORT;
        let sums: &mut [Octet; LONG] = sums[at * LONG..].first_chunk_mut().expect("a product");
        let mut out = [L::splat(0); LONG];
        for power in 0..LONG {
            out[power] = L::load(&sums[power].0);
        }
        multiply(&u_own[short.clone()], &v_sum[short.clone()], &mut out);
        multiply(&u_next[short.clone()], &v_own[short], &mut out);
        for power in 0..LONG {
            out[power].store(&mut sums[power].0);
        }
    }
}

#[inline(always)]
fn multiply<L: Lanes<Atom = u64>>(left: &[Octet], right: &[Octet], out: &mut [L; LONG]) {
    let mut rights = [L::splat(0); SHORT];
    for power in 0..SHORT {
        rights[power] = L::load(&right[power].0);
    }
    for i in 0..SHORT {
        let left = L::load(&left[i].0);
        for j in 0..SHORT {
            out[i + j] = out[i + j].add(left.mul(rights[j]));
        }
    }
}

#[inline(always)]
fn split<L: Lanes<Atom = u64>>(whole: &[Octet], out: &mut [Octet]) {
    let half = whole.len() / 2;
    for power in 0..half {
        let (low, high) = (L::load(&whole[power].0), L::load(&whole[power + half].0));
        low.store(&mut out[power].0);
        high.store(&mut out[power + half].0);
        low.add(high).store(&mut out[power + 2 * half].0);
    }
}

/// The 95 coefficients of the product.
pub(crate) fn combine(products: &[u64; PRODUCTS]) -> Vec<u64> {
    let mut level: Vec<Vec<u64>> = products.chunks_exact(LONG).map(<[u64]>::to_vec).collect();
    while level.len() > 1 {
        level = level.chunks_exact(3).map(|parts| join(&parts[0], &parts[1], &parts[2])).collect();
    }
    level.swap_remove(0)
}

fn join(low: &[u64], high: &[u64], both: &[u64]) -> Vec<u64> {
    let half = low.len().div_ceil(2);
    let mut out = vec![0u64; 4 * half - 1];
    for (power, ((low, high), both)) in low.iter().zip(high).zip(both).enumerate() {
        let mixed = both.wrapping_sub(*low).wrapping_sub(*high);
        for (at, value) in [(power, *low), (power + half, mixed), (power + 2 * half, *high)] {
            out[at] = out[at].wrapping_add(value);
        }
    }
    out
}
