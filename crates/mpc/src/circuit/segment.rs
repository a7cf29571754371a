//! Stretches of rows that secret bits or secret keys delimit: sums within them, copies along them, groups.

use crate::domain::{Domain, Values};
use crate::engine::{Backend, Column, Failure, Io};

use super::operand::Range;
use super::sort::{Key, Method, Order, partition, sort};
use super::wiring::{combine, from_integers, inject, of_length, products, side_by_side, slice};
use super::{compare, logic};

/// Each row plus all before it. Local.
///
/// # Errors
/// [`Failure::Unsupported`] for bits.
pub fn prefix_sum(backend: &dyn Backend, column: &Column) -> Result<Column, Failure> {
    backend.prefix_sum(column)
}

/// Each row plus all before it in its segment, for each column; a set bit in `starts` begins a segment. The last row of a segment has its sum.
///
/// A scan up and down a binary tree (Brent & Kung 1982): `2 ⌈log₂ n⌉` rounds at most, `2n` multiplications for each column and `n` for the
/// flags of a domain.
///
/// # Errors
/// The back end's.
pub async fn prefix_sums(
    backend: &dyn Backend,
    io: &mut Io,
    starts: &Column,
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    of_length("segments", starts.len(), columns)?;
    let mut domains: Vec<Domain> = columns.iter().map(Column::domain).collect();
    domains.sort_unstable();
    domains.dedup();
    let summed = side_by_side(io, domains.len(), async |at, io| {
        let here: Vec<usize> = (0..columns.len()).filter(|place| columns[*place].domain() == domains[at]).collect();
        let starts = inject(backend, io, std::slice::from_ref(starts), domains[at]).await?;
        let goes_on = combine(backend, &[(-1, &starts[0])], 1)?;
        let values = here.iter().map(|place| columns[*place].clone()).collect();
        let sums = scan(backend, io, goes_on, values).await?;
        Ok(here.into_iter().zip(sums).collect::<Vec<_>>())
    });
    let mut summed: Vec<_> = summed.await?.into_iter().flatten().collect();
    summed.sort_by_key(|(place, _)| *place);
    Ok(summed.into_iter().map(|(_, column)| column).collect())
}

/// Each row's first row of its segment, for each column; a set bit in `starts` begins a segment, and the first row always does. As
/// [`prefix_sums`] and one multiplication.
///
/// # Errors
/// The back end's.
pub async fn copy_first(
    backend: &dyn Backend,
    io: &mut Io,
    starts: &Column,
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    of_length("segments", starts.len(), columns)?;
    if starts.is_empty() {
        return Ok(columns.to_vec());
    }
    let starts = with_first(backend, starts)?;
    let heads = mask(backend, io, &starts, columns).await?;
    prefix_sums(backend, io, &starts, &heads).await
}

/// The bits with the first one set.
fn with_first(backend: &dyn Backend, starts: &Column) -> Result<Column, Failure> {
    let one = backend.public(&super::wiring::constant(Domain::Bits, 1, 1))?;
    let len = starts.len() as u32;
    let order: Vec<u32> = std::iter::once(len).chain(1..len).collect();
    backend.gather(&backend.concat(&[starts.clone(), one])?, &order)
}

/// The columns where the bit is set, and zero elsewhere. One multiplication each, one composition for each domain.
///
/// # Errors
/// The back end's.
pub async fn mask(
    backend: &dyn Backend,
    io: &mut Io,
    bit: &Column,
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    let zeros = columns.iter().map(|column| backend.public(&Values::zeros(column.domain(), column.len())));
    let zeros = zeros.collect::<Result<Vec<_>, _>>()?;
    let pairs: Vec<_> = columns.iter().zip(&zeros).collect();
    super::choose::select_all(backend, io, bit, &pairs).await
}

/// Inclusive sums along rows; a factor of 0 in `goes_on` cuts a row off from those before it.
async fn scan(
    backend: &dyn Backend,
    io: &mut Io,
    goes_on: Column,
    values: Vec<Column>,
) -> Result<Vec<Column>, Failure> {
    let every = |column: &Column, first: usize| {
        let rows: Vec<u32> = (first as u32..column.len() as u32).step_by(2).collect();
        backend.gather(column, &rows)
    };
    // Up: pairs of rows become one, until one is left.
    let mut levels = vec![(goes_on, values)];
    while let Some((goes_on, values)) = levels.last().filter(|(goes_on, _)| goes_on.len() > 1) {
        let pairs = goes_on.len() / 2;
        let half = |column: &Column, first: usize| slice(backend, &every(column, first)?, 0, pairs);
        let (left, right) = (half(goes_on, 0)?, half(goes_on, 1)?);
        let lefts = values.iter().map(|value| half(value, 0)).collect::<Result<Vec<_>, _>>()?;
        let factors: Vec<_> = std::iter::once(&left).chain(&lefts).map(|left| (left, &right)).collect();
        let mut found = products(backend, io, &factors).await?.into_iter();
        let joined = found.next().ok_or(Failure::Program("one product per column"))?;
        let sums = values
            .iter()
            .zip(found)
            .map(|(value, carried)| backend.linear(&[(1, &half(value, 1)?), (1, &carried)], None));
        let sums = sums.collect::<Result<Vec<_>, _>>()?;
        levels.push((joined, sums));
    }
    // Down: each pair's sum is its second row's; the row after it adds it to its own.
    let mut sums = levels.pop().ok_or(Failure::Program("the last level"))?.1;
    while let Some((goes_on, values)) = levels.pop() {
        let len = goes_on.len();
        let after = (len - 1) / 2;
        let evens = |column: &Column| {
            let rows: Vec<u32> = (0..after as u32).map(|pair| 2 * pair + 2).collect();
            backend.gather(column, &rows)
        };
        let flags = evens(&goes_on)?;
        let before = sums.iter().map(|sum| slice(backend, sum, 0, after)).collect::<Result<Vec<_>, _>>()?;
        let factors: Vec<_> = before.iter().map(|sum| (&flags, sum)).collect();
        let carried = products(backend, io, &factors).await?;
        // First row, then sums of pairs at odd rows and what was added up here at even ones.
        let order: Vec<u32> = (0..len as u32)
            .map(|row| match row {
                0 => 0,
                row if row % 2 == 1 => 1 + row / 2,
                row => 1 + (len / 2) as u32 + row / 2 - 1,
            })
            .collect();
        let merged = values.iter().zip(&sums).zip(&carried).map(|((value, sum), carried)| {
            let even = backend.linear(&[(1, &evens(value)?), (1, carried)], None)?;
            backend.gather(&backend.concat(&[slice(backend, value, 0, 1)?, sum.clone(), even])?, &order)
        });
        sums = merged.collect::<Result<_, Failure>>()?;
    }
    Ok(sums)
}

/// Which rows of sorted keys differ from the row before: bits, of which the first is set.
///
/// # Errors
/// The back end's; [`Failure::Program`] without keys.
pub async fn starts(backend: &dyn Backend, io: &mut Io, keys: &[(&Column, Range)]) -> Result<Column, Failure> {
    let len = keys.first().ok_or(Failure::Program("at least one key"))?.0.len();
    let one = backend.public(&super::wiring::constant(Domain::Bits, 1, len.min(1)))?;
    if len < 2 {
        return Ok(one);
    }
    let differ = side_by_side(io, keys.len(), async |at, io| {
        let (key, range) = keys[at];
        let (before, here) = (slice(backend, key, 0, len - 1)?, slice(backend, key, 1, len)?);
        compare::ne(backend, io, &before, &here, range).await
    });
    let differ = differ.await?;
    backend.concat(&[one, logic::any(backend, io, &differ).await?])
}

/// Sums and counts for each value of secret keys. As many rows as there were: one for each group, in the keys' order, then rows of zeros.
/// Nothing tells how many groups there are; [`super::sort::compact`] by `present` opens that and drops the rest.
#[derive(Clone, Debug)]
pub struct Groups {
    /// Whether a row is a group's.
    pub present: Column,
    /// The groups' keys.
    pub keys: Vec<Column>,
    /// The groups' sums, of each column.
    pub sums: Vec<Column>,
    /// How many rows each group has, in the domain of the first sum (or of the first key that is not bits).
    pub counts: Column,
}

/// Groups rows by secret keys and adds up each group's rows of each column.
///
/// One sort with payload, comparisons of neighbours, prefix sums (local), one [`partition`] that brings each group's last row to the front,
/// differences of neighbours (local), one multiplication per column. Where the back end cannot shuffle,
/// a sorting network does that too.
///
/// # Errors
/// The back end's; [`Failure::Program`] without keys.
pub async fn group_sums(
    backend: &dyn Backend,
    io: &mut Io,
    keys: &[(&Column, Range)],
    columns: &[Column],
    method: Option<Method>,
) -> Result<Groups, Failure> {
    let first = keys.first().ok_or(Failure::Program("at least one key"))?.0;
    let len = first.len();
    of_length("groups", len, columns)?;
    let counted = columns.first().into_iter().chain(keys.iter().map(|(key, _)| *key)).map(Column::domain);
    let counted = counted.into_iter().find(|domain| *domain != Domain::Bits);
    let counted = counted.ok_or(Failure::Program("a group's rows are counted in a ring or field"))?;
    let sorting: Vec<_> =
        keys.iter().map(|(column, range)| Key { column, range: *range, order: Order::Ascending }).collect();
    let all: Vec<Column> = keys.iter().map(|(key, _)| (*key).clone()).chain(columns.iter().cloned()).collect();
    let sorted = sort(backend, io, &sorting, &all, method).await?;
    let (sorted_keys, values) = sorted.split_at(keys.len());
    let ranged: Vec<_> = sorted_keys.iter().zip(keys).map(|(key, (_, range))| (key, *range)).collect();
    let begin = starts(backend, io, &ranged).await?;
    if len == 0 {
        let counts = backend.public(&Values::zeros(counted, 0))?;
        return Ok(Groups { present: begin, keys: sorted_keys.to_vec(), sums: values.to_vec(), counts });
    }
    // A group's last row comes before another's first, or at the end.
    let order: Vec<u32> = (1..len as u32).chain(std::iter::once(0)).collect();
    let ends = backend.gather(&begin, &order)?;
    let running = values.iter().map(|value| backend.prefix_sum(value)).collect::<Result<Vec<_>, _>>()?;
    let numbers = backend.public(&from_integers(counted, 1..=len as i128))?;
    let carried = [std::slice::from_ref(&ends), sorted_keys, &running, &[numbers]].concat();
    let shuffled = match method {
        Some(Method::Network) => Err(Failure::Unsupported { protocol: "this sort", what: "a shuffle" }),
        _ => partition(backend, io, &ends, &carried).await,
    };
    let moved = match shuffled {
        Err(Failure::Unsupported { .. }) if matches!(method, None | Some(Method::Network)) => {
            let bit = Key { column: &ends, range: Range::Full, order: Order::Descending };
            sort(backend, io, &[bit], &carried, Some(Method::Network)).await?
        }
        moved => moved?,
    };
    let (present, rest) = moved.split_first().ok_or(Failure::Program("as many columns as were moved"))?;
    let (keys, running) = rest.split_at(keys.len());
    // What ran up to a group's end, less what had run up to the end of the one before.
    let own = running.iter().map(|sum| {
        let zero = backend.public(&Values::zeros(sum.domain(), 1))?;
        let before = backend.concat(&[zero, slice(backend, sum, 0, len - 1)?])?;
        backend.linear(&[(1, sum), (-1, &before)], None)
    });
    let own = own.collect::<Result<Vec<_>, Failure>>()?;
    let mut shown = mask(backend, io, present, &[keys, &own].concat()).await?;
    let mut sums = shown.split_off(keys.len());
    let counts = sums.pop().ok_or(Failure::Program("the counts"))?;
    Ok(Groups { present: present.clone(), keys: shown, sums, counts })
}

/// How many different values (of several columns: combinations) there are: one secret number in `domain`. One sort without payload but the
/// keys, comparisons of neighbours, one composition.
///
/// # Errors
/// As [`group_sums`].
pub async fn distinct(
    backend: &dyn Backend,
    io: &mut Io,
    keys: &[(&Column, Range)],
    domain: Domain,
    method: Option<Method>,
) -> Result<Column, Failure> {
    let sorting: Vec<_> =
        keys.iter().map(|(column, range)| Key { column, range: *range, order: Order::Ascending }).collect();
    let all: Vec<Column> = keys.iter().map(|(key, _)| (*key).clone()).collect();
    let sorted = sort(backend, io, &sorting, &all, method).await?;
    let ranged: Vec<_> = sorted.iter().zip(keys).map(|(key, (_, range))| (key, *range)).collect();
    let starts = starts(backend, io, &ranged).await?;
    let ones = inject(backend, io, &[starts], domain).await?;
    backend.sum(&ones[0], 1)
}
