//! Sacrifice of words of bits by cut and choose (Furukawa, Lindell, Nof, Weinstein, EUROCRYPT 2017, eprint 2016/944, section 3; Araki et al.,
//! S&P 2017).

use crate::engine::{Cost, Failure, Fault, Io, OpId};
use crate::rep3::record::Size;
use crate::rep3::seat::{Seat, noise};
use crate::rep3::share::Atom;
use crate::rep3::verify::coin::Coins;
use crate::rep3::verify::plan::states;
use crate::rep3::verify::proof::Conduct;
use crate::rep3::{Product, Shape, Word};

use super::{reveal, zero};

/// A party's two parts of a vector.
type Parts = [Vec<Word>; 2];

/// Random factors and what should be their product.
struct Triples {
    a: Parts,
    b: Parts,
    c: Parts,
}

/// Verifies records of words. `bucket` says how many triples are given up for each of so many conjunctions.
///
/// # Errors
/// As [`crate::rep3::Verifier::verify`].
pub(super) async fn prove(
    io: &mut Io,
    products: &[Product<Word>],
    bucket: fn(usize) -> usize,
    conduct: &dyn Conduct<Word>,
) -> Result<(), Failure> {
    let count: usize = products.iter().map(|product| product.out.len()).sum();
    if count == 0 {
        return Ok(());
    }
    if products.iter().any(|product| product.shape != Shape::Each) {
        return Err(Failure::Program("words of bits are multiplied one by one"));
    }
    let seat = Seat::of(io)?;
    let bucket = bucket(count);
    let mut coins = Coins::commit(io, seat, 1);
    // Step 1.
    let triples = Triples::draw(io, seat, (count + 1) * bucket, conduct).await?;
    // Step 2.
    let order = coins.toss(io).await?.order((count + 1) * bucket);
    // Step 3: a whole bucket of triples, then what is left of factors without those of a triple.
    let all = |side: fn(&Product<Word>) -> [&[Word]; 2], part: usize| -> Vec<Word> {
        products.iter().filter(|product| states(*product)).flat_map(|product| side(product)[part]).copied().collect()
    };
    let factors = [0, 1].map(|part| {
        let left = all(|product| [product.left.own(), product.left.next()], part);
        let right = all(|product| [product.right.own(), product.right.next()], part);
        let results = all(|product| [product.out.own(), product.out.next()], part);
        [left, right, results]
    });
    let (chosen, kept) = order.split_at(bucket);
    let told = [0, 1].map(|part| {
        let [left, right, _] = &factors[part];
        let cut = chosen.iter().flat_map(|at| triples.at(part, *at));
        let masked = kept.iter().enumerate().flat_map(|(place, at)| {
            let [a, b, _] = triples.at(part, *at);
            [left[place / bucket].plus(a), right[place / bucket].plus(b)]
        });
        cut.chain(masked).collect::<Vec<Word>>()
    });
    let missing = reveal(io, seat, [&told[0], &told[1]].map(|part| bytemuck::cast_slice(part))).await?;
    let missing = missing.chunks_exact(8).map(bytemuck::pod_read_unaligned::<Word>);
    let opened: Vec<Word> = told[0].iter().zip(&told[1]).zip(missing).map(|((x, y), z)| x.plus(*y).plus(z)).collect();
    let (cut, masked) = opened.split_at(3 * bucket);
    if cut.chunks_exact(3).any(|triple| triple[0].times(triple[1]) != triple[2]) {
        return Err(Failure::Cheated { fault: Fault::Proof });
    }
    // Step 4: z − c − e b − f a − e f, which is zero.
    let differences = [(0, seat.index), (1, seat.after)].map(|(part, index)| {
        let difference = |((place, at), masked): ((usize, &u32), &[Word])| {
            let [a, b, c] = triples.at(part, *at);
            let (e, f) = (masked[0], masked[1]);
            let public = if index == 0 { e.times(f) } else { Word::ZERO };
            factors[part][2][place / bucket].plus(c).plus(e.times(b)).plus(f.times(a)).plus(public)
        };
        kept.iter().enumerate().zip(masked.chunks_exact(2)).map(difference).collect::<Vec<Word>>()
    });
    let [own, next] = &differences;
    let third: Vec<Word> = own.iter().zip(next).map(|(x, y)| x.plus(*y)).collect();
    zero(io, seat, [own, next, &third].map(|part| bytemuck::cast_slice(part))).await
}

impl Triples {
    /// Step 1: random factors, multiplied as any others.
    async fn draw(io: &mut Io, seat: Seat, count: usize, conduct: &dyn Conduct<Word>) -> Result<Self, Failure> {
        let [first, second, op] = [io.op(), io.op(), io.op()];
        let random = |op: OpId| [seat.before, seat.after].map(|peer| noise::<Word>(&io.pair(peer), op, count));
        let (a, b) = (random(first), random(second));
        let local = |at: usize| a[0][at].times(b[0][at].plus(b[1][at])).plus(a[1][at].times(b[0][at]));
        let mut own: Vec<Word> = (0..count).map(local).collect();
        conduct.products(0, &mut own);
        for peer in [seat.before, seat.after] {
            own.iter_mut().zip(noise::<Word>(&io.pair(peer), op, count)).for_each(|(own, mask)| *own = own.plus(mask));
        }
        io.send(op, seat.before, bytemuck::cast_slice(&own));
        let mut next = vec![Word::ZERO; count];
        io.receive(op, seat.after, bytemuck::cast_slice_mut(&mut next)).await?;
        Ok(Self { a, b, c: [own, next] })
    }

    fn at(&self, part: usize, at: u32) -> [Word; 3] {
        [&self.a, &self.b, &self.c].map(|side| side[part][at as usize])
    }
}

/// The least `B` with `C((M + 1) B, B) >= 2^40` for `M` conjunctions.
pub(super) fn bucket(count: usize) -> usize {
    let enough = |bucket: &usize| {
        let all = (count + 1) * bucket;
        let log2: f64 = (0..*bucket).map(|k| ((all - k) as f64 / (bucket - k) as f64).log2()).sum();
        log2 >= 40.0
    };
    (1..).find(enough).expect("it grows with the bucket")
}

/// What verifying records of words, of these sizes, costs.
pub(super) fn cost(sizes: &[Size]) -> Cost {
    let count: usize = sizes.iter().map(|size| size.results).sum();
    if count == 0 {
        return Cost::default();
    }
    let bucket = bucket(count);
    // Triples; the coin's digest and part; the opening and its digest; two digests of zeros.
    let each = 8 * ((count + 1) * bucket + 3 * bucket + 2 * count * bucket) + 64 + 32 + 64;
    Cost { bytes: 3 * each as u64, rounds: 4 }
}
