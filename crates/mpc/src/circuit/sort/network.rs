//! Sorting by a network of exchanges, for back ends that cannot shuffle.

use crate::domain::Domain;
use crate::engine::{Backend, Column, Failure, Io};

use super::super::wiring::{inject, side_by_side};
use super::super::{choose, compare};
use super::row_bits;

/// The rows in the order of unsigned keys given by their bits, lowest first: Batcher's odd-even merge sort (Knuth, TAOCP 3, §5.2.2, algorithm
/// M), which takes any number of rows.
pub(super) async fn sort(
    backend: &dyn Backend,
    io: &mut Io,
    bits: Vec<Column>,
    columns: &[Column],
) -> Result<Vec<Column>, Failure> {
    let len = bits.first().map_or(0, Column::len);
    let keys = [row_bits(backend, len)?, bits].concat();
    let width = keys.len();
    let mut all = [keys.as_slice(), columns].concat();
    for pairs in layers(len) {
        let (low, high): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
        let gather =
            |rows: &[u32]| all.iter().map(|column| backend.gather(column, rows)).collect::<Result<Vec<_>, _>>();
        let (left, right) = (gather(&low)?, gather(&high)?);
        let wrong = compare::lt_bits(backend, io, &right[..width], &left[..width]).await?;
        let mut domains: Vec<Domain> = Vec::new();
        for column in &all {
            if column.domain() != Domain::Bits && !domains.contains(&column.domain()) {
                domains.push(column.domain());
            }
        }
        let factors = side_by_side(io, domains.len(), async |at, io| {
            inject(backend, io, std::slice::from_ref(&wrong), domains[at]).await
        });
        let factors = factors.await?.concat();
        let exchanged = side_by_side(io, all.len(), async |at, io| {
            let place = domains.iter().position(|domain| *domain == left[at].domain());
            let factor = place.map_or(&wrong, |place| &factors[place]);
            choose::exchange(backend, io, factor, &left[at], &right[at]).await
        });
        // Rows that this layer leaves alone stay: the rest comes from behind the column's end.
        let mut source: Vec<u32> = (0..len as u32).collect();
        for (at, (low, high)) in pairs.iter().enumerate() {
            source[*low as usize] = (len + at) as u32;
            source[*high as usize] = (len + pairs.len() + at) as u32;
        }
        let exchanged = exchanged.await?;
        let merged = all
            .iter()
            .zip(exchanged)
            .map(|(column, (left, right))| backend.gather(&backend.concat(&[column.clone(), left, right])?, &source));
        all = merged.collect::<Result<_, _>>()?;
    }
    Ok(all.split_off(width))
}

/// The pairs of each layer of the network.
fn layers(len: usize) -> Vec<Vec<(u32, u32)>> {
    let top = len.next_power_of_two() / 2;
    let mut layers = Vec::new();
    let mut step = top;
    while step > 0 {
        let (mut q, mut r, mut distance) = (top, 0, step);
        loop {
            let pairs = (0..len.saturating_sub(distance)).filter(|row| row & step == r);
            layers.push(pairs.map(|row| (row as u32, (row + distance) as u32)).collect());
            if q == step {
                break;
            }
            distance = q - step;
            q /= 2;
            r = step;
        }
        step /= 2;
    }
    layers.retain(|layer: &Vec<_>| !layer.is_empty());
    layers
}

#[cfg(test)]
mod tests {
    use super::layers;

    /// By the 0-1 principle a network that sorts all words of zeros and ones sorts everything.
    #[test]
    fn networks_sort_all_words_of_zeros_and_ones() {
        for len in 2..=11usize {
            let layers = layers(len);
            for word in 0..1u32 << len {
                let mut bits: Vec<bool> = (0..len).map(|place| word >> place & 1 == 1).collect();
                for (low, high) in layers.iter().flatten() {
                    let (low, high) = (*low as usize, *high as usize);
                    if bits[low] & !bits[high] {
                        bits.swap(low, high);
                    }
                }
                assert!(bits.is_sorted());
            }
        }
    }
}
