//! What the operations cost, as `docs/spec/mpc/rep3.md` states it; tests hold what is measured against it.

use crate::domain::Domain;
use crate::engine::{Cost, Primitive, Truncation};

use super::record::{Shape, Size, Sizes};

/// Cost of an operation on `len` values.
pub(super) fn cost(recorded: bool, primitive: Primitive, domain: Domain, len: usize) -> Cost {
    let size = domain.bytes(len);
    let plane = Domain::Bits.bytes(len);
    let width = domain.width() as usize;
    let digests = |count: usize| if recorded { 32 * count } else { 0 };
    let (bytes, rounds) = match primitive {
        Primitive::Input => (size, 1),
        Primitive::Mul => (3 * size, 1),
        Primitive::Dot(groups) => (3 * domain.bytes(groups), 1),
        Primitive::Matmul([rows, _, columns]) => (3 * domain.bytes(rows * columns), 1),
        Primitive::Open => (3 * size + digests(3), 1),
        Primitive::OpenTo => (size + digests(1), 1),
        Primitive::Shuffle => (6 * size, 3),
        Primitive::HandOut => (3 * 16 + digests(3), 1),
        Primitive::Random => (0, 0),
        Primitive::IsNegative => {
            let (planes, rounds) = if recorded { recorded_carry(width - 1) } else { carry(width - 1, 1) };
            (planes * plane, rounds)
        }
        Primitive::ToBits(count) => {
            let count = (count as usize).min(width);
            let (planes, rounds) = if recorded { recorded_sum(count) } else { sum(count) };
            (planes * plane, rounds)
        }
        Primitive::FromBits(count) => (weigh(recorded, count as usize) * size, 2),
        Primitive::Truncate(bits, mode) => {
            let bits = (bits as usize).min(width - 2);
            match (bits, recorded, mode) {
                (0, ..) => (0, 0),
                (_, true, _) => {
                    let ((low, rounds), (high, least)) = (recorded_carry(bits), recorded_carry(3));
                    ((low + high) * plane + weigh(true, 4) * size, rounds.max(least) + 2)
                }
                (_, _, Truncation::Probabilistic) => (4 * size, 2),
                (_, _, Truncation::Exact) => {
                    let (planes, rounds) = carry(bits, 0);
                    (planes * plane + (4 + weigh(false, 1)) * size, rounds + 2)
                }
            }
        }
    };
    if bytes == 0 { Cost::default() } else { Cost { bytes: bytes as u64, rounds } }
}

/// Adds the products that a verifier is given of an operation; whether it gives the next check anything to do. Where words of bits are concerned
/// only their number counts: three are sent for each.
pub(super) fn record(primitive: Primitive, domain: Domain, len: usize, sizes: &mut Sizes) -> bool {
    let words = |bytes: u64| Size::each(bytes as usize / 24);
    let sent = cost(true, primitive, domain, len).bytes;
    match primitive {
        Primitive::Mul if domain == Domain::Bits => sizes.bits.push(words(sent)),
        Primitive::Mul => sizes.ring(domain).push(Size::each(len)),
        Primitive::Dot(groups) => sizes.ring(domain).push(Size::dot(len, groups)),
        Primitive::Matmul([rows, inner, columns]) => {
            let shape = Shape::Matrix { rows, inner, columns };
            sizes.ring(domain).push(Size { shape, left: rows * inner, results: rows * columns });
        }
        Primitive::IsNegative | Primitive::ToBits(_) => sizes.bits.push(words(sent)),
        Primitive::FromBits(count) => sizes.ring(domain).extend(weighed(len, count as usize)),
        Primitive::Truncate(..) if sent > 0 => {
            sizes.ring(domain).extend(weighed(len, 4));
            sizes.bits.push(words(sent - (weigh(true, 4) * domain.bytes(len)) as u64));
        }
        Primitive::Input => {}
        _ => return false,
    }
    true
}

/// The products of turning `count` bits of a row into one value.
const fn weighed(len: usize, count: usize) -> [Size; 2] {
    [Size::each(len * count), Size::dot(len * count, len)]
}

/// Values per row that turning `count` bits into one sends.
const fn weigh(recorded: bool, count: usize) -> usize {
    if recorded { 3 * count + 3 } else { count + 2 }
}

/// Planes and rounds of the carry out of `bits` bits of two addends, of which `more` bits are dealt besides.
fn carry(bits: usize, more: usize) -> (usize, u32) {
    let (blocks, pairs) = (bits.div_ceil(2), bits / 2);
    (bits + more + pairs + 2 * (2 * blocks - 1) + 3 * tree(blocks), 2 + levels(blocks))
}

/// The same of three addends: `bits` products for the carry-save step, one fewer for the nodes.
fn recorded_carry(bits: usize) -> (usize, u32) {
    let nodes = bits - 1;
    (3 * (bits + nodes + tree(nodes)), 1 + u32::from(nodes > 0) + levels(nodes))
}

/// Planes and rounds of all bits of the sum of two addends.
fn sum(bits: usize) -> (usize, u32) {
    let (blocks, even) = (bits.saturating_sub(1) / 2, bits / 2);
    let (planes, rounds) = finish(blocks, even);
    let generated = (2 * blocks).saturating_sub(1) + even;
    (bits + blocks + 2 * generated + planes, u32::from(bits > 0) + u32::from(generated > 0) + rounds)
}

/// The same of three.
fn recorded_sum(bits: usize) -> (usize, u32) {
    let bits = bits.saturating_sub(1);
    if bits == 0 {
        return (0, 0);
    }
    let (blocks, even) = ((bits - 1) / 2, bits / 2);
    let (planes, rounds) = finish(blocks, even);
    let generated = (2 * blocks).saturating_sub(1);
    (3 * (bits + bits - 1 + generated) + planes, 1 + u32::from(bits > 1) + u32::from(blocks > 0) + rounds)
}

/// All prefixes of the blocks, then the carries into odd places.
fn finish(blocks: usize, even: usize) -> (usize, u32) {
    let mut planes = even.saturating_sub(1);
    let mut half = 1;
    while half < blocks {
        let upper = (0..blocks).filter(|node| node & half != 0);
        planes += upper.map(|node| 1 + usize::from(node >= 2 * half)).sum::<usize>();
        half *= 2;
    }
    (3 * planes, levels(blocks) + u32::from(even > 1))
}

/// Products of a tree over so many nodes.
const fn tree(mut nodes: usize) -> usize {
    let mut products = 0;
    while nodes > 1 {
        let (pairs, single) = (nodes / 2, nodes % 2);
        products += 2 * pairs - 1 + single;
        nodes = pairs + single;
    }
    products
}

/// Depth of a tree over so many nodes.
const fn levels(nodes: usize) -> u32 {
    if nodes < 2 { 0 } else { (nodes - 1).ilog2() + 1 }
}
