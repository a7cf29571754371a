//! Sorting digit by digit, and the sort by one bit.

use crate::domain::{Domain, Values};
use crate::engine::{Backend, Column, Cost, Failure, Io, Primitive};

use super::super::open;
use super::super::wiring::{
    combine, from_integers, inject, integers, not, of_length, products, slice, then, times, weight, xor,
};

/// The rows whose bit is set before the others, either in the order they were. One composition, one multiplication, one shuffle, one
/// opening of a uniform permutation.
///
/// # Errors
/// The back end's.
pub async fn partition(
    backend: &dyn Backend,
    io: &mut Io,
    bit: &Column,
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    of_length("partition", bit.len(), columns)?;
    if bit.len() < 2 {
        return Ok(columns.to_vec());
    }
    let places = places(backend, io, &[not(backend, bit)?]).await?;
    arrange(backend, io, &places, columns).await
}

/// The rows whose bit is set, alone and in the order they were. Opens how many these are, and nothing else. As [`partition`], a sum and
/// its opening.
///
/// # Errors
/// The back end's.
pub async fn compact(
    backend: &dyn Backend,
    io: &mut Io,
    bit: &Column,
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    let sorted = partition(backend, io, bit, columns).await?;
    let ones = inject(backend, io, std::slice::from_ref(bit), places_domain(backend)?).await?;
    // Declassified: the number of rows kept is this operation's result.
    let count = open::to_all(backend, io, &[backend.sum(&ones[0], 1)?]).await?;
    let count = count.first().and_then(|values| integers(values).first().copied());
    let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= bit.len());
    // At most all of them, where nobody knows.
    let count = if backend.is_rehearsal() { Some(bit.len()) } else { count };
    let count = count.ok_or(Failure::Program("no more rows are kept than there are"))?;
    sorted.iter().map(|column| slice(backend, column, 0, count)).collect()
}

/// The rows in the order of unsigned keys given by their bits, lowest first.
pub(super) async fn sort(
    backend: &dyn Backend,
    io: &mut Io,
    bits: &[Column],
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    let len = bits.first().map_or(0, Column::len);
    let digit = digit(backend, bits.len(), len);
    // Heavy rows travel once, at the end: until then only their numbers do.
    let heavy = columns.iter().map(|column| column.domain().bytes(64)).sum::<usize>() > 2 * 512;
    let domain = places_domain(backend)?;
    let numbers = backend.public(&from_integers(domain, 0..len as i128))?;
    let mut carried = if heavy { vec![numbers.clone()] } else { columns.to_vec() };
    let mut rest = bits.to_vec();
    while !rest.is_empty() {
        let higher = rest.split_off(digit.min(rest.len()));
        let places = places(backend, io, &rest).await?;
        let kept = higher.len();
        let mut moved = arrange(backend, io, &places, &[higher, carried].concat()).await?;
        carried = moved.split_off(kept);
        rest = moved;
    }
    if !heavy {
        return Ok(carried);
    }
    // `carried` says of each place which row stands there; turned round, of each row where it goes.
    let places = arrange(backend, io, &carried[0], &[numbers]).await?;
    arrange(backend, io, &places[0], columns).await
}

/// What a sort costs with the best digit.
pub(super) fn cost(backend: &dyn Backend, bits: usize, len: usize, columns: &[Column]) -> Cost {
    let digit = digit(backend, bits, len);
    let turn = turn_cost(backend, digit, bits / 2, len);
    let Ok(domain) = places_domain(backend) else { return turn };
    let light = columns.len().min(2) as u64;
    let turn = Cost { bytes: turn.bytes + light * backend.cost(Primitive::Shuffle, domain, len).bytes, ..turn };
    let turns = bits.div_ceil(digit);
    Cost { bytes: turn.bytes * turns as u64, rounds: turn.rounds * turns as u32 }
}

/// Bits of a digit that make the whole cheapest.
fn digit(backend: &dyn Backend, bits: usize, len: usize) -> usize {
    let total =
        |digit: &usize| weight(turn_cost(backend, *digit, bits / 2, len)).saturating_mul(bits.div_ceil(*digit) as u64);
    (1..=4).min_by_key(total).unwrap_or(1)
}

/// What one digit costs, with so many bits still carried.
fn turn_cost(backend: &dyn Backend, digit: usize, carried: usize, len: usize) -> Cost {
    let Ok(domain) = places_domain(backend) else { return Cost::default() };
    let flags = (1u64 << digit) - 1;
    let and = backend.cost(Primitive::Mul, Domain::Bits, len);
    let ands = Cost { bytes: and.bytes * (flags - digit as u64), rounds: and.rounds * (digit as u32 - 1) };
    let inject = times(flags, backend.cost(Primitive::FromBits(1), domain, len));
    let dot = backend.cost(Primitive::Dot(len), domain, len << digit);
    let shuffle = backend.cost(Primitive::Shuffle, domain, len);
    let bits = times(carried as u64, backend.cost(Primitive::Shuffle, Domain::Bits, len));
    let open = backend.cost(Primitive::Open, domain, len);
    let moved = then(Cost { bytes: shuffle.bytes + bits.bytes, ..shuffle }, open);
    then(then(then(ands, inject), dot), moved)
}

/// Where rows' places are counted: the first ring or field that the back end has.
fn places_domain(backend: &dyn Backend) -> Result<Domain, Failure> {
    let domains = backend.capabilities().domains;
    let counted = domains.iter().copied().find(|domain| *domain != Domain::Bits);
    counted.ok_or(Failure::Program("places are counted in a ring or field"))
}

/// Where each row goes in the stable order by one digit, given by its bits, lowest first. `2^k − 1 − k` ANDs, as many compositions as
/// there are digits but one, one inner product to a row.
async fn places(backend: &dyn Backend, io: &mut Io, digit: &[Column]) -> Result<Column, Failure> {
    let (domain, len) = (places_domain(backend)?, digit[0].len());
    // A flag for each digit, built up bit by bit from the highest.
    let mut flags: Vec<Column> = Vec::new();
    for bit in digit.iter().rev() {
        if flags.is_empty() {
            flags = vec![not(backend, bit)?, bit.clone()];
            continue;
        }
        // The last flag's part follows from the others', which are disjoint and cover it all.
        let pairs: Vec<_> = flags[..flags.len() - 1].iter().map(|flag| (flag, bit)).collect();
        let mut ones = products(backend, io, &pairs).await?;
        let others: Vec<_> = ones.iter().map(|one| (1, one)).collect();
        let last = combine(backend, &[others.as_slice(), &[(1, bit)]].concat(), 0)?;
        ones.push(last);
        let mut next = Vec::with_capacity(2 * flags.len());
        for (flag, one) in flags.iter().zip(ones) {
            next.push(xor(backend, flag, &one)?);
            next.push(one);
        }
        flags = next;
    }
    let count = flags.len();
    let mut counted = inject(backend, io, &flags[..count - 1], domain).await?;
    let others: Vec<_> = counted.iter().map(|flag| (-1, flag)).collect();
    counted.push(combine(backend, &others, 1)?);
    // A row goes after all rows of lower digits, and after those of its own that come before it.
    let mut offset: Option<Column> = None;
    let last_row = vec![len as u32 - 1; len];
    let mut targets = Vec::with_capacity(count);
    for flag in &counted {
        let before = backend.prefix_sum(flag)?;
        let total = backend.gather(&before, &last_row)?;
        let (target, next) = match &offset {
            None => (combine(backend, &[(1, &before)], -1)?, total),
            Some(lower) => {
                (combine(backend, &[(1, &before), (1, lower)], -1)?, backend.linear(&[(1, &total), (1, lower)], None)?)
            }
        };
        targets.push(target);
        offset = Some(next);
    }
    let by_row: Vec<u32> =
        (0..len as u32).flat_map(|row| (0..count as u32).map(move |flag| flag * len as u32 + row)).collect();
    let flags = backend.gather(&backend.concat(&counted)?, &by_row)?;
    let targets = backend.gather(&backend.concat(&targets)?, &by_row)?;
    backend.dot(io, &flags, &targets, len).await
}

/// Brings each row to its secret place: rows and places are shuffled together, then the places opened.
async fn arrange(
    backend: &dyn Backend,
    io: &mut Io,
    places: &Column,
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    let all = [std::slice::from_ref(places), columns].concat();
    let shuffled = backend.shuffle(io, &all).await?;
    let (places, columns) = shuffled.split_first().ok_or(Failure::Program("as many columns as were shuffled"))?;
    // Declassified: a permutation after a uniform secret one is uniform.
    let opened = open::to_all(backend, io, std::slice::from_ref(places)).await?;
    let order = match backend.is_rehearsal() {
        // Any permutation is as good as another.
        true => (0..places.len() as u32).collect(),
        false => inverse(opened.first().ok_or(Failure::Program("one column was opened"))?)?,
    };
    let (bits, rest): (Vec<_>, Vec<_>) = (0..columns.len()).partition(|at| columns[*at].domain() == Domain::Bits);
    let pick = |places: &[usize]| places.iter().map(|at| columns[*at].clone()).collect::<Vec<_>>();
    let mut moved: Vec<_> = bits.iter().zip(backend.gather_all(&pick(&bits), &order)?).collect();
    moved.extend(rest.iter().zip(backend.gather_all(&pick(&rest), &order)?));
    moved.sort_by_key(|(at, _)| **at);
    Ok(moved.into_iter().map(|(_, column)| column).collect())
}

/// Which row goes to each place. What is no permutation was spoilt on the way.
fn inverse(places: &Values) -> Result<Vec<u32>, Failure> {
    let mut order = vec![u32::MAX; places.len()];
    for (row, place) in integers(places).into_iter().enumerate() {
        let slot = usize::try_from(place).ok().and_then(|place| order.get_mut(place));
        match slot {
            Some(slot) if *slot == u32::MAX => *slot = row as u32,
            _ => return Err(Failure::Program("the places opened by a sort are a permutation")),
        }
    }
    Ok(order)
}
