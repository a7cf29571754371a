//! The check of all multiplications at once, whose talk grows with the logarithm of their number.
//!
//! Goyal and Song, "Malicious Security Comes Free in Honest-Majority MPC" (eprint 2020/134): §5.2 de-linearization, §5.3 dimension reduction,
//! §5.4 randomization. Inner products are folded by the coefficients of a product of polynomials instead of by points.

use crate::domain::{M61, P127};
use crate::engine::{Failure, Fault, Io};

use super::Shamir;
use super::field::{Field as _, Lane, Wide};
use super::ledger::{Ledger, Relation, Statement};
use super::renew::weighted;

/// How many pairs become one in a step.
pub(crate) const FOLD: usize = 4;
/// Pairs handed on at a time; a multiple of [`FOLD`].
const BLOCK: usize = 1024;

impl Shamir {
    /// Checks everything noted since the last time.
    pub(crate) async fn verify(&self, io: &mut Io) -> Result<(), Failure> {
        let ledger = std::mem::take(&mut *self.ledger.borrow_mut());
        if ledger.is_empty() {
            return Ok(());
        }
        let verdict = self.verify_all(io, &ledger).await;
        self.spoiled.set(self.spoiled.get() || verdict.is_err());
        verdict
    }

    /// That dealt sharings are of degree `t`: a random combination of them, masked, is (Beerliová-Trubíniová and Hirt, TCC 2008, §3.1: all
    /// sharings are checked before they are used). With `n = 2t + 1` any shares of the honest are.
    ///
    /// It cannot wait: where honest parties' shares are inconsistent, a multiplication by redundant shares gives them away.
    pub(crate) async fn verify_dealt<L: Lane>(&self, io: &mut Io, shares: &[L]) -> Result<(), Failure> {
        if !self.is_malicious() || self.seats() == 2 * self.threshold + 1 || shares.is_empty() {
            return Ok(());
        }
        let mut sum = self.draw_column::<L::Wide>(io, 1, false).await?;
        let coin = self.coin::<L::Wide>(io).await?;
        sum[0] = sum[0].sum(weighted(shares, coin));
        self.reveal_strictly(io, &sum).await.map(|_| ())
    }

    async fn verify_all(&self, io: &mut Io, ledger: &Ledger) -> Result<(), Failure> {
        self.verify_lane::<M61>(io, &ledger.of()).await?;
        self.verify_lane::<P127>(io, &ledger.of()).await?;
        match self.seats() {
            ..=3 => self.verify_lane::<[u64; 2]>(io, &ledger.of()).await,
            ..=15 => self.verify_lane::<[u64; 4]>(io, &ledger.of()).await,
            _ => self.verify_lane::<[u64; 8]>(io, &ledger.of()).await,
        }
    }

    async fn verify_lane<L: Lane>(&self, io: &mut Io, statements: &[&Statement<L>]) -> Result<(), Failure> {
        if statements.is_empty() {
            return Ok(());
        }
        // §5.2: many products become one inner product `Σ a b = c`.
        let coin = self.coin::<L::Wide>(io).await?;
        let mut coefficients = [L::Wide::NIL; 2 * FOLD - 1];
        let mut c = flatten(statements, coin, |a, b| cross(a, b, &mut coefficients));
        // §5.3: a quarter as many pairs each time.
        let challenge = self.fold_sum(io, &coefficients, &mut c).await?;
        let (mut a, mut b) = (Vec::new(), Vec::new());
        flatten(statements, coin, |left, right| fold(left, right, &challenge, &mut a, &mut b));
        while a.len() > FOLD {
            pad(&mut a, &mut b);
            let mut coefficients = [L::Wide::NIL; 2 * FOLD - 1];
            cross(&a, &b, &mut coefficients);
            let challenge = self.fold_sum(io, &coefficients, &mut c).await?;
            let (mut shorter_a, mut shorter_b) = (Vec::new(), Vec::new());
            fold(&a, &b, &challenge, &mut shorter_a, &mut shorter_b);
            (a, b) = (shorter_a, shorter_b);
        }
        a.resize(FOLD, L::Wide::NIL);
        b.resize(FOLD, L::Wide::NIL);
        self.verify_last(io, &a, &b, c).await
    }

    /// Shares the coefficients of `A(X) B(X)` but for the middle one, which is `c`, and evaluates at a challenge: its powers.
    async fn fold_sum<W: Wide<Wide = W>>(
        &self,
        io: &mut Io,
        local: &[W; 2 * FOLD - 1],
        c: &mut W,
    ) -> Result<[W; FOLD], Failure> {
        let others: Vec<W> =
            local.iter().enumerate().filter(|(place, _)| *place != FOLD - 1).map(|(_, value)| *value).collect();
        let source = |at: usize, out: &mut [W]| out.copy_from_slice(&others[at..at + out.len()]);
        let mut shared = self.reduce(io, others.len(), source).await?;
        shared.insert(FOLD - 1, *c);
        let challenge = self.coin::<W>(io).await?;
        *c = shared.iter().rev().fold(W::NIL, |sum, value| sum.product(challenge).sum(*value));
        let mut power = W::constant(W::Scalar::ONE);
        Ok(std::array::from_fn(|_| {
            let now = power;
            power = power.product(challenge);
            now
        }))
    }

    /// §5.4: the last few pairs with a random one, evaluated at a challenge, are opened.
    async fn verify_last<W: Wide<Wide = W>>(&self, io: &mut Io, a: &[W], b: &[W], c: W) -> Result<(), Failure> {
        let masks = self.draw_column::<W>(io, 2, false).await?;
        let (mut a, mut b) = (a.to_vec(), b.to_vec());
        a.push(masks[0]);
        b.push(masks[1]);
        // A(X) = Σ a_i X^i, B(X) = Σ b_i X^(F − i): the coefficient of X^F is Σ a_i b_i = c + the random pair's product.
        let mut local = vec![W::NIL; 2 * FOLD + 1];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate().filter(|(j, _)| *j != i) {
                local[i + FOLD - j] = local[i + FOLD - j].sum(x.product(*y));
            }
        }
        local[FOLD] = masks[0].product(masks[1]);
        let source = |at: usize, out: &mut [W]| out.copy_from_slice(&local[at..at + out.len()]);
        let mut shared = self.reduce(io, local.len(), source).await?;
        shared[FOLD] = shared[FOLD].sum(c);
        let one = W::constant(W::Scalar::ONE);
        // At zero the mask of A would vanish.
        let challenge = Some(self.coin::<W>(io).await?).filter(|coin| *coin != W::NIL).unwrap_or(one);
        let at =
            |values: &mut dyn Iterator<Item = &W>| values.fold(W::NIL, |sum, value| sum.product(challenge).sum(*value));
        let shares = [at(&mut a.iter().rev()), at(&mut b.iter()), at(&mut shared.iter().rev())];
        let opened = self.reveal_strictly(io, &shares).await?;
        if opened[0].product(opened[1]) == opened[2] { Ok(()) } else { Err(Failure::Cheated { fault: Fault::Proof }) }
    }

    /// A uniform public value that nobody knew before every member had received all that came before it. One honest share of it and `t` corrupt ones
    /// are enough to know it: were it shown by a member that is ahead, what is still to be sent to one that is behind could be made to fit.
    pub(crate) async fn coin<W: Wide>(&self, io: &mut Io) -> Result<W, Failure> {
        self.assemble(io).await?;
        let share = self.draw_column::<W>(io, 1, false).await?;
        Ok(self.reveal_strictly(io, &share).await?[0])
    }
}

/// Makes the lengths multiples of [`FOLD`].
fn pad<W: Lane>(a: &mut Vec<W>, b: &mut Vec<W>) {
    let len = a.len().next_multiple_of(FOLD);
    a.resize(len, W::NIL);
    b.resize(len, W::NIL);
}

/// Adds the coefficients of `Σ A(X) B(X)`, `A = Σ a_i X^i`, `B = Σ b_i X^(F − 1 − i)`, but for the middle one.
fn cross<W: Lane>(a: &[W], b: &[W], coefficients: &mut [W; 2 * FOLD - 1]) {
    for (a, b) in a.chunks_exact(FOLD).zip(b.chunks_exact(FOLD)) {
        for i in 0..FOLD {
            for j in (0..FOLD).filter(|j| *j != i) {
                let place = i + FOLD - 1 - j;
                coefficients[place] = coefficients[place].sum(a[i].product(b[j]));
            }
        }
    }
}

/// Evaluates these polynomials.
fn fold<W: Lane>(a: &[W], b: &[W], powers: &[W; FOLD], out_a: &mut Vec<W>, out_b: &mut Vec<W>) {
    let at = |values: &mut dyn Iterator<Item = (&W, &W)>| {
        values.fold(W::NIL, |sum, (value, power)| sum.sum(value.product(*power)))
    };
    for (a, b) in a.chunks_exact(FOLD).zip(b.chunks_exact(FOLD)) {
        out_a.push(at(&mut a.iter().zip(powers)));
        out_b.push(at(&mut b.iter().zip(powers.iter().rev())));
    }
}

/// Hands out the pairs of the one inner product that stands for all statements, in blocks of a multiple of [`FOLD`]; returns this party's share of
/// its value. The k-th product has weight `coin^k`.
fn flatten<L: Lane>(
    statements: &[&Statement<L>],
    coin: L::Wide,
    mut sink: impl FnMut(&[L::Wide], &[L::Wide]),
) -> L::Wide {
    let mut total = L::Wide::NIL;
    let mut weight = coin;
    let (mut a, mut b) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
    let mut push = |x: L::Wide, y: L::Wide, a: &mut Vec<_>, b: &mut Vec<_>| {
        a.push(x);
        b.push(y);
        if a.len() == BLOCK {
            sink(a, b);
            a.clear();
            b.clear();
        }
    };
    for statement in statements {
        let (left, right, out) = (&statement.left.0, &statement.right.0, &statement.out.0);
        match statement.relation {
            Relation::Products => {
                for ((x, y), z) in left.iter().zip(right).zip(out) {
                    for element in 0..L::WIDTH {
                        push(weight.product(x.wide(element)), y.wide(element), &mut a, &mut b);
                        total = total.sum(weight.product(z.wide(element)));
                        weight = weight.product(coin);
                    }
                }
            }
            Relation::Groups(size) => {
                for (group, z) in out.iter().enumerate() {
                    let range = group * size..(group + 1) * size;
                    for (x, y) in left[range.clone()].iter().zip(&right[range]) {
                        push(weight.product(x.wide(0)), y.wide(0), &mut a, &mut b);
                    }
                    total = total.sum(weight.product(z.wide(0)));
                    weight = weight.product(coin);
                }
            }
            Relation::Matrix([rows, inner, columns]) => {
                // The weight of a cell is that of its row times that of its column, so that rows and columns are summed first.
                let powers: Vec<L::Wide> =
                    std::iter::successors(Some(L::Wide::constant(<L::Wide as Lane>::Scalar::ONE)), |power| {
                        Some(power.product(coin))
                    })
                    .take(columns + 1)
                    .collect();
                let (mut x, mut cell) = (vec![L::Wide::NIL; inner], out.iter());
                for row in 0..rows {
                    for (x, value) in x.iter_mut().zip(&left[row * inner..]) {
                        *x = x.sum(weight.product(value.wide(0)));
                    }
                    for power in &powers[..columns] {
                        let z = cell.next().expect("a cell for each row and column");
                        total = total.sum(weight.product(*power).product(z.wide(0)));
                    }
                    weight = weight.product(powers[columns]);
                }
                for (k, x) in x.into_iter().enumerate() {
                    let terms = right[k * columns..][..columns].iter().zip(&powers);
                    let y = terms.fold(L::Wide::NIL, |sum, (value, power)| sum.sum(value.wide(0).product(*power)));
                    push(x, y, &mut a, &mut b);
                }
            }
        }
    }
    pad(&mut a, &mut b);
    sink(&a, &b);
    total
}

/// How often pairs are folded.
pub(crate) const fn levels(mut pairs: usize) -> u32 {
    let mut levels = 1;
    pairs = pairs.div_ceil(FOLD);
    while pairs > FOLD {
        pairs = pairs.div_ceil(FOLD);
        levels += 1;
    }
    levels
}

const _: () = assert!(BLOCK % FOLD == 0);
