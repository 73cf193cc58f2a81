//! Guests on threads: they take turns, yield in between, and are held to their computing time.
//!
//! A guest is polled only while it holds one of the turns of its engine, of which there are as many
//! as cores. So the other tasks of a thread wait for few guests, however many are under way. A turn
//! lasts until the guest waits for something, or has used its slice of time.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::turns::{Order, Turns};

/// How long a guest may run in one turn, over several polls. It is found out when the guest yields,
/// which guest code does at every tick of the epoch.
const SLICE: Duration = Duration::from_millis(3);

thread_local! {
    /// When the guest of this thread was resumed; none where no guest was.
    static RESUMED: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Whether the guest of this thread yields only for others' sake.
    static PAUSES: Cell<bool> = const { Cell::new(false) };
}

/// How long the guest of this thread has kept it from others.
pub(crate) fn kept_thread(now: Instant) -> Duration {
    RESUMED.get().map_or(Duration::MAX, |resumed| {
        now.saturating_duration_since(resumed)
    })
}

/// Lets the thread serve others before the guest goes on.
///
/// The yield is tokio's own, after which a worker looks at timers and sockets. After a plain wake-up
/// it would look at them once in 61 turns, and a turn of a guest takes milliseconds.
pub(crate) async fn pause() {
    PAUSES.set(true);
    tokio::task::yield_now().await;
}

/// Runs a guest to its end, in turns with others. The time that it keeps threads busy is added to
/// `busy`.
///
/// # Errors
/// [`Error::CpuLimit`] once that is more than `cpu`.
pub(crate) async fn run<T, E: From<Error>>(
    mut guest: Pin<&mut impl Future<Output = Result<T, E>>>,
    turns: &Turns,
    order: Order,
    cpu: Duration,
    busy: &mut Duration,
) -> Result<T, E> {
    let mut turn = None;
    let mut used = Duration::ZERO;
    loop {
        if turn.is_none() {
            turn = Some(match turns.try_take(order.group, order.key) {
                Ok(turn) => turn,
                Err(waiting) => {
                    let turn = waiting.await;
                    // Whoever passed the turn on has woken this task at once.
                    tokio::task::yield_now().await;
                    turn
                }
            });
            used = Duration::ZERO;
        }
        let began = Instant::now();
        RESUMED.set(Some(began));
        PAUSES.set(false);
        let polled = poll_fn(|context| Poll::Ready(guest.as_mut().poll(context))).await;
        RESUMED.set(None);
        let took = began.elapsed();
        *busy += took;
        used += took;
        if let Poll::Ready(ended) = polled {
            return ended;
        }
        if *busy > cpu {
            return Err(Error::CpuLimit { limit: cpu }.into());
        }
        if !PAUSES.get() || used >= SLICE {
            turn = None;
        }
        woken().await;
    }
}

/// Waits for whatever the guest has asked to be woken by.
async fn woken() {
    let mut is_first = true;
    poll_fn(|_| {
        if std::mem::take(&mut is_first) {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}
