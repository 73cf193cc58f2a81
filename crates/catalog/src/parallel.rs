//! Work on many things at once, on as many threads as there are cores.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does the work for each item and returns when all of it is done; this thread does its share, so one
/// item needs no other thread. A panic goes on in this thread.
pub(crate) fn for_each<T: Send>(items: Vec<T>, work: impl Fn(T) + Sync) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let helpers = 1..cores.min(items.len());
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
