//! The real binary: as a server that ends with its test, and as a command that is waited for.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use super::{
    ADMIN_TOKEN, Client, Home, PATIENCE, TOKEN, examples_folder, fixtures_folder, until,
    until_blocking,
};

/// Variables that would reach the server from whoever runs the tests.
const OWN_VARIABLES: [&str; 11] = [
    "UPLOAD_PATH",
    "UPLOAD_LIMIT",
    "ADMIN_ADDRESS",
    "HTTP_PORT",
    "PORT",
    "PLUGINS_PATH",
    "PLUGINS_DEFINITION_FILE",
    "RESOURCES_PATH",
    "RESOURCES_DEFINITION_FILE",
    "PROMPTS_PATH",
    "PROMPTS_DEFINITION_FILE",
];

/// Compiled modules of all servers of all runs, so that the large ones compile once.
fn cache_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// The binary that is tested: the one of this build, or the one that `TESTED_BINARY` names.
fn binary() -> OsString {
    std::env::var_os("TESTED_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_wasimancer").into())
}

/// The binary, in an environment without variables that it reads.
pub(crate) fn command(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if OWN_VARIABLES.contains(&&*text)
            || text.starts_with("WASIMANCER_")
            || text.starts_with("WASM_")
        {
            command.env_remove(&name);
        }
    }
    command
        .env("WASIMANCER_CACHE_FOLDER", cache_folder())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A command that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Waits for a command.
pub(crate) fn finish(command: &mut Command) -> Ended {
    let output = command.output().expect("the binary starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
    }
}

/// A server that is about to be started.
pub(crate) struct Launch {
    command: Command,
    home: Option<Home>,
    reads_log: bool,
}

impl Launch {
    /// `serve` on a free port, with the tests' tokens.
    pub(crate) fn of(home: Home) -> Self {
        let mut launch = Self::again(home.path());
        launch.home = Some(home);
        launch
    }

    /// The same for a home that outlives the server.
    pub(crate) fn again(home: &Path) -> Self {
        Self::in_folder(home).args(["--http-port", "0"])
    }

    /// The same for the example home.
    pub(crate) fn examples() -> Self {
        Self::again(&examples_folder())
    }

    /// The same for the home of the conformance suite.
    pub(crate) fn fixtures() -> Self {
        Self::again(&fixtures_folder())
    }

    /// `serve` without a port.
    pub(crate) fn in_folder(home: &Path) -> Self {
        let mut command = command(["serve".as_ref(), "--home".as_ref(), home.as_os_str()]);
        command
            .env("WASIMANCER_AUTHENTICATION_TOKEN", TOKEN)
            .env("WASIMANCER_ADMIN_TOKEN", ADMIN_TOKEN);
        Self {
            command,
            home: None,
            reads_log: true,
        }
    }

    /// Reads nothing of the log before [`Server::read_log`].
    pub(crate) fn with_unread_log(mut self) -> Self {
        self.reads_log = false;
        self
    }

    pub(crate) fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Lets no file of the server grow beyond this.
    pub(crate) fn with_file_limit_kib(self, kib: u64) -> Self {
        // The signal would end the process before it is told.
        self.after(&format!("trap '' XFSZ; ulimit -f {kib}"))
    }

    /// Lets the server have no more files open than this.
    pub(crate) fn with_open_files(self, count: u32) -> Self {
        self.after(&format!("ulimit -n {count}"))
    }

    /// Starts the server in a shell that has done this before.
    pub(crate) fn after(mut self, preparation: &str) -> Self {
        let serve = self.command;
        let mut command = Command::new("bash");
        let script = format!("{preparation}; exec \"$@\"");
        command
            .args(["-c", &script, "bash"])
            .arg(serve.get_program());
        command.args(serve.get_args());
        for (name, value) in serve.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        self.command = command;
        self
    }

    /// Starts the server and waits until it is ready.
    #[track_caller]
    pub(crate) fn start(self) -> Server {
        let server = self.start_at_once();
        until_blocking("the server is ready, and has said what it serves", || {
            server.probe("/readyz").is_some_and(|status| status != 503)
                && server.stdout().contains(" for calls and clients\n")
        });
        server
    }

    /// Starts the server and waits until it listens.
    #[track_caller]
    pub(crate) fn start_at_once(mut self) -> Server {
        let mut child = self.command.spawn().expect("the binary starts");
        let stdout = Captured::of(child.stdout.take().expect("standard output is piped"));
        let stderr = Captured::later(child.stderr.take().expect("standard error is piped"));
        if self.reads_log {
            stderr.begin();
        }
        let mut address = None;
        let mut ended = None;
        until_blocking("the server listens", || {
            address = stdout.text().lines().find_map(listening_address);
            ended = child.try_wait().expect("the child can be asked");
            address.is_some() || ended.is_some()
        });
        let Some(address) = address else {
            panic!(
                "the server ended: {ended:?}\n{}{}",
                stdout.whole(),
                stderr.whole()
            );
        };
        Server {
            child: Mutex::new(child),
            address,
            stdout,
            stderr,
            _home: self.home,
        }
    }

    /// Starts a server that must end by itself, and fail.
    #[track_caller]
    pub(crate) fn refused(mut self) -> Ended {
        let ended = finish(&mut self.command);
        assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
        assert!(!ended.stdout.contains("listening on"), "{}", ended.stdout);
        ended
    }
}

fn listening_address(line: &str) -> Option<SocketAddr> {
    let url = line.strip_prefix("listening on http://")?;
    url.strip_suffix("/mcp")
        .expect("the endpoint is named")
        .parse()
        .ok()
}

/// A server that runs, killed when it is dropped.
pub(crate) struct Server {
    child: Mutex<Child>,
    pub(crate) address: SocketAddr,
    stdout: Captured,
    stderr: Captured,
    /// Removed with the server.
    _home: Option<Home>,
}

impl Server {
    /// The status of the answer to a probe; none where there is no answer.
    pub(crate) fn probe(&self, path: &str) -> Option<u16> {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The process's number.
    pub(crate) fn pid(&self) -> u32 {
        self.child().id()
    }

    /// A line of `/proc/PID/status`, as a number.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(path).expect("the process runs");
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.unwrap_or_else(|| panic!("there is no {name} in: {text}"))
    }

    /// A client of a revision, with the clients' token.
    pub(crate) fn client(&self, revision: &'static str) -> Client {
        Client::new(self.url("/mcp"), revision)
    }

    /// What it wrote to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Begins to read the log of a server that was launched with an unread one.
    pub(crate) fn read_log(&self) {
        self.stderr.begin();
    }

    /// Waits for a text on standard error.
    pub(crate) async fn logs(&self, text: &str) {
        until(&format!("the log says {text:?}"), || {
            self.stderr().contains(text)
        })
        .await;
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child().id());
        let sent = Command::new("sh")
            .args(["-c", &kill])
            .status()
            .expect("a shell");
        assert!(sent.success(), "{kill}");
    }

    /// Sends several, a moment apart, since signals that wait are one.
    pub(crate) fn signals(&self, signals: &[&str]) {
        let pid = self.child().id();
        let kills = signals.iter().map(|signal| format!("kill -{signal} {pid}"));
        let kills = kills.collect::<Vec<_>>().join(" && sleep 0.1 && ");
        let sent = Command::new("sh").args(["-c", &kills]).status();
        assert!(sent.expect("a shell").success(), "{kills}");
    }

    pub(crate) fn has_ended(&self) -> bool {
        let ended = self.child().try_wait();
        ended.expect("the child can be asked").is_some()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> ExitStatus {
        let mut status = None;
        until("the server ends", || {
            status = self.child().try_wait().expect("the child can be asked");
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }

    /// Everything that it ever wrote, once it has ended.
    pub(crate) async fn whole_output(&self) -> String {
        self.ended().await;
        format!("{}{}", self.stdout.whole(), self.stderr.whole())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut child = self.child();
        // Both fail for a child that has ended, which is as good.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// What a child writes, read by a thread so that the child never waits.
pub(crate) struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Until it is read.
    pipe: Mutex<Option<Box<dyn Read + Send>>>,
    reader: Mutex<Option<JoinHandle<()>>>,
}

impl Captured {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let captured = Self::later(pipe);
        captured.begin();
        captured
    }

    /// Nothing is read before [`Self::begin`].
    fn later(pipe: impl Read + Send + 'static) -> Self {
        Self {
            bytes: Arc::default(),
            pipe: Mutex::new(Some(Box::new(pipe))),
            reader: Mutex::default(),
        }
    }

    fn begin(&self) {
        let pipe = self
            .pipe
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(mut pipe) = pipe else {
            return;
        };
        let shared = self.bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(&buffer[..length]);
            }
        });
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
            .into_owned()
    }

    /// The text once the pipe is closed.
    fn whole(&self) -> String {
        if let Some(reader) = self
            .reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            reader.join().expect("reading does not panic");
        }
        self.text()
    }
}

/// The server of the example home, one for all tests that run at a time.
pub(crate) fn examples() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    shared(&SHARED, || {
        Launch::examples()
            .env("WASM_MESSAGE", "Good morning.")
            .start()
    })
}

/// The server of the conformance suite's home, one for all tests that run at a time.
pub(crate) fn fixtures() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    shared(&SHARED, || Launch::fixtures().start())
}

/// The server of the guest home, one for all tests that run at a time.
pub(crate) fn guest() -> Arc<Server> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    shared(&SHARED, || {
        Launch::of(Home::guest())
            .env("WASM_SHARED", "the variable")
            .env("WASM_MESSAGE", "of the variable")
            .env("WASM_EMPTY", "")
            .start()
    })
}

fn shared(slot: &Mutex<Weak<Server>>, start: impl FnOnce() -> Server) -> Arc<Server> {
    // A test that failed to start it says so itself; the next one tries again.
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    slot.upgrade().unwrap_or_else(|| {
        let server = Arc::new(start());
        *slot = Arc::downgrade(&server);
        server
    })
}
