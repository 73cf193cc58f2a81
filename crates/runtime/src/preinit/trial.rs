//! A trial of the start, and the module that is made of what it leaves.
//!
//! `wasmtime-wizer` makes a module that exports all of its state, and, from the state of an instance
//! of that one, a module that has it from the beginning and starts with nothing. It refuses modules
//! that could change their tables, of which it knows nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;
use wasmtime::{Caller, ExternType, Instance, Linker, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

use super::{Hindrance, fitting};
use crate::call::{armed, deadline, set_up, trap_reason};
use crate::compile::initializers;
use crate::compiler::{Compiler, one_line};
use crate::context::Context;
use crate::digest::Digest;
use crate::engine::Runtime;
use crate::error::Error;
use crate::host::{CALL_BYTES, Host};
use crate::outline::Outline;
use crate::queue::{Places, Queue};
use crate::requester::Nobody;
use crate::sections::{self, sections};
use crate::slice;
use crate::turns::{Order, Turn, Turns};
use crate::wasi::Exit;

/// Most bytes of linear memory, zeros included, that a snapshot is made of. While one is made there
/// are up to six copies of it (the instance, its segments, the module, the compiled module), which
/// must not be too much for the small machine of a server beside its calls.
const SNAPSHOT_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Most stretches without a zero in the memories of a snapshot. Two lists with 24 bytes for each are
/// made of them: 96 MiB at most. The start of the example in Go leaves 122,000.
const STRETCHES_MAX: u64 = 2 * 1024 * 1024;
/// What the exports begin with through which `wasmtime-wizer` shows memories.
const SHOWN_MEMORY: &str = "__wizer_memory_";

/// The start of a module, on trial.
pub(super) struct Trial<'r> {
    runtime: &'r Runtime,
    compiler: &'r Compiler,
    linker: &'r Linker<Host>,
    outline: &'r Outline,
    /// Not that of the calls: its HTTP client would outlive the scheduler that it was made on.
    context: Arc<Context>,
    /// Whether it is made at each start of the server, so that the module that shows its state is
    /// worth to be kept: it is made of the published module alone.
    pub(super) is_repeated: bool,
}

/// An instance whose start has run.
struct Started {
    store: Store<Host>,
    instance: Instance,
    /// Given back once the instance is gone.
    _place: Turn,
}

impl<'r> Trial<'r> {
    pub(super) fn new(
        runtime: &'r Runtime,
        compiler: &'r Compiler,
        linker: &'r Linker<Host>,
        outline: &'r Outline,
        context: Context,
    ) -> Self {
        Self {
            runtime,
            compiler,
            linker,
            outline,
            context: Arc::new(context),
            is_repeated: false,
        }
    }

    /// Runs the start of the module, to see whether it can.
    pub(super) fn rehearse(&self, module: &Module) -> Result<(), Hindrance> {
        run(async { self.start(module).await.map(drop) })
    }

    /// The module with the state that its start leaves, compiled.
    pub(super) fn snapshot(&self, wasm: &[u8]) -> Result<Module, Hindrance> {
        check_sections(wasm)?;
        let mut wizer = Wizer::new();
        // What it takes for an initializer by its name is none here.
        wizer.keep_init_func(true);
        let (parsed, shown) = wizer.instrument(wasm).map_err(|error| state(&error))?;
        let shown = if self.is_repeated {
            let kept = self.compiler.module(&shown, &Digest::of(&shown));
            kept.map_err(|error| uncompiled(&error))?
        } else {
            let shown = self.compiler.compile(&shown);
            shown.map_err(|error| uncompiled(&error))?
        };
        let begun = run(async {
            let mut started = self.start(&shown).await?;
            started.check_size()?;
            let begun = wizer.snapshot(&parsed, &mut started).await;
            begun.map_err(|error| state(&error))
        })?;
        let module = self.compiler.compile(&begun);
        let module = module.map_err(|error| uncompiled(&error))?;
        fitting(module, &self.context.limits)
    }

    /// A new instance, set up within the limits of a call.
    async fn start(&self, module: &Module) -> Result<Started, Hindrance> {
        let limits = &self.context.limits;
        // Trials are together like one plugin.
        let order = Order { group: 0, key: 0 };
        let queue = Queue::new(&self.runtime.0, order);
        let place = queue.place(Places::of(&self.runtime.0), order);
        let place = place.await.map_err(|error| untried(&error))?;
        let deadline = deadline(limits);
        let context = self.context.clone();
        let charge = self.runtime.budget().charge_patiently(CALL_BYTES).await;
        let charge = charge.map_err(|_| untried(&Error::ServerMemory { has_begun: false }))?;
        let host = Host::new(context, Arc::new(Nobody), b"", deadline.into_std(), charge);
        let mut store = armed(&self.compiler.engine, host);
        let initializers = initializers(module, self.outline);
        let mut set_up = Box::pin(async {
            let instance = self.linker.instantiate_async(&mut store, module).await?;
            set_up(&mut store, instance, &initializers).await?;
            Ok(instance)
        });
        // It has a thread of its own, so its turns are its own too.
        let (turns, mut busy) = (Turns::new(1), Duration::ZERO);
        let running = slice::run(
            set_up.as_mut(),
            &turns,
            order,
            limits.computing(),
            &mut busy,
        );
        let instance = timeout_at(deadline, running).await;
        drop(set_up);
        let instance = instance.map_err(|_| Hindrance::Time {
            limit: limits.timeout,
        })?;
        let instance = instance.map_err(|error| ending(&error))?;
        let host = store.data();
        if let Some(message) = host.error_message() {
            return Err(Hindrance::Fails { reason: message });
        }
        if !host.variables.is_empty() {
            return Err(Hindrance::State {
                reason: "its start sets variables, which end with it".to_owned(),
            });
        }
        Ok(Started {
            store,
            instance,
            _place: place,
        })
    }
}

impl Started {
    /// Holds the memories against what may be copied, before anything is.
    fn check_size(&mut self) -> Result<(), Hindrance> {
        let exports = self.instance.exports(&mut self.store);
        let shown = exports.filter(|export| export.name().starts_with(SHOWN_MEMORY));
        let memories: Vec<_> = shown.filter_map(wasmtime::Export::into_memory).collect();
        let at_most = |limit: u64, size: usize, unit| match size as u64 {
            size if size > limit => Err(Hindrance::Size { size, unit, limit }),
            _ => Ok(()),
        };
        let memories = memories.iter().map(|memory| memory.data(&self.store));
        let bytes = memories.clone().map(<[u8]>::len).sum();
        at_most(SNAPSHOT_MAX_BYTES, bytes, "bytes of memory")?;
        let stretches = memories.map(stretches).sum();
        at_most(
            STRETCHES_MAX,
            stretches,
            "stretches of memory between zeros",
        )
    }
}

impl InstanceState for Started {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut self.store, name);
        let global = global.expect("the instrumented module exports its globals");
        match global.get(&mut self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(bits) => SnapshotVal::F32(bits),
            Val::F64(bits) => SnapshotVal::F64(bits),
            Val::V128(value) => SnapshotVal::V128(value.as_u128()),
            _ => unreachable!("modules with mutable references are refused before"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.instance.get_memory(&mut self.store, name);
        let memory = memory.expect("the instrumented module exports its memories");
        contents(memory.data(&self.store));
    }
}

/// Refuses what `wasmtime-wizer` takes for granted: a section of exports, and no section behind the
/// names but custom ones.
fn check_sections(wasm: &[u8]) -> Result<(), Hindrance> {
    let refused = |reason: &str| {
        Err(Hindrance::State {
            reason: reason.to_owned(),
        })
    };
    if !sections(wasm).any(|(id, _)| id == sections::EXPORT) {
        return refused("it exports nothing");
    }
    let mut behind_names = sections(wasm)
        .skip_while(|(id, content)| *id != sections::CUSTOM || !sections::is_names(content));
    if behind_names.any(|(id, _)| id != sections::CUSTOM) {
        return refused("its section of names does not come last");
    }
    Ok(())
}

/// A linker whose functions all end the trial.
pub(super) fn stubs(module: &Module) -> Linker<Host> {
    let mut linker = Linker::new(module.engine());
    linker.allow_shadowing(true);
    for import in module.imports() {
        let ExternType::Func(ty) = import.ty() else {
            continue;
        };
        let name = format!("{}::{}", import.module(), import.name());
        let stub = move |_: Caller<'_, Host>, _: &[Val], _: &mut [Val]| {
            let import = name.clone();
            Err(Hindrance::HostFunction { import }.into())
        };
        linker
            .func_new(import.module(), import.name(), ty, stub)
            .expect("a linker that allows shadowing takes every function of its engine");
    }
    linker
}

/// Does the work on a thread of its own: a scheduler cannot run on a thread that belongs to another,
/// and a module that `wasmtime-wizer` fails at must not take its publication with it.
pub(super) fn apart<T: Send>(
    work: impl FnOnce() -> Result<T, Hindrance> + Send,
) -> Result<T, Hindrance> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("preinit".to_owned());
        let thread = thread.spawn_scoped(scope, work);
        let ended = thread.map_err(|error| untried(&error))?.join();
        ended.unwrap_or_else(|_| {
            Err(Hindrance::State {
                reason: "making its snapshot has failed".to_owned(),
            })
        })
    })
}

/// Runs to the end, on a scheduler for this alone.
fn run<T>(work: impl Future<Output = Result<T, Hindrance>>) -> Result<T, Hindrance> {
    let scheduler = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| untried(&error))?;
    let ended = scheduler.block_on(work);
    // A name that is being resolved for the guest is not waited for.
    scheduler.shutdown_background();
    ended
}

fn ending(error: &wasmtime::Error) -> Hindrance {
    if let Some(hindrance) = error.downcast_ref::<Hindrance>() {
        return hindrance.clone();
    }
    let reason = match (error.downcast_ref::<Error>(), error.downcast_ref()) {
        (Some(Error::MemoryLimit { limit }), _) => return Hindrance::Memory { limit: *limit },
        (Some(Error::TimeLimit { limit } | Error::CpuLimit { limit }), _) => {
            return Hindrance::Time { limit: *limit };
        }
        (Some(Error::Trap { .. }) | None, None) => trap_reason(error),
        (Some(known), _) => known.to_string(),
        (None, Some(Exit(code))) => format!("it exits with code {code}"),
    };
    Hindrance::Fails { reason }
}

fn state(error: &wasmtime::Error) -> Hindrance {
    Hindrance::State {
        reason: one_line(error),
    }
}

/// Why a module that was made of a valid one is not compiled.
fn uncompiled(error: &Error) -> Hindrance {
    match error {
        Error::InvalidModule { reason } => Hindrance::State {
            reason: reason.clone(),
        },
        error => untried(error),
    }
}

fn untried(error: &impl ToString) -> Hindrance {
    Hindrance::Untried {
        reason: error.to_string(),
    }
}

/// How many stretches without a zero there are.
fn stretches(memory: &[u8]) -> usize {
    let begins = |pair: &[u8; 2]| pair[0] == 0 && pair[1] != 0;
    let first = memory.first().is_some_and(|byte| *byte != 0);
    usize::from(first) + memory.array_windows().filter(|pair| begins(pair)).count()
}

#[cfg(test)]
mod tests {
    use super::stretches;

    #[test]
    fn a_stretch_begins_behind_a_zero() {
        for (memory, count) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[1], 1),
            (&[1, 2, 0, 0, 3, 0], 2),
            (&[0, 1, 0, 1, 1, 0, 1], 3),
        ] {
            assert_eq!(stretches(memory), count, "{memory:?}");
        }
    }
}
