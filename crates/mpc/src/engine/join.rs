//! Awaits several operations of one round together.

use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs all to their end, side by side: what they send in one round shares its frames.
///
/// # Errors
/// The first failure in order; the others are dropped.
pub async fn join_all<F, T, E>(futures: Vec<F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut slots: Vec<Slot<F, T>> = futures.into_iter().map(|future| Slot::Running(Box::pin(future))).collect();
    std::future::poll_fn(move |context| poll_all(&mut slots, context)).await
}

/// As [`join_all`], for two of different types.
///
/// # Errors
/// The first failure.
pub async fn join<A, B, E>(
    left: impl Future<Output = Result<A, E>>,
    right: impl Future<Output = Result<B, E>>,
) -> Result<(A, B), E> {
    let (mut left, mut right) = (Slot::Running(Box::pin(left)), Slot::Running(Box::pin(right)));
    std::future::poll_fn(move |context| {
        let (done_left, done_right) = (left.poll(context)?, right.poll(context)?);
        if !(done_left && done_right) {
            return Poll::Pending;
        }
        Poll::Ready(Ok((left.take(), right.take())))
    })
    .await
}

enum Slot<F, T> {
    Running(Pin<Box<F>>),
    Done(Option<T>),
}

impl<F: Future<Output = Result<T, E>>, T, E> Slot<F, T> {
    /// Whether it is done.
    fn poll(&mut self, context: &mut Context<'_>) -> Result<bool, E> {
        if let Self::Running(future) = self {
            match future.as_mut().poll(context) {
                Poll::Pending => return Ok(false),
                Poll::Ready(value) => *self = Self::Done(Some(value?)),
            }
        }
        Ok(true)
    }

    fn take(&mut self) -> T {
        match self {
            Self::Done(value) => value.take().expect("taken once, when all are done"),
            Self::Running(_) => unreachable!("taken when all are done"),
        }
    }
}

fn poll_all<F, T, E>(slots: &mut [Slot<F, T>], context: &mut Context<'_>) -> Poll<Result<Vec<T>, E>>
where
    F: Future<Output = Result<T, E>>,
{
    let mut done = true;
    for slot in &mut *slots {
        done &= slot.poll(context)?;
    }
    if done { Poll::Ready(Ok(slots.iter_mut().map(Slot::take).collect())) } else { Poll::Pending }
}
