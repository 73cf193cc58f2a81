//! Work that takes long, apart from the threads that serve others.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;
use wasimancer_runtime::{Budget, Turns, charge_json};

use crate::validation::{STEPS_MAX, STEPS_ON_THE_SPOT, Violations};

/// Most bytes that are read where others are served: parsing them takes less than a millisecond.
const ON_THE_SPOT_MAX_BYTES: usize = 64 * 1024;

/// Callers take turns among one another alone.
const ONE_GROUP: u64 = 0;

/// As many as there are cores. The threads that serve others are as many again, and the kernel lets them
/// go first, since they want little.
static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, NonZero::get);
    Turns::new(cores)
});

/// Does work on so many bytes of a caller's: at once where they are few, else in turn with others'
/// work, on a thread that serves nobody meanwhile.
pub async fn apart<T>(caller: u64, bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes <= ON_THE_SPOT_MAX_BYTES {
        return work();
    }
    in_turn(caller, work).await
}

/// Checks JSON in few steps, and apart in many where that is not enough. What `check` reads it into is
/// charged.
pub(crate) async fn checked<T>(
    caller: u64,
    json: &str,
    budget: &Budget,
    check: impl Fn(u64) -> Result<T, Violations>,
) -> Result<T, Violations> {
    if json.len() <= ON_THE_SPOT_MAX_BYTES {
        match check(STEPS_ON_THE_SPOT) {
            Err(Violations::Spent(_)) => {}
            checked => return checked,
        }
    }
    let check = || {
        let _values = charge_json(json, budget)?;
        check(STEPS_MAX)
    };
    in_turn(caller, check).await
}

async fn in_turn<T>(caller: u64, work: impl FnOnce() -> T) -> T {
    let _turn = TURNS.take(ONE_GROUP, caller).await;
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
        // One thread has nobody to hand its other work to.
        _ => work(),
    }
}
