//! Processes that compile modules for the server: the same program, started anew.
//!
//! A module decides how much time and memory its compilation takes, and may find a fault in the
//! compiler. In a process of its own all that ends with the process. It has no environment and no files
//! but its two pipes, and the kernel ends it before any other process when memory runs out.

mod frame;
pub(crate) mod worker;

use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, fs};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use wasimancer_runtime::{Budget, Charge, CodeOptions, Error, Full, Precompile, Result};

use self::frame::{Answer, Job};

/// Most processes that are kept for the next module. Others end with their module.
const KEPT_MAX: usize = 2;
/// Most bytes that a process which is kept may hold. After a small module it holds some 40 MB.
const KEPT_MAX_BYTES: usize = 64 * 1024 * 1024;
/// How often it is looked how much memory a process holds.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// What compiling one module may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CompileLimits {
    /// Computing time, over all threads.
    pub(crate) cpu: Duration,
    /// Bytes of memory.
    pub(crate) memory: u64,
}

/// The processes, which are started as they are needed.
pub(crate) struct Compilers {
    limits: CompileLimits,
    budget: Budget,
    idle: Mutex<Vec<Worker>>,
}

/// A process that waits for a module, or compiles one. It ends when this is dropped.
struct Worker {
    child: Child,
    jobs: ChildStdin,
    answers: ChildStdout,
}

/// Why a process has not answered.
enum Failure {
    /// It has ended.
    Ended(ExitStatus),
    /// The budget of the server has no room for what it wants.
    Full,
    Pipe(io::Error),
}

impl From<Full> for Failure {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl Compilers {
    pub(crate) fn new(limits: CompileLimits, budget: &Budget) -> Self {
        Self {
            limits,
            budget: budget.clone(),
            idle: Mutex::default(),
        }
    }

    /// Compiles with a process that is kept, or with a new one.
    fn compile(&self, job: &Job, wasm: &[u8]) -> Result<Answer, Failure> {
        let kept = self.idle().pop();
        if let Some(worker) = kept {
            match self.compile_with(worker, job, wasm) {
                // It may have ended since its last module.
                Err(Failure::Ended(_)) => {}
                answered => return answered,
            }
        }
        let worker = Worker::start(self.limits.memory).map_err(Failure::Pipe)?;
        self.compile_with(worker, job, wasm)
    }

    fn compile_with(&self, mut worker: Worker, job: &Job, wasm: &[u8]) -> Result<Answer, Failure> {
        let answer = worker.compile(job, wasm, &self.budget)?;
        self.keep(worker);
        Ok(answer)
    }

    fn keep(&self, worker: Worker) {
        let mut idle = self.idle();
        if idle.len() < KEPT_MAX && worker.resident() <= KEPT_MAX_BYTES {
            idle.push(worker);
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, failure: &Failure) -> Error {
        match failure {
            Failure::Full => Error::ServerMemory { has_begun: true },
            Failure::Pipe(error) => Error::Compiling {
                reason: format!(
                    "the process that compiles cannot be reached: {error}; `compile_apart = false` compiles in the server"
                ),
            },
            Failure::Ended(status) => self.ended(*status),
        }
    }

    /// What the end of a process says of the module.
    fn ended(&self, status: ExitStatus) -> Error {
        use std::os::unix::process::ExitStatusExt;

        use rustix::process::Signal;

        let CompileLimits { cpu, memory } = self.limits;
        let signal = status.signal().and_then(Signal::from_named_raw);
        let memory = format!(
            "it takes more than {} MiB of memory: make its functions smaller, or raise `compile_memory`",
            memory / (1024 * 1024)
        );
        let reason = match signal {
            Some(Signal::XCPU) => format!(
                "it takes more than {cpu:?} of computing time: make it smaller, or raise `compile_cpu`"
            ),
            // What finds no memory aborts.
            Some(Signal::ABORT) => memory,
            // The kernel kills, and another process may be to blame.
            Some(Signal::KILL) => return Error::Compiling { reason: memory },
            _ => format!("the compiler crashed ({status}), which is a fault of the compiler's"),
        };
        Error::Uncompilable { reason }
    }
}

impl Precompile for Compilers {
    fn precompile(&self, wasm: &[u8], options: CodeOptions) -> Result<Vec<u8>> {
        let job = Job {
            options,
            cpu: self.limits.cpu,
        };
        let answer = self.compile(&job, wasm);
        match answer.map_err(|failure| self.error(&failure))? {
            Answer::Code(code) => Ok(code),
            Answer::Invalid(reason) => Err(Error::InvalidModule { reason }),
        }
    }

    fn bounds(&self) -> String {
        let CompileLimits { cpu, memory } = self.limits;
        format!("{}ms-{memory}B", cpu.as_millis())
    }
}

impl fmt::Debug for Compilers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limits.fmt(formatter)
    }
}

impl Worker {
    fn start(memory: u64) -> io::Result<Self> {
        // Whatever lies at its place by now, this is the program that runs.
        let mut child = Command::new("/proc/self/exe")
            .arg0("wasimancer")
            .arg(worker::COMMAND)
            .arg(memory.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let missing = || io::Error::from(ErrorKind::BrokenPipe);
        let jobs = child.stdin.take().ok_or_else(missing)?;
        let answers = child.stdout.take().ok_or_else(missing)?;
        Ok(Self {
            child,
            jobs,
            answers,
        })
    }

    /// Compiles a module. The memory that the process holds is charged meanwhile.
    fn compile(&mut self, job: &Job, wasm: &[u8], budget: &Budget) -> Result<Answer, Failure> {
        let mut charge = budget.charge(wasm.len())?;
        let sent = job.write(wasm, &mut self.jobs);
        let answered = sent.and_then(|()| self.answers_come(&mut charge));
        match answered {
            Ok(true) => {}
            Ok(false) => return Err(Failure::Full),
            Err(error) => return Err(self.failed(error)),
        }
        let answer = Answer::read(&mut self.answers);
        answer.map_err(|error| self.failed(error))
    }

    /// Waits until an answer comes; false where the budget has no room for what the process holds.
    fn answers_come(&self, charge: &mut Charge) -> io::Result<bool> {
        loop {
            let mut polled = [PollFd::new(&self.answers, PollFlags::IN)];
            match poll(&mut polled, Some(&LOOK)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
            let held = self.resident();
            if charge.grow(held.saturating_sub(charge.bytes())).is_err() {
                return Ok(false);
            }
        }
    }

    /// Why a pipe is of no use any more: most of the time, since the process has ended.
    fn failed(&mut self, error: io::Error) -> Failure {
        if !matches!(
            error.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe
        ) {
            return Failure::Pipe(error);
        }
        match self.child.wait() {
            Ok(status) => Failure::Ended(status),
            Err(error) => Failure::Pipe(error),
        }
    }

    /// Memory that the process holds, in bytes (`proc_pid_statm(5)`).
    fn resident(&self) -> usize {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id()));
        let pages = statm
            .ok()
            .and_then(|statm| statm.split(' ').nth(1)?.parse().ok());
        pages.unwrap_or(0_usize) * rustix::param::page_size()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended by itself is waited for all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
