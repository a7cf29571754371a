//! New shares of old values: refreshed, handed to other parties, or repaired for one that came back.

use crate::domain::{Domain, M61, P127};
use crate::engine::{Column, Failure, Fault, Io};

use super::deal::{Dealt, receive};
use super::field::{Field as _, Lane, Valued, lanes};
use super::masked::Gather;
use super::scheme::{Dealing, lagrange};
use super::sets::stream_tile;
use super::{Shamir, TILE, column, held, talk_by_lane};

impl Shamir {
    /// The same values under fresh polynomials: shares stolen before and shares stolen after do not fit together (Herzberg, Jarecki, Krawczyk, Yung,
    /// CRYPTO 1995, §3). `t + 1` members deal sharings of zero. Use it in a session of its own, so that no stream of an earlier
    /// one says anything about the new shares. One round; against malicious parties five.
    ///
    /// # Errors
    /// [`Failure::Cheated`] where what was dealt was not zero.
    pub async fn refresh(&self, io: &mut Io, column: &Column) -> Result<Column, Failure> {
        let fresh: crate::engine::Fut<'_, Column> = talk_by_lane!(self, column.domain(), refreshed(io, column));
        fresh.await
    }

    async fn refreshed<L: Valued>(&self, io: &mut Io, from: &Column) -> Result<Column, Failure> {
        let shares = &held::<L>(from)?.0;
        let zeros = self.zeros::<L>(io, shares.len()).await?;
        if self.is_malicious() {
            let mut sum = self.zeros::<L::Wide>(io, 1).await?;
            let coin = self.coin::<L::Wide>(io).await?;
            sum[0] = sum[0].sum(weighted(&zeros, coin));
            if self.reveal_strictly(io, &sum).await?[0] != <L::Wide as Lane>::NIL {
                return Err(Failure::Cheated { fault: Fault::Proof });
            }
        }
        Ok(column(from.len(), shares.iter().zip(&zeros).map(|(share, zero)| share.sum(*zero)).collect()))
    }

    /// Sharings of zero, dealt by the first `t + 1` seats.
    async fn zeros<L: Lane>(&self, io: &mut Io, count: usize) -> Result<Vec<L>, Failure> {
        let op = io.op();
        let seat = self.seat(io)?;
        let scheme = self.scheme::<L>(io)?;
        let mut out = vec![L::NIL; count];
        if seat <= self.threshold {
            let mut dealt = Dealt::new(self, op, &scheme.dealing);
            for (tile, out) in out.chunks_mut(TILE).enumerate() {
                dealt.tile(io, tile * TILE, L::Scalar::ONE, &vec![L::NIL; out.len()], out);
            }
        }
        let mut part = vec![L::NIL; count.min(TILE)];
        for (tile, out) in out.chunks_mut(TILE).enumerate() {
            for dealer in (0..=self.threshold).filter(|dealer| *dealer != seat) {
                let part = &mut part[..out.len()];
                self.take_dealt(io, op, dealer, tile * TILE, part).await?;
                out.iter_mut().zip(&*part).for_each(|(out, part)| *out = out.sum(*part));
            }
        }
        Ok(out)
    }

    /// Hands a column of `len` values from these members, who give their shares, to the members of `to`, who get new ones; the two may overlap and
    /// their thresholds may differ. Every party of either calls it. Old members in `absent` (all name the same) have no shares to give: they vanished
    /// before, and may be among `to` to catch up. The first `t + 1` others deal their weighted shares (Desmedt and Jajodia 1997); against malicious
    /// parties a random combination before and after is compared. One round; against malicious parties six.
    ///
    /// # Errors
    /// [`Failure::Cheated`] where the values changed. [`Failure::Unsupported`] for bits where the new members' number needs a larger field.
    /// [`Failure::Program`] where too few old members are left: `t + 1`, against malicious parties `2t + 1`.
    pub async fn reshare(
        &self,
        io: &mut Io,
        to: &Self,
        absent: &[u16],
        domain: Domain,
        len: usize,
        shares: Option<&Column>,
    ) -> Result<Option<Column>, Failure> {
        let width = |seats: usize| {
            if seats <= 3 {
                2
            } else if seats <= 15 {
                4
            } else {
                8
            }
        };
        if domain == Domain::Bits && width(self.seats()) != width(to.seats()) {
            return Err(self.unsupported("bits handed over to members whose number needs another field"));
        }
        let present: Vec<_> = (0..self.seats()).filter(|seat| !absent.contains(&self.members[*seat])).collect();
        let needed = if self.is_malicious() || to.is_malicious() { 2 * self.threshold + 1 } else { self.threshold + 1 };
        if present.len() < needed {
            return Err(Failure::Program("enough old members are left to hand their shares over"));
        }
        let gives = present.iter().any(|seat| self.members[*seat] == io.index());
        let shares = match shares {
            Some(shares) if (shares.domain(), shares.len()) != (domain, len) => {
                return Err(Failure::Program("an old member gives a column as stated"));
            }
            None if gives => return Err(Failure::Program("an old member gives its shares")),
            shares => shares.filter(|_| gives),
        };
        let handed: crate::engine::Fut<'_, Option<Column>> =
            talk_by_lane!(self, domain, handed(io, to, &present, len, shares));
        handed.await
    }

    async fn handed<L: Valued>(
        &self,
        io: &mut Io,
        to: &Self,
        present: &[usize],
        len: usize,
        shares: Option<&Column>,
    ) -> Result<Option<Column>, Failure> {
        let old = shares.map(held::<L>).transpose()?.map(|held| &*held.0);
        let dealers = &present[..=self.threshold];
        let new = self.hand::<L>(io, to, dealers, lanes::<L>(len), old).await?;
        if self.is_malicious() || to.is_malicious() {
            let mask = self.dealt_mask::<L::Wide>(io, dealers, old.is_some()).await?;
            let new_mask = self.hand::<L::Wide>(io, to, dealers, 1, mask.as_deref()).await?;
            let olds = present.iter().map(|seat| self.members[*seat]);
            let mut all: Vec<u16> = olds.chain(to.members.iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            if !all.contains(&io.index()) {
                // As many numbers as the others take.
                (0..5).for_each(|_| drop(io.op()));
                return Ok(None);
            }
            // As before every coin, so that nothing can be made to fit it.
            let op = io.op();
            all.iter().filter(|party| **party != io.index()).for_each(|party| io.send(op, *party, &[0]));
            for party in all.iter().filter(|party| **party != io.index()) {
                io.receive(op, *party, &mut [0]).await?;
            }
            let coin = match &new {
                Some(_) => Some(to.draw_column::<L::Wide>(io, 1, false).await?[0]),
                None => {
                    io.op();
                    None
                }
            };
            let news: Vec<_> = (0..to.seats()).collect();
            let coin = to.announce(io, &news, &all, coin).await?;
            let sum = |shares: Option<&[L]>, mask: Option<&[L::Wide]>| {
                shares.zip(mask).map(|(shares, mask)| weighted(shares, coin).sum(mask[0]))
            };
            let before = self.announce(io, present, &all, sum(old, mask.as_deref())).await?;
            let after = to.announce(io, &news, &all, sum(new.as_deref(), new_mask.as_deref())).await?;
            if before != after {
                return Err(Failure::Cheated { fault: Fault::Proof });
            }
        }
        Ok(new.map(|new| column(len, new)))
    }

    /// A random value that `t + 1` old members deal to the old members; `gives` says whether this party is one that is there.
    async fn dealt_mask<W: Lane>(
        &self,
        io: &mut Io,
        dealers: &[usize],
        gives: bool,
    ) -> Result<Option<Vec<W>>, Failure> {
        let drawn = io.op();
        let mut sum = vec![W::NIL];
        for dealer in dealers {
            if !gives {
                io.op();
                continue;
            }
            let mut own = [W::NIL];
            stream_tile(io.own(), drawn, 0, false, &mut own);
            let mine = (self.members[*dealer] == io.index()).then_some(&own[..]);
            let dealt = self.deal(io, *dealer, 1, mine).await?;
            sum[0] = sum[0].sum(dealt[0]);
        }
        Ok(gives.then_some(sum))
    }

    /// Deals weighted shares to other members.
    async fn hand<L: Lane>(
        &self,
        io: &mut Io,
        to: &Self,
        dealers: &[usize],
        count: usize,
        shares: Option<&[L]>,
    ) -> Result<Option<Vec<L>>, Failure> {
        let op = io.op();
        let seat_of = |shamir: &Self, party: u16| shamir.members.iter().position(|member| *member == party);
        let new_seat = seat_of(to, io.index());
        let points: Vec<_> = dealers.iter().map(|seat| L::Scalar::point(*seat)).collect();
        let weights = lagrange(&points, L::Scalar::ZERO);
        let mut out = vec![L::NIL; if new_seat.is_some() { count } else { 0 }];
        let place = dealers.iter().position(|dealer| self.members[*dealer] == io.index());
        if let (Some(place), Some(shares)) = (place, shares) {
            let dealing = Dealing::new(to.seats(), to.threshold, new_seat);
            let mut dealt = Dealt::new(to, op, &dealing);
            for (tile, shares) in shares.chunks(TILE).enumerate() {
                let own = out.get_mut(tile * TILE..tile * TILE + shares.len()).unwrap_or_default();
                dealt.tile(io, tile * TILE, weights[place], shares, own);
            }
        }
        let Some(seat) = new_seat else { return Ok(None) };
        let mut part = vec![L::NIL; count.min(TILE)];
        for (tile, out) in out.chunks_mut(TILE).enumerate() {
            for dealer in dealers.iter().map(|dealer| self.members[*dealer]).filter(|dealer| *dealer != io.index()) {
                let part = &mut part[..out.len()];
                let silent = match seat_of(to, dealer) {
                    Some(dealer) => Dealing::<L::Scalar>::is_silent(to.seats(), to.threshold, dealer, seat),
                    None => seat < to.threshold,
                };
                if silent {
                    stream_tile(&io.pair(dealer), op, tile * TILE, false, part);
                } else {
                    receive(io, op, dealer, part).await?;
                }
                out.iter_mut().zip(&*part).for_each(|(out, part)| *out = out.sum(*part));
            }
        }
        Ok(Some(out))
    }

    /// Opens a value that some of these members share, to all who take part, strictly.
    async fn announce<W: Lane>(&self, io: &mut Io, from: &[usize], to: &[u16], share: Option<W>) -> Result<W, Failure> {
        let op = io.op();
        if let Some(share) = share {
            let readers = to.iter().filter(|reader| **reader != io.index());
            readers.for_each(|reader| io.send(op, *reader, bytemuck::bytes_of(&share)));
        }
        let mut shares = Vec::new();
        for seat in from {
            let member = self.members[*seat];
            let mut theirs = [W::NIL];
            match share {
                Some(share) if member == io.index() => theirs = [share],
                _ => receive(io, op, member, &mut theirs).await?,
            }
            shares.push((*seat, theirs));
        }
        let mut out = [W::NIL];
        let answers = shares.iter().map(|(seat, share)| (*seat, &share[..])).collect();
        self.correct(op, answers, false, W::Scalar::ZERO, &mut out)?;
        Ok(out[0])
    }

    /// Gives a member that came back, in this session and without its shares of a column, its shares again, and nobody anything else. The other members
    /// give their shares. They send them under a random sharing of which the returned one knows its own part. One round.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] against malicious parties where `n = 2t + 1`: the others' shares would not show a wrong one.
    pub async fn repair(
        &self,
        io: &mut Io,
        returned: u16,
        domain: Domain,
        len: usize,
        shares: Option<&Column>,
    ) -> Result<Option<Column>, Failure> {
        if self.is_malicious() && self.seats() == 2 * self.threshold + 1 {
            return Err(self.unsupported("repair against malicious parties with 2t + 1 members"));
        }
        let fits = shares.is_none_or(|shares| (shares.domain(), shares.len()) == (domain, len));
        if !fits || (shares.is_none() && io.index() != returned) {
            return Err(Failure::Program("a member that stayed gives a column as stated"));
        }
        let repaired: crate::engine::Fut<'_, Option<Column>> =
            talk_by_lane!(self, domain, repaired(io, returned, len, shares));
        repaired.await
    }

    async fn repaired<L: Valued>(
        &self,
        io: &mut Io,
        returned: u16,
        len: usize,
        shares: Option<&Column>,
    ) -> Result<Option<Column>, Failure> {
        let count = lanes::<L>(len);
        let mut masks = self.draw_column::<L>(io, len, false).await?;
        let op = io.op();
        let seat = self.seat(io)?;
        if io.index() != returned {
            let shares = shares.ok_or(Failure::Program("a member that stayed gives its shares"))?;
            masks.iter_mut().zip(&held::<L>(shares)?.0).for_each(|(mask, share)| *mask = mask.sum(*share));
            io.send(op, returned, bytemuck::cast_slice(&masks));
            return Ok(None);
        }
        let others = (0..self.seats()).filter(|other| *other != seat);
        let (least, enough) = if self.is_malicious() {
            (2 * self.threshold + 1, self.seats() - 1)
        } else {
            (self.threshold + 1, self.threshold + 1)
        };
        let mut gather = Gather::among(self, others, seat, least, enough);
        let mut out = vec![L::NIL; count];
        for (out, masks) in out.chunks_mut(TILE).zip(masks.chunks(TILE)) {
            let answers = gather.receive(io, op, out.len()).await?;
            if self.is_malicious() {
                self.correct(op, answers, false, L::Scalar::point(seat), out)?;
            } else {
                let points: Vec<_> = answers.iter().map(|(seat, _)| L::Scalar::point(*seat)).collect();
                let weights = lagrange(&points, L::Scalar::point(seat));
                L::combine(out, &weights.into_iter().zip(answers.iter().map(|(_, tile)| *tile)).collect::<Vec<_>>());
            }
            out.iter_mut().zip(masks).for_each(|(out, mask)| *out = out.difference(*mask));
        }
        Ok(Some(column(len, out)))
    }
}

/// `Σ coin^(k + 1) · value_k` over all elements.
pub(crate) fn weighted<L: Lane>(shares: &[L], coin: L::Wide) -> L::Wide {
    let mut weight = coin;
    let mut sum = <L::Wide as Lane>::NIL;
    for lane in shares {
        for element in 0..L::WIDTH {
            sum = sum.sum(weight.product(lane.wide(element)));
            weight = weight.product(coin);
        }
    }
    sum
}
