//! What goes over the pipes of a process that compiles: a job, and its answer. Both ends are the same
//! program, so nothing is said of versions.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use wasimancer_runtime::{Allocation, CodeOptions, Profile};

/// A module to compile; its bytes follow.
pub(super) struct Job {
    pub(super) options: CodeOptions,
    /// Computing time that it may take.
    pub(super) cpu: Duration,
}

/// What becomes of it.
pub(super) enum Answer {
    Code(Vec<u8>),
    /// What is wrong with the module.
    Invalid(String),
}

impl Job {
    pub(super) fn write(&self, wasm: &[u8], pipe: &mut impl Write) -> io::Result<()> {
        let options = self.options;
        let flags = [
            u8::from(options.profile == Profile::Compute),
            u8::from(options.allocation == Allocation::OnDemand),
        ];
        pipe.write_all(&flags)?;
        pipe.write_all(&options.memory_max_bytes.to_le_bytes())?;
        pipe.write_all(&self.cpu.as_secs().to_le_bytes())?;
        write_bytes(wasm, pipe)
    }

    /// The next one, with its module; none where the other end is closed.
    pub(super) fn read(pipe: &mut impl Read) -> io::Result<Option<(Self, Vec<u8>)>> {
        let mut flags = [0; 2];
        match pipe.read_exact(&mut flags) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let [is_compute, is_on_demand] = flags.map(|flag| flag != 0);
        let options = CodeOptions {
            profile: if is_compute {
                Profile::Compute
            } else {
                Profile::Short
            },
            allocation: if is_on_demand {
                Allocation::OnDemand
            } else {
                Allocation::Pooling
            },
            memory_max_bytes: read_number(pipe)?,
        };
        let cpu = Duration::from_secs(read_number(pipe)?);
        Ok(Some((Self { options, cpu }, read_bytes(pipe)?)))
    }
}

impl Answer {
    pub(super) fn write(&self, pipe: &mut impl Write) -> io::Result<()> {
        let (kind, bytes) = match self {
            Self::Code(code) => (0, &code[..]),
            Self::Invalid(reason) => (1, reason.as_bytes()),
        };
        pipe.write_all(&[kind])?;
        write_bytes(bytes, pipe)
    }

    pub(super) fn read(pipe: &mut impl Read) -> io::Result<Self> {
        let mut kind = [0];
        pipe.read_exact(&mut kind)?;
        let bytes = read_bytes(pipe)?;
        Ok(match kind {
            [0] => Self::Code(bytes),
            _ => Self::Invalid(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }
}

fn write_bytes(bytes: &[u8], pipe: &mut impl Write) -> io::Result<()> {
    pipe.write_all(&(bytes.len() as u64).to_le_bytes())?;
    pipe.write_all(bytes)?;
    pipe.flush()
}

fn read_number(pipe: &mut impl Read) -> io::Result<u64> {
    let mut number = [0; 8];
    pipe.read_exact(&mut number)?;
    Ok(u64::from_le_bytes(number))
}

fn read_bytes(pipe: &mut impl Read) -> io::Result<Vec<u8>> {
    let length = read_number(pipe)?;
    let mut bytes = Vec::new();
    // As much as comes, and not as much as is said.
    let read = pipe.take(length).read_to_end(&mut bytes)?;
    if read as u64 == length {
        Ok(bytes)
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}
