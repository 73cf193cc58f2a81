//! Work on many things at once.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Work that is done once.
pub(crate) type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Does jobs that wait for the disk and not for a core.
pub(crate) fn at_once(jobs: Vec<Job<'_>>) {
    on_threads(jobs.len(), jobs, |job| job());
}

/// Does the work for each item, on all cores.
pub(crate) fn for_each<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    on_threads(cores(), items, work);
}

/// How many threads compute at once.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Returns when all is done. This thread does its share, so one item needs no other thread. A panic
/// goes on in this thread.
fn on_threads<T: Send>(threads: usize, items: Vec<T>, work: impl Fn(T) + Sync) {
    let helpers = 1..threads.min(items.len());
    let queue = Mutex::new(items.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        while let Some(item) = next() {
            work(item);
        }
    };
    thread::scope(|scope| {
        let helper = || thread::Builder::new().spawn_scoped(scope, worker);
        // Where no thread can be had, the others do its share.
        let helpers: Vec<_> = helpers.filter_map(|_| helper().ok()).collect();
        worker();
        for helper in helpers {
            helper.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::for_each;

    #[test]
    fn each_item_is_worked_on_once() {
        for count in [0_u32, 1, 100] {
            let mut numbers: Vec<u32> = (0..count).collect();
            for_each(numbers.iter_mut().collect(), |number| *number += 1);
            assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_panic_of_any_item_goes_on() {
        for bad in 0..8 {
            let work = |item| assert_ne!(item, bad, "item {bad}");
            let panicked = catch_unwind(AssertUnwindSafe(|| for_each((0..8).collect(), work)));
            let message = panicked.expect_err("it goes on");
            let message = message.downcast_ref::<String>().expect("its own message");
            assert!(message.contains(&format!("item {bad}")), "{message}");
        }
    }
}
