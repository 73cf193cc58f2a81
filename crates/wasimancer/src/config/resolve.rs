//! Configuration as it is used: every default filled in, every value checked, all errors at once.

mod hosts;
mod publishing;
mod secrets;
mod server_info;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasimancer_catalog::{
    AdditionalArguments, Home, Kind, Schemas, VARIABLES_PREFIX, read_regular_text,
};
use wasimancer_mcp::{AllowedNames, ServerInfo};
use wasimancer_runtime::{
    Escaped, HostRule, Limits, LimitsOverride, OutboundProxy, UnitError, parse_duration, parse_size,
};

use super::{ConfigFile, Environment, FileLimits, Flags, LogFormat};
use crate::auth::Token;
use crate::proxies::TrustedProxies;

pub(crate) use publishing::Publishing;

/// The port where none is given: that of the JavaScript server.
const DEFAULT_PORT: u16 = 3001;
/// How long calls may go on after the server was told to stop: `docker stop` kills after ten seconds,
/// and the end itself may take one.
const DEFAULT_SHUTDOWN_GRACE: Duration = Duration::from_secs(8);
/// How long a client may take to send what it has begun to send.
const DEFAULT_READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection that has had an answer may be idle: longer than balancers keep theirs, which is a
/// minute for most, so that none of them sends a request to a connection that is being closed.
const DEFAULT_KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a client may leave unread what it is sent; less than a minute, so that one that reads
/// nothing does not hold up the end of the server or its memory for long.
const DEFAULT_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most bytes of a request's body.
const DEFAULT_BODY_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// How long clients may keep lists and resources; short, since they change.
const DEFAULT_CACHE_TTL: Duration = Duration::from_secs(1);
/// Most instances that live at once, over all plugins.
const DEFAULT_INSTANCES: u32 = 1000;
/// How long a call waits for a place: as long as most clients wait for an answer at all.
const DEFAULT_QUEUE_TIMEOUT: Duration = Duration::from_secs(30);
/// What compiling one module may take. The largest public ones, interpreters of 30 MB, take half of it.
const DEFAULT_COMPILE_CPU: Duration = Duration::from_mins(2);
const DEFAULT_COMPILE_MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Least bytes of a budget: some twenty small calls at once.
const MEMORY_BUDGET_MIN_BYTES: u64 = 16 * 1024 * 1024;
/// What is missing in a container.
const ADDRESS_HINT: &str = "this seems to be a container, and only what runs inside it reaches the server: set WASIMANCER_ADDRESS=0.0.0.0, and publish the port to those alone who may call";
/// The name of the configuration file in a home.
const FILE_NAME: &str = "wasimancer.toml";
/// Most bytes of that file.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// Everything that the server needs to know.
pub(crate) struct Config {
    pub(crate) address: SocketAddr,
    /// What to set where only the container itself seems to reach that address. None: it is no container, or the address was
    /// chosen.
    pub(crate) address_hint: Option<&'static str>,
    pub(crate) home: Home,
    pub(crate) public_hosts: AllowedNames,
    /// Whose word is taken for the addresses of clients.
    pub(crate) trusted_proxies: TrustedProxies,
    /// Whether their connections begin with a header of the PROXY protocol.
    pub(crate) proxy_protocol: bool,
    pub(crate) allowed_hosts: Vec<HostRule>,
    /// What the requests of plugins go through; may hold a password.
    pub(crate) outbound_proxy: Option<OutboundProxy>,
    pub(crate) cache_folder: CacheFolder,
    pub(crate) log_format: LogFormat,
    /// How clients are shown the schemas of tools.
    pub(crate) schemas: Schemas,
    pub(crate) log: String,
    /// How the server introduces itself.
    pub(crate) server_info: ServerInfo,
    pub(crate) instructions: Option<String>,
    /// How long the server goes on after it was told to stop, while probes say so.
    pub(crate) drain_delay: Duration,
    pub(crate) shutdown_grace: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) write_timeout: Duration,
    /// Most connections of clients at once. None: a number that suits most machines.
    pub(crate) connections: Option<u32>,
    pub(crate) body_max_bytes: u64,
    pub(crate) cache_ttl: Duration,
    pub(crate) instances: u32,
    pub(crate) queue_timeout: Duration,
    /// Most bytes of everything that clients and plugins can make large. None: what suits the machine.
    pub(crate) memory_budget: Option<u64>,
    /// Whether modules are compiled in processes of their own.
    pub(crate) compile_apart: bool,
    /// Computing time and bytes of memory that compiling one module may take there.
    pub(crate) compile_cpu: Duration,
    pub(crate) compile_memory: u64,
    pub(crate) limits: Limits,
    pub(crate) publishing: Publishing,
    /// What plugins read with `config_get`; may hold secrets.
    pub(crate) plugin_values: BTreeMap<String, String>,
    pub(crate) client_token: ClientToken,
    /// None where it is to be generated.
    pub(crate) admin_token: Option<Token>,
    /// Whether weak tokens are refused, and not only named.
    pub(crate) strict_tokens: bool,
    /// What becomes of unknown arguments where a tool's definition does not say.
    pub(crate) additional_arguments: AdditionalArguments,
    /// What the state of requests is protected with between their rounds; none where that is to be
    /// generated.
    pub(crate) state_secret: Option<Token>,
}

/// Whether clients need a token.
pub(crate) enum ClientToken {
    /// They need none.
    Off,
    /// They need this one.
    Given(Token),
    /// They need one that is yet to be generated.
    Generate,
}

/// Where compiled modules are kept.
pub(crate) enum CacheFolder {
    Off,
    /// Chosen by the operator: it must work.
    Given(PathBuf),
    /// The user's cache folder: where it does not work, modules are compiled at every start.
    Default(PathBuf),
}

impl CacheFolder {
    /// The one that the environment names, else that of the file, else the default.
    pub(crate) fn of(file: Option<&String>, environment: &dyn Environment) -> Self {
        let named = environment.get("WASIMANCER_CACHE_FOLDER");
        if let Some(path) = named.as_ref().or(file) {
            return Self::given(path);
        }
        let set = |name| environment.get(name).filter(|value| !value.is_empty());
        let xdg = set("XDG_CACHE_HOME").map(PathBuf::from);
        let user = xdg.or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")));
        user.map_or(Self::Off, |folder| Self::Default(folder.join("wasimancer")))
    }

    /// One that an operator has chosen; an empty path switches it off.
    fn given(path: &str) -> Self {
        if path.is_empty() {
            Self::Off
        } else {
            Self::Given(PathBuf::from(path))
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub(crate) struct ConfigErrors(Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(out, "the configuration is wrong: {}", Escaped(one)),
            all => {
                write!(out, "the configuration is wrong in {} places:", all.len())?;
                all.iter()
                    .try_for_each(|error| write!(out, "\n  {}", Escaped(error)))
            }
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// Resolves a configuration.
pub(crate) fn resolve(
    flags: &Flags,
    environment: &dyn Environment,
) -> Result<Config, ConfigErrors> {
    let mut errors = Vec::new();
    let home = flags.home.clone().unwrap_or_else(|| PathBuf::from("."));
    if !home.is_dir() {
        errors.push(format!("--home: {} is no folder", home.display()));
    }
    let file = read_file(flags, environment, &home, &mut errors);
    let mut resolver = Resolver {
        environment,
        errors: &mut errors,
    };
    let config = resolver.config(flags, &file, &home);
    resolver.check_strictly(&config);
    if errors.is_empty() {
        Ok(config)
    } else {
        Err(ConfigErrors(errors))
    }
}

fn read_file(
    flags: &Flags,
    environment: &dyn Environment,
    home: &Path,
    errors: &mut Vec<String>,
) -> ConfigFile {
    let named = flags.config_file.clone().or_else(|| {
        environment
            .get("WASIMANCER_CONFIG_FILE")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    });
    let path = named.clone().unwrap_or_else(|| home.join(FILE_NAME));
    let text = match &named {
        // It may be a pipe, from whoever starts the server.
        Some(path) => std::fs::read_to_string(path),
        None => read_regular_text(&path, FILE_MAX_BYTES),
    };
    let text = match text {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return ConfigFile::default();
        }
        Err(error) => {
            errors.push(format!("{}: cannot be read: {error}", path.display()));
            return ConfigFile::default();
        }
    };
    toml::from_str(&text).unwrap_or_else(|error| {
        // The error's own display quotes the line, which may hold a secret under a wrong name.
        let before = error.span().map_or("", |span| &text[..span.start]);
        let line = before.matches('\n').count() + 1;
        errors.push(format!("{}:{line}: {}", path.display(), error.message()));
        ConfigFile::default()
    })
}

struct Resolver<'a> {
    environment: &'a dyn Environment,
    errors: &'a mut Vec<String>,
}

impl Resolver<'_> {
    fn config(&mut self, flags: &Flags, file: &ConfigFile, home: &Path) -> Config {
        let log_format = flags
            .log_format
            .or_else(|| self.log_format())
            .or(file.log_format);
        let definitions = self.home(flags, file, home);
        let plugins = definitions.plugins.as_ref();
        let plugins = plugins.map(|kind| kind.folder.as_path());
        let trusted_proxies = self.trusted_proxies(flags, file);
        Config {
            address: self.address(flags, file),
            address_hint: self.address_hint(flags, file),
            publishing: self.publishing(flags, file, home, plugins),
            home: definitions,
            public_hosts: self.public_hosts(flags, file),
            proxy_protocol: self.proxy_protocol(file, &trusted_proxies),
            trusted_proxies,
            allowed_hosts: self.allowed_hosts(flags, file),
            outbound_proxy: self.outbound_proxy(file),
            cache_folder: match &flags.cache_folder {
                Some(path) => CacheFolder::given(path),
                None => CacheFolder::of(file.cache_folder.as_ref(), self.environment),
            },
            log_format: log_format.unwrap_or_default(),
            schemas: self.schemas(file),
            log: flags
                .log
                .clone()
                .or_else(|| self.variable("WASIMANCER_LOG"))
                .or_else(|| file.log.clone())
                .unwrap_or_else(|| "info".to_owned()),
            server_info: self.server_info(&file.server_info),
            instructions: file.instructions.clone(),
            drain_delay: self.drain_delay(file),
            shutdown_grace: self
                .value(
                    "shutdown_grace",
                    file.shutdown_grace.as_ref(),
                    parse_duration,
                )
                .unwrap_or(DEFAULT_SHUTDOWN_GRACE),
            read_timeout: self
                .value("read_timeout", file.read_timeout.as_ref(), parse_duration)
                .unwrap_or(DEFAULT_READ_TIMEOUT),
            keep_alive_timeout: self
                .value(
                    "keep_alive_timeout",
                    file.keep_alive_timeout.as_ref(),
                    parse_duration,
                )
                .unwrap_or(DEFAULT_KEEP_ALIVE_TIMEOUT),
            connections: self.count("connections", file.connections),
            write_timeout: self
                .value("write_timeout", file.write_timeout.as_ref(), parse_duration)
                .unwrap_or(DEFAULT_WRITE_TIMEOUT),
            body_max_bytes: self
                .value("body_limit", file.body_limit.as_ref(), parse_size)
                .unwrap_or(DEFAULT_BODY_MAX_BYTES),
            cache_ttl: self
                .value("cache_ttl", file.cache_ttl.as_ref(), parse_duration)
                .unwrap_or(DEFAULT_CACHE_TTL),
            instances: self
                .count("instances", file.instances)
                .unwrap_or(DEFAULT_INSTANCES),
            queue_timeout: self
                .value("queue_timeout", file.queue_timeout.as_ref(), parse_duration)
                .unwrap_or(DEFAULT_QUEUE_TIMEOUT),
            memory_budget: self.memory_budget(file),
            compile_apart: self.switch("WASIMANCER_COMPILE_APART", file.compile_apart, true),
            compile_cpu: self
                .value("compile_cpu", file.compile_cpu.as_ref(), parse_duration)
                .unwrap_or(DEFAULT_COMPILE_CPU),
            compile_memory: self
                .value("compile_memory", file.compile_memory.as_ref(), parse_size)
                .unwrap_or(DEFAULT_COMPILE_MEMORY_BYTES),
            limits: self.limits(&file.limits),
            plugin_values: self.plugin_values(),
            client_token: self.client_token(),
            admin_token: self.admin_token(),
            strict_tokens: self.switch("WASIMANCER_STRICT_TOKENS", file.strict_tokens, false),
            additional_arguments: self.additional_arguments(file),
            state_secret: self.state_secret(),
        }
    }

    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).filter(|value| !value.is_empty())
    }

    /// Something that is on or off.
    fn switch(&mut self, variable: &str, file: Option<bool>, default: bool) -> bool {
        match self.variable(variable).as_deref() {
            None => file.unwrap_or(default),
            Some("true") => true,
            Some("false") => false,
            Some(other) => {
                self.errors.push(format!(
                    "{variable}: {other:?} is neither: write true or false"
                ));
                default
            }
        }
    }

    fn additional_arguments(&mut self, file: &ConfigFile) -> AdditionalArguments {
        let name = "WASIMANCER_ADDITIONAL_ARGUMENTS";
        let variable = self.variable(name);
        let key = if variable.is_some() {
            name
        } else {
            "additional_arguments"
        };
        let Some(word) = variable.or_else(|| file.additional_arguments.clone()) else {
            return AdditionalArguments::default();
        };
        let mut words = AdditionalArguments::WORDS.into_iter();
        let known = words.find_map(|(known, meant)| (known == word).then_some(meant));
        known.unwrap_or_else(|| {
            self.errors.push(format!(
                "{key}: {word:?} is not known: write refuse or ignore"
            ));
            AdditionalArguments::default()
        })
    }

    /// None at all is `0s`, which no other duration may be.
    fn drain_delay(&mut self, file: &ConfigFile) -> Duration {
        let name = "WASIMANCER_DRAIN_DELAY";
        let variable = self.variable(name);
        let key = if variable.is_some() {
            name
        } else {
            "drain_delay"
        };
        let text = variable.or_else(|| file.drain_delay.clone());
        let text = text.filter(|text| !matches!(text.as_str(), "0" | "0s"));
        let delay = self.value(key, text.as_ref(), parse_duration);
        delay.unwrap_or(Duration::ZERO)
    }

    fn memory_budget(&mut self, file: &ConfigFile) -> Option<u64> {
        let name = "WASIMANCER_MEMORY_BUDGET";
        let variable = self.variable(name);
        let key = if variable.is_some() {
            name
        } else {
            "memory_budget"
        };
        let text = variable.or_else(|| file.memory_budget.clone());
        let budget = self.value(key, text.as_ref(), parse_size)?;
        if budget < MEMORY_BUDGET_MIN_BYTES {
            self.errors.push(format!(
                "{key}: {budget} bytes are too few for calls: give {MEMORY_BUDGET_MIN_BYTES} at least, or leave it out"
            ));
        }
        Some(budget)
    }

    fn schemas(&mut self, file: &ConfigFile) -> Schemas {
        let name = "WASIMANCER_SCHEMAS";
        let variable = self.variable(name);
        let key = if variable.is_some() { name } else { "schemas" };
        match variable
            .as_ref()
            .or(file.schemas.as_ref())
            .map(String::as_str)
        {
            None | Some("written") => Schemas::Written,
            Some("open") => Schemas::Open,
            Some(other) => {
                self.errors.push(format!(
                    "{key}: {other:?} is not known: write written or open"
                ));
                Schemas::Written
            }
        }
    }

    fn log_format(&mut self) -> Option<LogFormat> {
        match self.variable("WASIMANCER_LOG_FORMAT")?.as_str() {
            "human" => Some(LogFormat::Human),
            "json" => Some(LogFormat::Json),
            other => {
                self.errors.push(format!(
                    "WASIMANCER_LOG_FORMAT: {other:?} is no format: write human or json"
                ));
                None
            }
        }
    }

    fn address(&mut self, flags: &Flags, file: &ConfigFile) -> SocketAddr {
        let port = flags
            .http_port
            .or_else(|| self.port("HTTP_PORT"))
            .or_else(|| self.port("PORT"));
        let port = port.or(file.http_port).unwrap_or(DEFAULT_PORT);
        let address = match self.given_address(flags, file) {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(text) => text.parse().unwrap_or_else(|_| {
                self.errors.push(format!(
                    "address: {text:?} is no IP address: write one such as 127.0.0.1, 0.0.0.0 or ::"
                ));
                IpAddr::V4(Ipv4Addr::LOCALHOST)
            }),
        };
        SocketAddr::new(address, port)
    }

    fn given_address(&self, flags: &Flags, file: &ConfigFile) -> Option<String> {
        let flag = flags.address.clone();
        flag.or_else(|| self.variable("WASIMANCER_ADDRESS"))
            .or_else(|| file.address.clone())
    }

    fn address_hint(&self, flags: &Flags, file: &ConfigFile) -> Option<&'static str> {
        let is_given = self.given_address(flags, file).is_some();
        (!is_given && self.is_contained()).then_some(ADDRESS_HINT)
    }

    /// Container engines leave a mark: a variable (Podman, Kubernetes) or a file (Docker, Podman).
    fn is_contained(&self) -> bool {
        let variables = ["container", "KUBERNETES_SERVICE_HOST"];
        let files = ["/.dockerenv", "/run/.containerenv"];
        variables.iter().any(|name| self.variable(name).is_some())
            || files.iter().any(|file| Path::new(file).exists())
    }

    fn port(&mut self, name: &str) -> Option<u16> {
        let text = self.variable(name)?;
        let port = text.trim().parse().ok();
        if port.is_none() {
            self.errors.push(format!(
                "{name}: {text:?} is no port: write a number between 0 and 65535"
            ));
        }
        port
    }

    fn home(&self, flags: &Flags, file: &ConfigFile, home: &Path) -> Home {
        let kind = |name: &str,
                    flag: &Option<String>,
                    path: &Option<String>,
                    definition_file: &Option<String>| {
            let folder = self.folder(name, home, flag.as_ref(), path.as_ref())?;
            let variable = format!("{}_DEFINITION_FILE", name.to_uppercase());
            let definition_file = self.variable(&variable).or_else(|| definition_file.clone());
            Some(Kind {
                folder,
                definition_file: definition_file.unwrap_or_else(|| format!("{name}.yml")),
            })
        };
        Home {
            plugins: kind(
                "plugins",
                &flags.plugins_path,
                &file.plugins_path,
                &file.plugins_definition_file,
            ),
            resources: kind(
                "resources",
                &flags.resources_path,
                &file.resources_path,
                &file.resources_definition_file,
            ),
            prompts: kind(
                "prompts",
                &flags.prompts_path,
                &file.prompts_path,
                &file.prompts_definition_file,
            ),
        }
    }

    /// The folder of a kind; an empty path switches it off. A path in the file is relative to the
    /// home, others to the working folder.
    fn folder(
        &self,
        name: &str,
        home: &Path,
        flag: Option<&String>,
        file: Option<&String>,
    ) -> Option<PathBuf> {
        let given = flag.cloned().or_else(|| {
            self.environment
                .get(&format!("{}_PATH", name.to_uppercase()))
        });
        let in_home = || match file {
            Some(path) if path.is_empty() => PathBuf::new(),
            Some(path) => home.join(path),
            None => home.join(name),
        };
        let folder = given.map_or_else(in_home, PathBuf::from);
        (!folder.as_os_str().is_empty()).then_some(folder)
    }

    fn limits(&mut self, file: &FileLimits) -> Limits {
        Limits::default().replaced_by(&LimitsOverride {
            timeout: self.value("limits.timeout", file.timeout.as_ref(), parse_duration),
            cpu: self.value("limits.cpu", file.cpu.as_ref(), parse_duration),
            memory: self.value("limits.memory", file.memory.as_ref(), parse_size),
            input: self.value("limits.input", file.input.as_ref(), parse_size),
            output: self.value("limits.output", file.output.as_ref(), parse_size),
            http_response: self.value(
                "limits.httpResponse",
                file.http_response.as_ref(),
                parse_size,
            ),
            http_requests: self.count("limits.httpRequests", file.http_requests),
            concurrency: self.count("limits.concurrency", file.concurrency),
        })
    }

    fn count(&mut self, key: &str, count: Option<u32>) -> Option<u32> {
        if count == Some(0) {
            self.errors.push(format!(
                "{key}: 0 is no count: write a whole number above 0"
            ));
            return None;
        }
        count
    }

    fn value<T>(
        &mut self,
        key: &str,
        text: Option<&String>,
        parse: impl Fn(&str) -> Result<T, UnitError>,
    ) -> Option<T> {
        match parse(text?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(format!("{key}: {error}"));
                None
            }
        }
    }

    fn plugin_values(&self) -> BTreeMap<String, String> {
        let mut config = self.environment.beginning_with(VARIABLES_PREFIX);
        config.retain(|_, value| !value.is_empty());
        config
    }
}
