//! The other side: a process that compiles what it is sent until nothing more comes.

use std::io::{Read, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wasimancer_runtime::{Error, Precompiler};

use super::frame::{Answer, Job};

/// The command that starts it, which is not for people.
pub(crate) const COMMAND: &str = "compile-modules";
/// The score of a process that the kernel is to end before any other (`proc_pid_oom_score_adj(5)`).
const ENDED_FIRST: &str = "1000";

/// Compiles modules from standard input, within so many bytes of memory.
pub(crate) fn run(memory: u64) -> anyhow::Result<()> {
    bound(memory)?;
    let (mut jobs, mut answers) = (std::io::stdin().lock(), std::io::stdout().lock());
    serve(&mut jobs, &mut answers)
}

/// Bounds this process, and ties it to the one that started it.
fn bound(memory: u64) -> anyhow::Result<()> {
    std::thread::Builder::new().spawn(end_with_the_server)?;
    // Where it cannot be said, the kernel chooses by itself.
    let _ = std::fs::write("/proc/self/oom_score_adj", ENDED_FIRST);
    let limited = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    setrlimit(Resource::Data, limited(memory))?;
    setrlimit(Resource::Core, limited(0))?;
    Ok(())
}

/// Ends this process when the other end of standard input is closed, also while a module is compiled.
/// (What the kernel can send instead comes with the end of a thread, not of the process.)
fn end_with_the_server() {
    let input = std::io::stdin();
    loop {
        // That the other end is closed is told although nothing is asked for.
        let mut polled = [PollFd::new(&input, PollFlags::empty())];
        match poll(&mut polled, None) {
            Err(rustix::io::Errno::INTR) => {}
            _ => std::process::exit(0),
        }
    }
}

fn serve(jobs: &mut impl Read, answers: &mut impl Write) -> anyhow::Result<()> {
    let mut known: Option<Precompiler> = None;
    while let Some((job, wasm)) = Job::read(jobs)? {
        let precompiler = match known.take() {
            Some(precompiler) if precompiler.options() == job.options => precompiler,
            _ => Precompiler::new(job.options)?,
        };
        allow_more_time(job.cpu)?;
        let answer = match precompiler.precompile(&wasm) {
            Ok(code) => Answer::Code(code),
            Err(Error::InvalidModule { reason }) => Answer::Invalid(reason),
            Err(error) => Answer::Invalid(error.to_string()),
        };
        answer.write(answers)?;
        known = Some(precompiler);
    }
    Ok(())
}

/// Lets this process compute for so much longer; past that the kernel ends it.
fn allow_more_time(cpu: Duration) -> anyhow::Result<()> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = u64::try_from(used.tv_sec).unwrap_or_default();
    let until = used.saturating_add(cpu.as_secs()).saturating_add(1);
    let maximum = getrlimit(Resource::Cpu).maximum;
    let limit = Rlimit {
        current: Some(maximum.map_or(until, |maximum| until.min(maximum))),
        maximum,
    };
    Ok(setrlimit(Resource::Cpu, limit)?)
}
