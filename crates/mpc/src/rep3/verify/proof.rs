//! The check over one ring: docs/spec/mpc/rep3-malicious.md, whose step numbers stand at the steps.

use std::borrow::Cow;

use crypto::{Digest, Label, hash};

use crate::engine::{Failure, Fault, Io, OpId};
use crate::rep3::{Atom, Product, Shape};

use super::batch::{Batch, Tile};
use super::claim::{Claim, First, Point};
use super::coin::Coins;
use super::extension::{Extension, OCTET, Scalar, Weights, multilinear, point_of, points};
use super::plan::{LAST, MASKED, Plan, states};
use crate::rep3::seat::Seat;

/// What a party does to what it is about to send. All but tests are honest.
pub(crate) trait Conduct<S> {
    /// Learns the weights of the first sums.
    fn challenged(&self, _first: &First) {}
    /// Parts of products: before they are masked into messages and kept.
    fn products(&self, _step: usize, _parts: &mut [S]) {}
    /// The parts `F_i, F'_i, H_i` that are opened.
    fn opening(&self, _parts: &mut [S]) {}
    /// The masks' sum that is told where the check has failed.
    fn masks(&self, _sum: &mut S) {}
}

/// As the protocol says.
pub(crate) struct Honest;

impl<S> Conduct<S> for Honest {}

/// A vector in the lifted inner product: `[own, next]` parts.
type Side<P> = [Vec<P>; 2];

/// Verifies records of one ring.
///
/// # Errors
/// Where one is false, or a party does not follow the protocol: whoever did it, or two of whom one did.
pub(crate) async fn prove<E: Extension>(
    io: &mut Io,
    products: &[Product<E::Atom>],
    conduct: &dyn Conduct<E::Scalar>,
) -> Result<(), Failure> {
    let seat = Seat::of(io)?;
    if !products.iter().any(states) {
        return Ok(());
    }
    let (plan, batches) = Plan::new::<E>(products);
    let mut proof = Proof::<E> { seat, conduct, messages: Vec::new(), ops: Vec::new() };
    // Step 0.
    let mut coins = Coins::commit(io, seat, plan.coins());
    // Step 1.
    let mut challenges = coins.toss(io).await?;
    let first = First::draw::<E>(&plan, &batches, products, &mut challenges);
    conduct.challenged(&first);
    // Steps 2 and 3.
    if plan.first_points() != [0, 0] {
        let parts = first_products::<E>(&plan, &batches, &first);
        proof.exchange(io, parts).await?;
        challenges = coins.toss(io).await?;
    }
    let point = Point::draw::<E::Scalar>(&plan, &mut challenges);
    // Step 4.
    let (mut u, mut v) = lift::<E>(&batches, products, &first, &point, plan.packs);
    let mut claim = Claim::new(plan.clone(), first, point);
    // Step 5.
    for variables in &plan.reductions {
        let parts = E::products(both(&u), both(&v), *variables).split_off(1);
        proof.exchange(io, parts).await?;
        let point = coins.toss(io).await?.codes(*variables as usize, E::Scalar::CHALLENGE_BITS);
        (u, v) = (u.map(|side| E::fold(side, &point)), v.map(|side| E::fold(side, &point)));
        claim.reductions.push(point);
    }
    // Step 6.
    let last = Last::<E::Scalar>::new::<E>(io, seat, &u, &v);
    drop((u, v));
    proof.exchange(io, last.products()).await?;
    // Step 7.
    let mut challenges = coins.toss(io).await?;
    let bits = E::Scalar::CHALLENGE_BITS;
    claim.last = challenges.codes(LAST as usize, bits);
    claim.mask = challenges.unit(bits);
    // Step 8.
    let [f, g] = last.values(&claim);
    let results = |side: usize| -> Vec<Cow<'_, [E::Atom]>> {
        let part = |product| if side == 0 { own_part(product) } else { next_part(product) };
        products.iter().map(|product| Cow::Borrowed(part(product))).collect()
    };
    let h = [0, 1].map(|side| {
        let messages = proof.messages.iter().map(|message| &message[side][..]).collect::<Vec<_>>();
        claim.value::<E>(&batches, products, &results(side), &messages)
    });
    let opened = proof.open(io, [f, g, h]).await?;
    let [f, g, h] = &opened;
    let sum = |parts: &[E::Scalar; 3]| parts[0].add(parts[1]).add(parts[2]);
    if sum(f).mul(sum(g)) == sum(h) {
        return Ok(());
    }
    // Step 9.
    proof.blame(io, &claim, &batches, products, &opened).await
}

struct Proof<'a, E: Extension> {
    seat: Seat,
    conduct: &'a dyn Conduct<E::Scalar>,
    /// Own and next parts of what was computed in each exchange.
    messages: Vec<[Vec<E::Scalar>; 2]>,
    ops: Vec<OpId>,
}

impl<E: Extension> Proof<'_, E> {
    /// Masks parts of products and sends them, as any multiplication does; takes those of the party after.
    async fn exchange(&mut self, io: &mut Io, mut parts: Vec<E::Scalar>) -> Result<(), Failure> {
        let op = io.op();
        self.conduct.products(self.messages.len(), &mut parts);
        let [after, before] =
            [self.seat.after, self.seat.before].map(|peer| stream::<E::Scalar>(io, peer, op, parts.len()));
        for ((part, after), before) in parts.iter_mut().zip(after).zip(before) {
            *part = part.add(after).sub(before);
        }
        send(io, op, self.seat.before, &parts);
        let next = receive(io, op, self.seat.after, parts.len()).await?;
        self.messages.push([parts, next]);
        self.ops.push(op);
        Ok(())
    }

    /// Step 8: `[own, next]` parts of each to all three.
    async fn open(&self, io: &mut Io, shares: [[E::Scalar; 2]; 3]) -> Result<[[E::Scalar; 3]; 3], Failure> {
        let (op, vouching) = (io.op(), io.op());
        let seat = self.seat;
        let mut own = shares.map(|share| share[0]);
        self.conduct.opening(&mut own);
        send(io, op, seat.after, &own);
        io.send(vouching, seat.before, digest(io, vouching, &shares.map(|share| share[1])).as_bytes());
        let missing = receive::<E::Scalar>(io, op, seat.before, 3).await?;
        let mut vouched = [0; 32];
        io.receive(vouching, seat.after, &mut vouched).await?;
        if digest(io, vouching, &missing).as_bytes() != &vouched {
            return Err(seat.others_dispute(Fault::Inconsistent(op)));
        }
        Ok([0, 1, 2].map(|at| self.in_order(shares[at], missing[at])))
    }

    /// Parts by index.
    fn in_order(&self, [own, next]: [E::Scalar; 2], missing: E::Scalar) -> [E::Scalar; 3] {
        let mut parts = [own; 3];
        parts[usize::from(self.seat.after)] = next;
        parts[usize::from(self.seat.before)] = missing;
        parts
    }

    /// Step 9. Always an error.
    async fn blame(
        &self,
        io: &mut Io,
        claim: &Claim,
        batches: &[Batch<'_, E::Atom>],
        products: &[Product<E::Atom>],
        opened: &[[E::Scalar; 3]; 3],
    ) -> Result<(), Failure> {
        let seat = self.seat;
        // A_i and A_{i−1}: what the claim would be, were the masks the messages.
        let [own, last] = [seat.after, seat.before].map(|peer| {
            let noise = |product: &Product<E::Atom>| {
                let mut noise = vec![bytemuck::Zeroable::zeroed(); product.out.len()];
                io.pair(peer).fill(product.op, 0, bytemuck::cast_slice_mut(&mut noise));
                Cow::Owned(noise)
            };
            let results: Vec<_> = products.iter().map(noise).collect();
            let masks = self.ops.iter().zip(&self.messages).map(|(op, [own, _])| stream(io, peer, *op, own.len()));
            let masks: Vec<Vec<E::Scalar>> = masks.collect();
            claim.value::<E>(batches, products, &results, &masks.iter().map(|masks| &masks[..]).collect::<Vec<_>>())
        });
        let (op, vouching) = (io.op(), io.op());
        let mut told = own;
        self.conduct.masks(&mut told);
        send(io, op, seat.before, &[told]);
        io.send(vouching, seat.after, digest(io, vouching, &[last]).as_bytes());
        let missing = receive::<E::Scalar>(io, op, seat.after, 1).await?;
        let mut vouched = [0; 32];
        io.receive(vouching, seat.before, &mut vouched).await?;
        if digest(io, vouching, &missing).as_bytes() != &vouched {
            return Err(seat.others_dispute(Fault::Inconsistent(op)));
        }
        let mut masks = [own; 3];
        masks[usize::from(seat.before)] = last;
        masks[usize::from(seat.after)] = missing[0];
        let [f, g, h] = opened;
        for party in 0..3u16 {
            let (i, next, before) = (usize::from(party), usize::from(party + 1) % 3, usize::from(party + 2) % 3);
            let local = f[i].mul(g[i].add(g[next])).add(f[next].mul(g[i]));
            if h[i] != local.add(masks[i]).sub(masks[before]) {
                return Err(Failure::blame(party, Fault::Proof));
            }
        }
        Err(Failure::Cheated { fault: Fault::Proof })
    }
}

/// What is left before the last step, and its masks.
struct Last<S> {
    u: [[S; OCTET]; 2],
    v: [[S; OCTET]; 2],
    /// `ρ`.
    rho: [S; 2],
    /// `σ`.
    sigma: [S; 2],
}

impl<S: Scalar> Last<S> {
    fn new<E: Extension<Scalar = S>>(io: &mut Io, seat: Seat, u: &Side<E::Pack>, v: &Side<E::Pack>) -> Self {
        let op = io.op();
        let elements = |side: &Side<E::Pack>| {
            [0, 1].map(|part| side[part].first().map_or([S::ZERO; OCTET], |pack| E::unpack(pack)))
        };
        // Part i of what nobody knows is a stream of i − 1 and i.
        let [own, next] = [seat.before, seat.after].map(|peer| stream::<S>(io, peer, op, 2));
        Self { u: elements(u), v: elements(v), rho: [own[0], next[0]], sigma: [own[1], next[1]] }
    }

    /// Points of `U V`, then the middle coefficients in `s`, then the last.
    fn products(&self) -> Vec<S> {
        let local = |x: [S; 2], y: [S; 2]| x[0].mul(y[0].add(y[1])).add(x[1].mul(y[0]));
        let [u_own, u_next, v_own, v_next] = [&self.u[0], &self.u[1], &self.v[0], &self.v[1]].map(|side| points(side));
        let mut out = Vec::with_capacity(u_own.len() - 1 + MASKED);
        for at in 1..u_own.len() {
            out.push(local([u_own[at], u_next[at]], [v_own[at], v_next[at]]));
        }
        for at in 0..OCTET {
            let (u, v) = ([self.u[0][at], self.u[1][at]], [self.v[0][at], self.v[1][at]]);
            out.push(local(u, self.sigma).add(local(self.rho, v)));
        }
        out.push(local(self.rho, self.sigma));
        out
    }

    /// `F` and `F'` at the point.
    fn values(&self, claim: &Claim) -> [[S; 2]; 2] {
        let weights = multilinear::<S>(&claim.last);
        let s = S::challenge(claim.mask);
        let value = |side: &[[S; OCTET]; 2], mask: [S; 2]| {
            [0, 1].map(|part| {
                let sum = side[part].iter().zip(&weights).fold(S::ZERO, |sum, (x, weight)| sum.add(x.mul(*weight)));
                S::ONE.sub(s).mul(sum).add(s.mul(mask[part]))
            })
        };
        [value(&self.u, self.rho), value(&self.v, self.sigma)]
    }
}

/// Blocks that are worked on together: what they expand to stays in the cache.
const TILE: usize = 8;

/// Step 2: `C_g` before masks.
fn first_products<E: Extension>(plan: &Plan, batches: &[Batch<'_, E::Atom>], first: &First) -> Vec<E::Scalar> {
    let (t, points) = (plan.first, 3usize.pow(plan.first));
    let size = points * OCTET;
    let zero = E::Atom::ZERO;
    let mut rows = vec![zero; TILE * size];
    let mut unit_rows = vec![zero; size];
    let mut by_result = E::sums(points);
    let mut by_term = vec![E::Scalar::ZERO; points];
    for (batch, codes) in batches.iter().zip(&first.codes) {
        let of_unit = batch.kind.blocks_of_unit();
        batch.tiles(TILE, |Tile { left: [x_own, x_next], right: [y_own, y_next], first, blocks }| {
            let rows = &mut rows[..blocks * size];
            E::expand([&x_own, &x_next], [&y_own, &y_next], t, batch.kind.by_term, rows);
            if of_unit == 1 && !batch.kind.by_term {
                let each = First::each::<E::Scalar>(batch);
                E::absorb(&mut by_result, points, rows, &codes[first * each..(first + blocks) * each]);
                return;
            }
            for (block, rows) in (first..).zip(rows.chunks_exact(size)) {
                unit_rows.iter_mut().zip(rows).for_each(|(sum, row)| *sum = sum.plus(*row));
                if (block + 1) % of_unit == 0 {
                    first_unit::<E>(batch, codes, block / of_unit, &unit_rows, &mut by_result, &mut by_term);
                    unit_rows.fill(zero);
                }
            }
        });
    }
    let mut out = Vec::new();
    if plan.by_result {
        let plain: Vec<usize> = (0..1 << t).map(|row| point_of(row, t)).collect();
        let sums = E::finish(by_result).into_iter().enumerate();
        out.extend(sums.filter(|(point, _)| !plain.contains(point)).map(|(_, sum)| sum));
    }
    if plan.by_term {
        out.extend_from_slice(&by_term[1..]);
    }
    out
}

/// Weights what a unit's blocks have summed up to.
fn first_unit<E: Extension>(
    batch: &Batch<'_, E::Atom>,
    codes: &[u64],
    unit: usize,
    rows: &[E::Atom],
    by_result: &mut E::Sums,
    by_term: &mut [E::Scalar],
) {
    let each = First::each::<E::Scalar>(batch);
    let codes = &codes[unit * each..(unit + 1) * each];
    if !batch.kind.by_term {
        E::absorb(by_result, rows.len() / OCTET, rows, codes);
        return;
    }
    let weight = E::Scalar::challenge(codes[0]);
    for (sum, row) in by_term.iter_mut().zip(rows.chunks_exact(OCTET)) {
        let total = row.iter().fold(E::Scalar::ZERO, |total, atom| total.add(E::Scalar::embed(*atom)));
        *sum = sum.add(total.mul(weight));
    }
}

/// Step 4: `U` and `V`.
fn lift<E: Extension>(
    batches: &[Batch<'_, E::Atom>],
    products: &[Product<E::Atom>],
    first: &First,
    point: &Point,
    packs: usize,
) -> (Side<E::Pack>, Side<E::Pack>) {
    let side = || [(); 2].map(|()| Vec::with_capacity(packs));
    let (mut u, mut v): (Side<E::Pack>, Side<E::Pack>) = (side(), side());
    let chi = multilinear::<E::Scalar>(&point.first);
    for (batch, codes) in batches.iter().zip(&first.codes) {
        let kind = E::Scalar::challenge(if batch.kind.by_term { point.by_term } else { 1 });
        let left: Vec<E::Scalar> = chi.iter().map(|weight| weight.mul(kind)).collect();
        let each = First::each::<E::Scalar>(batch);
        batch.tiles(TILE, |tile| {
            for (side, words) in u.iter_mut().zip(&tile.left) {
                let begin = side.len();
                E::lift(words, &left, side);
                for (block, packs) in (tile.first..).zip(side[begin..].chunks_mut(E::Scalar::VALUES)) {
                    let unit = block / batch.kind.blocks_of_unit();
                    let codes = &codes[unit * each..(unit + 1) * each];
                    E::scale(packs, if batch.kind.by_term { Weights::Whole(codes[0]) } else { Weights::Lanes(codes) });
                }
            }
            for (side, words) in v.iter_mut().zip(&tile.right) {
                E::lift(words, &chi, side);
            }
        });
    }
    let kind = E::Scalar::challenge(point.matrices);
    for (product, [rows, columns]) in
        products.iter().filter(|product| states(*product)).filter(is_matrix).zip(&first.matrices)
    {
        let Shape::Matrix { inner, columns: width, .. } = product.shape else { continue };
        let left: Vec<E::Scalar> = rows.iter().map(|code| E::Scalar::challenge(*code).mul(kind)).collect();
        let right: Vec<E::Scalar> = columns.iter().map(|code| E::Scalar::challenge(*code)).collect();
        for octet in (0..inner).step_by(OCTET) {
            let take = |matrix: &[E::Atom], rows: usize, at: &dyn Fn(usize, usize) -> usize| {
                let mut words = vec![E::Atom::ZERO; rows * OCTET];
                for row in 0..rows {
                    for lane in 0..OCTET.min(inner - octet) {
                        words[row * OCTET + lane] = matrix[at(row, octet + lane)];
                    }
                }
                words
            };
            for (side, matrix) in u.iter_mut().zip([product.left.own(), product.left.next()]) {
                let begin = side.len();
                E::lift(&take(matrix, left.len(), &|row, k| row * inner + k), &left, side);
                E::scale(&mut side[begin..], Weights::Whole(1));
            }
            for (side, matrix) in v.iter_mut().zip([product.right.own(), product.right.next()]) {
                E::lift(&take(matrix, right.len(), &|column, k| k * width + column), &right, side);
            }
        }
    }
    (u, v)
}

/// Whether a record is of a matrix product.
pub(crate) fn is_matrix<A: Atom>(product: &&Product<A>) -> bool {
    matches!(product.shape, Shape::Matrix { .. })
}

fn own_part<A: Atom>(product: &Product<A>) -> &[A] {
    product.out.own()
}

fn next_part<A: Atom>(product: &Product<A>) -> &[A] {
    product.out.next()
}

fn both<P>(side: &Side<P>) -> [&[P]; 2] {
    [&side[0], &side[1]]
}

fn stream<S: Scalar>(io: &Io, peer: u16, op: OpId, count: usize) -> Vec<S> {
    let mut bytes = vec![0; count * S::BYTES];
    io.pair(peer).fill(op, 0, &mut bytes);
    bytes.chunks_exact(S::BYTES).map(S::read).collect()
}

fn send<S: Scalar>(io: &Io, op: OpId, to: u16, elements: &[S]) {
    let mut bytes = Vec::with_capacity(elements.len() * S::BYTES);
    elements.iter().for_each(|element| element.write(&mut bytes));
    io.send(op, to, &bytes);
}

async fn receive<S: Scalar>(io: &Io, op: OpId, from: u16, count: usize) -> Result<Vec<S>, Failure> {
    let mut bytes = vec![0; count * S::BYTES];
    io.receive(op, from, &mut bytes).await?;
    Ok(bytes.chunks_exact(S::BYTES).map(S::read).collect())
}

fn digest<S: Scalar>(io: &Io, op: OpId, elements: &[S]) -> Digest {
    let mut bytes = Vec::new();
    elements.iter().for_each(|element| element.write(&mut bytes));
    hash(Label::AGREEMENT, &[io.session().as_bytes(), &op.0.to_be_bytes(), &bytes])
}
