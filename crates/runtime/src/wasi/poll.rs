//! Clocks of preview 1, and `poll_oneoff`, which mostly sleeps.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::{Caller, Memory};

use super::guest::{self, ERRNO_BADF, ERRNO_INVAL, Errno};
use crate::host::Host;
use crate::limits::DURATION_MAX;

/// Most subscriptions at once; run-time systems have two or three.
const SUBSCRIPTIONS_MAX: usize = 1024;
/// Size of a subscription and of an event, in bytes.
const SUBSCRIPTION_BYTES: usize = 48;
const EVENT_BYTES: usize = 32;
/// What both clocks are said to be exact to, in nanoseconds.
const RESOLUTION_NANOSECONDS: u64 = 1;
/// Clocks (`clockid`).
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
/// What a subscription waits for (`eventtype`).
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;
/// The flag of a clock's subscription for a point in time.
const ABSOLUTE: u16 = 1;

/// `clock_res_get`.
pub(super) fn resolution(
    mut caller: Caller<'_, Host>,
    clock: u32,
    result: u32,
) -> wasmtime::Result<i32> {
    caller.data_mut().count()?;
    let memory = guest::memory(&mut caller)?;
    let resolution = match clock {
        REALTIME | MONOTONIC => RESOLUTION_NANOSECONDS,
        _ => return Ok(ERRNO_BADF),
    };
    let resolution = resolution.to_le_bytes();
    let stored = guest::store(memory, &mut caller, result as usize, &resolution);
    Ok(guest::told(stored))
}

/// `clock_time_get`.
pub(super) async fn time(
    mut caller: Caller<'_, Host>,
    (clock, _precision, result): (u32, u64, u32),
) -> wasmtime::Result<i32> {
    caller.data_mut().pay(size_of::<u64>()).await?;
    let memory = guest::memory(&mut caller)?;
    let began = caller.data_mut().began();
    let Ok(now) = now(began, clock) else {
        return Ok(ERRNO_BADF);
    };
    let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let stored = guest::store(memory, &mut caller, result as usize, &now.to_le_bytes());
    Ok(guest::told(stored))
}

/// What a clock shows: since 1970, or since the guest's clock began.
fn now(began: Instant, clock: u32) -> Errno<Duration> {
    match clock {
        REALTIME => Ok(SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()),
        MONOTONIC => Ok(began.elapsed()),
        _ => Err(ERRNO_BADF),
    }
}

/// One of the things that a guest waits for.
struct Subscription {
    userdata: [u8; 8],
    kind: u8,
    /// When a clock's is over; a stream is always ready, since nothing is ever read, and what is
    /// written goes to the log.
    due: Option<Instant>,
}

/// `poll_oneoff`: waits for the first of several things, and tells of all that have come.
pub(super) async fn poll(
    mut caller: Caller<'_, Host>,
    (subscriptions, events, count, result): (u32, u32, u32, u32),
) -> wasmtime::Result<i32> {
    let count = count as usize;
    if count == 0 || count > SUBSCRIPTIONS_MAX {
        caller.data_mut().count()?;
        return Ok(ERRNO_INVAL);
    }
    let size = count * (SUBSCRIPTION_BYTES + EVENT_BYTES);
    caller.data_mut().pay(size).await?;
    let memory = guest::memory(&mut caller)?;
    let began = caller.data_mut().began();
    let subscriptions = match read(memory, &caller, subscriptions as usize, count, began) {
        Ok(subscriptions) => subscriptions,
        Err(errno) => return Ok(errno),
    };
    if let Some(first) = first_due(&subscriptions) {
        tokio::time::sleep_until(first.into()).await;
    }
    let told = tell(memory, &mut caller, &subscriptions, events as usize)
        .and_then(|told| guest::store(memory, &mut caller, result as usize, &told.to_le_bytes()));
    Ok(guest::told(told))
}

/// When the first of them comes; none where one is there.
fn first_due(subscriptions: &[Subscription]) -> Option<Instant> {
    let due: Option<Vec<Instant>> = subscriptions.iter().map(|one| one.due).collect();
    due?.into_iter().min()
}

fn read(
    memory: Memory,
    caller: &Caller<'_, Host>,
    address: usize,
    count: usize,
    began: Instant,
) -> Errno<Vec<Subscription>> {
    let asked = Instant::now();
    let all = guest::bytes(memory, caller, address, count * SUBSCRIPTION_BYTES)?;
    all.chunks_exact(SUBSCRIPTION_BYTES)
        .map(|bytes| {
            let number = |at: usize| u64::from_le_bytes(field(bytes, at));
            let id = u32::from_le_bytes(field(bytes, 16));
            let kind = bytes[8];
            let due = match (kind, id) {
                (CLOCK, REALTIME | MONOTONIC) => {
                    let wanted = Duration::from_nanos(number(24));
                    let flags = u16::from_le_bytes(field(bytes, 40));
                    let left = if flags & ABSOLUTE == 0 {
                        wanted
                    } else {
                        wanted.saturating_sub(now(began, id)?)
                    };
                    Some(asked + left.min(DURATION_MAX))
                }
                (FD_READ, 0) | (FD_WRITE, 1 | 2) => None,
                (FD_READ | FD_WRITE, _) => return Err(ERRNO_BADF),
                _ => return Err(ERRNO_INVAL),
            };
            Ok(Subscription {
                userdata: field(bytes, 0),
                kind,
                due,
            })
        })
        .collect()
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let field = bytes[at..].first_chunk();
    *field.expect("the fields of a subscription lie within its bytes")
}

/// Writes an event for each subscription that has come; how many they are.
fn tell(
    memory: Memory,
    caller: &mut Caller<'_, Host>,
    subscriptions: &[Subscription],
    address: usize,
) -> Errno<u32> {
    let now = Instant::now();
    let has_come = |one: &&Subscription| one.due.is_none_or(|due| due <= now);
    let mut told = 0;
    for one in subscriptions.iter().filter(has_come) {
        let mut event = [0; EVENT_BYTES];
        event[..8].copy_from_slice(&one.userdata);
        event[10] = one.kind;
        // Bytes that can be read or written: at least one.
        event[16] = u8::from(one.due.is_none());
        guest::store(memory, &mut *caller, address + told * EVENT_BYTES, &event)?;
        told += 1;
    }
    Ok(told as u32)
}
