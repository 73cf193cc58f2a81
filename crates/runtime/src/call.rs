//! One call: a fresh instance, limits armed, the export called, its ending classified.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use wasmtime::{
    Engine, Instance, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace,
};

use crate::budget::{Budget, Charge, ChargedBytes, Full, STEP_BYTES};
use crate::compile::{Code, Export, Inner, Plugin};
use crate::error::{Error, Result};
use crate::escape::cut;
use crate::extism::memory::OutOfRange;
use crate::host::{CALL_BYTES, Host};
use crate::kept::Live;
use crate::limits::{DURATION_MAX, Limits};
use crate::outline::Shape;
use crate::queue::{Places, Queue, seated};
use crate::requester::{Nobody, Requester};
use crate::slice::{self, pause};
use crate::turns::Order;
use crate::under_way::UnderWay;
use crate::wasi::Exit;

/// Ticks of the epoch that a guest runs before it yields.
const EPOCH_YIELD_TICKS: u64 = 1;
/// Most frames of a backtrace, and most bytes of each name in it, that are logged.
const FRAMES_MAX: usize = 20;
const NAME_MAX_BYTES: usize = 100;

/// An exported function of a plugin, resolved and ready to be called. Clones are the same function.
#[derive(Clone)]
pub struct Function {
    plugin: Plugin,
    named: Arc<Named>,
}

/// An exported function by its name, and where it lies in the code, once that is there.
struct Named {
    name: Box<str>,
    shape: Shape,
    export: OnceLock<Export>,
}

impl Function {
    pub(crate) fn new(plugin: Plugin, name: &str, shape: Shape) -> Self {
        let named = Named {
            name: name.into(),
            shape,
            export: OnceLock::new(),
        };
        Self {
            plugin,
            named: Arc::new(named),
        }
    }

    /// The name of the export.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.named.name
    }

    /// What its calls are charged to.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        self.plugin.0.runtime.budget()
    }

    /// Calls the function on behalf of nobody who would hear more than its output.
    ///
    /// # Errors
    /// As [`Function::call_for`].
    pub async fn call(&self, input: &[u8]) -> Result<Vec<u8>> {
        self.call_for(Arc::new(Nobody), input).await.map(Vec::from)
    }

    /// Calls the function on behalf of a requester, and answers its output, which stays charged to the
    /// budget until it is dropped. The instance is a fresh one
    /// unless its plugin has others ([`Instances`](crate::Instances)).
    ///
    /// Dropping the future ends the guest and frees the instance.
    ///
    /// # Errors
    /// Every ending other than success, told apart; see [`Error`].
    pub async fn call_for(
        &self,
        requester: Arc<dyn Requester>,
        input: &[u8],
    ) -> Result<ChargedBytes> {
        let limits = self.plugin.limits();
        let size = input.len() as u64;
        let limit = limits.input.min(limits.memory);
        if size > limit {
            return Err(Error::InputTooLarge { size, limit });
        }
        let plugin = &self.plugin.0;
        let pool = &plugin.runtime.0;
        let budget = &pool.options.budget;
        let full = |Full| Error::ServerMemory { has_begun: false };
        // The caller's own copy, for as long as the call waits and runs. Small ones are in `CALL_BYTES`.
        let large = input.len().saturating_sub(STEP_BYTES);
        let _held = budget.charge_patiently(large).await.map_err(full)?;
        let key = requester.key();
        let order = Order {
            // Where it lies in memory tells a plugin from all others that are served.
            group: std::ptr::from_ref(&**plugin) as usize as u64,
            key,
        };
        let code = match plugin.readiness.code() {
            Some(code) => code?,
            None => {
                let made = plugin.readiness.wait(limits.timeout);
                Box::pin(seated(pool, order, made)).await??
            }
        };
        let queue = Queue::new(pool, order);
        let own = Places {
            turns: &plugin.places,
            whose: "the plugin",
            limit: limits.concurrency,
        };
        let own = queue.place(own, Order { group: key, key: 0 }).await?;
        let pooled = queue.place(Places::of(pool), order).await?;
        let charge = budget.charge_patiently(CALL_BYTES + 2 * input.len()).await;
        let charge = charge.map_err(full)?;
        let deadline = deadline(limits);
        let engine = code.instance.module().engine();
        let live = plugin.live(engine, requester, input, deadline, charge);
        // Boxed, since it would otherwise be part of the futures of all who wait for it.
        let run = Box::pin(self.clone().run(live, deadline));
        let mut guest = UnderWay::new(run, [own, pooled]);
        let mut busy = Duration::ZERO;
        let running = slice::run(
            Pin::new(&mut guest),
            &pool.turns,
            order,
            limits.computing(),
            &mut busy,
        );
        let ended = timeout_at(deadline, running).await;
        plugin.usage.add(busy);
        ended.unwrap_or(Err(Error::TimeLimit {
            limit: limits.timeout,
        }))
    }

    async fn run(self, mut live: Live, deadline: Instant) -> Result<ChargedBytes> {
        let plugin = &self.plugin.0;
        let budget = plugin.runtime.budget();
        let ended = self.enter(&mut live).await;
        let host = live.store.data();
        match ended {
            // Whoever asked was told that it would be over by now.
            Ok(_) if Instant::now() >= deadline => Err(Error::TimeLimit {
                limit: host.context.limits.timeout,
            }),
            Ok(code) => {
                let answer = finished(code, host, budget);
                if let Some(kept) = &plugin.kept {
                    kept.keep(live);
                }
                answer
            }
            Err(error) => self.ending(&error, host),
        }
    }

    /// Instantiates and sets up, unless that is done, and calls; answers the guest's code.
    async fn enter(&self, live: &mut Live) -> wasmtime::Result<i32> {
        let code = self.plugin.0.readiness.code();
        let code = code.expect("a call begins when the code of its plugin is there")?;
        let export = self.export(code)?;
        let store = &mut live.store;
        let instance = match live.instance {
            Some(instance) => instance,
            None => {
                let instance = code.instance.instantiate_async(&mut *store).await?;
                live.instance = Some(instance);
                live.memories = Some(code.memories.clone());
                set_up(store, instance, &code.initializers).await?;
                instance
            }
        };
        call_export(store, instance, export).await
    }

    /// Where it lies in the code.
    fn export(&self, code: &Code) -> Result<Export> {
        let Named {
            name,
            shape,
            export,
        } = &*self.named;
        if let Some(export) = export.get() {
            return Ok(*export);
        }
        let found = code.export(name, *shape)?;
        Ok(*export.get_or_init(|| found))
    }

    /// What an error of the engine or of a host function means.
    fn ending(&self, error: &wasmtime::Error, host: &Host) -> Result<ChargedBytes> {
        if let Some(Exit(code)) = error.downcast_ref::<Exit>() {
            return finished(*code, host, self.plugin.0.runtime.budget());
        }
        if let Some(known) = error.downcast_ref::<Error>()
            && !matches!(known, Error::Trap { .. })
        {
            return Err(known.clone());
        }
        if error.is::<PoolConcurrencyLimitError>() {
            let options = &self.plugin.0.runtime.0.options;
            return Err(Error::Busy {
                whose: "the server",
                limit: options.instances_max,
                waited: Duration::ZERO,
            });
        }
        let reason = trap_reason(error);
        let (plugin, backtrace) = (&host.context.name, backtrace(error));
        let bytes = reason.len() + backtrace.len();
        host.context.log.take(plugin, bytes, || {
            tracing::warn!(plugin, export = %self.named.name, %backtrace, "the plugin trapped: {reason}");
        });
        // A guest that panics often leaves its own words before it traps; they say more.
        let reason = match host.error_message() {
            Some(message) => format!("{reason}; it said: {message}"),
            None => reason,
        };
        Err(with_stderr(Error::Trap { reason }, host))
    }
}

impl Inner {
    /// What a call runs in: an instance that is kept, or what one of its own is made in.
    fn live(
        &self,
        engine: &Engine,
        requester: Arc<dyn Requester>,
        input: &[u8],
        deadline: Instant,
        charge: Charge,
    ) -> Live {
        let deadline = deadline.into_std();
        if let Some(mut live) = self.kept.as_ref().and_then(|kept| kept.take()) {
            live.store
                .data_mut()
                .resume(requester, input, deadline, charge);
            live.store.set_epoch_deadline(EPOCH_YIELD_TICKS);
            return live;
        }
        let host = Host::new(self.context.clone(), requester, input, deadline, charge);
        Live::new(armed(engine, host), self.runtime.resident().cloned())
    }
}

/// When a call that begins now has to be over.
pub(crate) fn deadline(limits: &Limits) -> Instant {
    Instant::now() + limits.timeout.min(DURATION_MAX)
}

/// A store whose guest is held to its memory limit and yields at every tick.
pub(crate) fn armed(engine: &Engine, host: Host) -> Store<Host> {
    let mut store = Store::new(engine, host);
    store.limiter(|host| host);
    store.epoch_deadline_callback(|_| {
        Ok(UpdateDeadline::YieldCustom(
            EPOCH_YIELD_TICKS,
            Box::pin(pause()),
        ))
    });
    store.set_epoch_deadline(EPOCH_YIELD_TICKS);
    store
}

/// Runs the initializers of a new instance.
pub(crate) async fn set_up(
    store: &mut Store<Host>,
    instance: Instance,
    initializers: &[Export],
) -> wasmtime::Result<()> {
    for initializer in initializers {
        call_export(store, instance, *initializer).await?;
    }
    Ok(())
}

/// Why a guest trapped, in the words of whoever found it out.
pub(crate) fn trap_reason(error: &wasmtime::Error) -> String {
    if let Some(Error::Trap { reason }) = error.downcast_ref::<Error>() {
        reason.clone()
    } else if let Some(trap) = error.downcast_ref::<Trap>() {
        trap.to_string()
    } else if let Some(out_of_range) = error.downcast_ref::<OutOfRange>() {
        out_of_range.to_string()
    } else {
        error.root_cause().to_string()
    }
}

/// Where in the module a trap happened, a frame a line. Names come from the module, so they are
/// neither demangled, which can take for ever, nor written whole.
fn backtrace(error: &wasmtime::Error) -> String {
    let frames = error.downcast_ref::<WasmBacktrace>();
    let frames = frames.map_or(&[][..], WasmBacktrace::frames).iter();
    let lines = frames.take(FRAMES_MAX).map(|frame| {
        let offset = frame.module_offset().unwrap_or_default();
        let name = frame.func_name().unwrap_or("unnamed");
        let name = cut(name, NAME_MAX_BYTES);
        format!(" {offset:#x} {name}")
    });
    format!("wasm backtrace:{}", lines.collect::<Vec<_>>().join(";"))
}

/// What a guest that ran to its end has left. As in Extism, a message is an error even where the
/// code is 0: an export that returns nothing has no other way to fail.
fn finished(code: i32, host: &Host, budget: &Budget) -> Result<ChargedBytes> {
    match (code, host.error_message()) {
        (0, Some(message)) => Err(Error::Plugin { message }),
        (0, None) => {
            let output = ChargedBytes::of(host.output(), budget);
            output.map_err(|_| Error::ServerMemory { has_begun: true })
        }
        (_, Some(message)) => Err(with_stderr(Error::Plugin { message }, host)),
        (code, None) => Err(with_stderr(Error::NonZero { code }, host)),
    }
}

/// The same ending, with what the guest has written to its standard error.
fn with_stderr(error: Error, host: &Host) -> Error {
    match host.stderr() {
        Some(stderr) => Error::WithStderr {
            error: Box::new(error),
            stderr,
        },
        None => error,
    }
}

async fn call_export(
    store: &mut Store<Host>,
    instance: Instance,
    export: Export,
) -> wasmtime::Result<i32> {
    let function = instance
        .get_module_export(&mut *store, &export.index)
        .and_then(wasmtime::Extern::into_func)
        .ok_or_else(|| wasmtime::Error::msg("the export is no function"))?;
    match export.shape {
        Shape::Code => {
            let function = function.typed::<(), i32>(&*store)?;
            function.call_async(store, ()).await
        }
        Shape::Nothing => {
            let function = function.typed::<(), ()>(&*store)?;
            function.call_async(store, ()).await.map(|()| 0)
        }
        Shape::HaskellInit => {
            let function = function.typed::<(i32, i32), ()>(&*store)?;
            function.call_async(store, (0, 0)).await.map(|()| 0)
        }
    }
}
