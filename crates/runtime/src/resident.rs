//! Pages of the pool that stay in memory after a call, so that the next one finds them.
//!
//! A slot keeps what its last guest has written, up to a bound of its own, and there are more slots than
//! memory for that. So what all of them keep is measured, and where it is enough a guest's memory is given
//! back to the system before its slot is free.

use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::{Engine, Instance, ModuleExport, PoolingAllocatorMetrics, Store};

use crate::budget::Budget;
use crate::host::Host;

/// Bytes of a slot's linear memory that stay resident between calls, where the kernel tells what of it was
/// written (Linux 6.7). Most plugins write less; those in Go some 500 KiB, and a call of them takes half as
/// much time again without.
pub(crate) const SLOT_MAX_BYTES: usize = 1024 * 1024;
/// The same where it cannot tell: there as many are written for each call.
pub(crate) const BLIND_SLOT_BYTES: usize = 16 * 1024;
/// The same for tables: a page. Those of most plugins fit, and a page is zeroed sooner than the kernel
/// is asked what of it was written.
pub(crate) const TABLE_BYTES: usize = 4 * 1024;
/// The same for stacks of fibers, which are zeroed: a call of a small plugin uses less.
pub(crate) const STACK_BYTES: usize = 16 * 1024;
/// Most bytes that all slots keep together. Stacks and tables alone have less.
const ALL_MAX_BYTES: usize = 64 * 1024 * 1024;
/// The same as a part of the budget, which does not count them: one in so many of its bytes.
const BUDGET_PART: usize = 20;

/// What the slots of a pool keep.
pub(crate) struct Resident {
    pool: PoolingAllocatorMetrics,
    budget: Budget,
    /// What is kept at most, in bytes, by the last measurement and what came after it.
    estimate: AtomicUsize,
}

impl Resident {
    /// None where the engine has no pool, or its slots keep too little to look at.
    pub(crate) fn of(engine: &Engine, budget: &Budget) -> Option<Self> {
        let pool = engine.pooling_allocator_metrics()?;
        is_seen().then(|| Self {
            pool,
            budget: budget.clone(),
            estimate: AtomicUsize::new(0),
        })
    }

    /// Gives the memories of a guest that has ended back to the system, unless there is room to keep them.
    pub(crate) fn leave(
        &self,
        store: &mut Store<Host>,
        instance: Instance,
        memories: &[ModuleExport],
    ) {
        if memories.is_empty() || self.has_room() {
            return;
        }
        for memory in memories {
            let export = instance.get_module_export(&mut *store, memory);
            if let Some(memory) = export.and_then(wasmtime::Extern::into_memory) {
                give_back(memory.data_mut(&mut *store));
            }
        }
    }

    /// Whether one more slot may keep its pages.
    fn has_room(&self) -> bool {
        let max = ALL_MAX_BYTES.min(self.budget.usage().limit / BUDGET_PART);
        let estimate = self.estimate.fetch_add(SLOT_MAX_BYTES, Ordering::Relaxed) + SLOT_MAX_BYTES;
        if estimate <= max {
            return true;
        }
        // Each thread that drops a guest meanwhile may keep a slot more.
        let needed = self.measure() + SLOT_MAX_BYTES;
        self.estimate.store(needed, Ordering::Relaxed);
        needed <= max
    }

    /// Bytes that free slots keep now.
    fn measure(&self) -> usize {
        self.pool.unused_memory_bytes_resident()
            + self.pool.unused_table_bytes_resident()
            + self.pool.unused_stack_bytes_resident().unwrap_or_default()
    }
}

/// Whether the kernel tells which pages were written.
pub(crate) fn is_seen() -> bool {
    wasmtime::PoolingAllocationConfig::is_pagemap_scan_available()
}

/// Lets the system take the pages of a memory: it is as it was before anything was written to it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the system changes bytes behind a reference")]
fn give_back(memory: &mut [u8]) {
    use rustix::mm::{Advice, madvise};

    // SAFETY: the bytes are ours alone until this ends, nobody reads them afterwards but the pool, and any
    // value of them is a valid one. They are whole pages from the beginning of one on, as the engine maps
    // them privately: over a copy of the module's data or over zeros, which is what stands there then.
    // A failure leaves the pages as they are, for the pool to reset.
    let _ = unsafe {
        madvise(
            memory.as_mut_ptr().cast(),
            memory.len(),
            Advice::LinuxDontNeed,
        )
    };
}

#[cfg(not(target_os = "linux"))]
fn give_back(_: &mut [u8]) {}
