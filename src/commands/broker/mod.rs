//! `broker`: serves until it is told to stop, or as long as a command runs.

mod environment;
mod log;
mod log_pipe;
mod memory;
mod persistence;
mod plan;
mod users;
#[cfg(feature = "check")]
mod watched;

use super::{complain, make_file};
use crate::broker::{self, Broker, Statistics};
use crate::compat::broker_status::CONFIGURATION_INVALID;
use crate::compat::broker_status::{EXEC_BROKER_FAILED, EXEC_NOT_EXECUTABLE, EXEC_NOT_FOUND, START_FAILED};
use crate::compat::mosquitto_conf::LogTypes;
use crate::compat::{broker_log, mosquitto_conf::Settings, users::random};
use crate::flags;
use crate::net::Clock;
use crate::net::process::{self, Background, Deputy, Request, Signals};
use crate::net::server::{Control, HandshakeFailure, ListenPlan, Listeners, Observer, Server};
use crate::net::tls::{CaFile, TlsServer};
use crate::time::Time;
use anyhow::Context as _;
use clap::Parser;
use environment::Environment;
use log::Log;
use memory::MemoryWatch;
use persistence::Persistence;
use plan::Plan;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::FromRawFd;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use users::{Gate, GateKeys, Users};

/// How many passwords are hashed at once; the others wait.
const HASHING_THREADS_MAX: usize = 4;

/// Runs `broker` with the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs `broker` with these arguments, of which the first is the name it was called by.
#[must_use]
pub fn run(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match flags::Broker::try_parse_from(argv) {
        Ok(flags) => flags,
        Err(error) => return plan::report_usage(&error).into(),
    };
    let is_exec = flags.exec;
    let failed = |status: u8| if is_exec { EXEC_BROKER_FAILED } else { status };
    let plan = match Plan::new(flags) {
        Ok(plan) => plan,
        Err(failure) => {
            complain(&failure.text);
            return failed(failure.status).into();
        }
    };
    if plan.flags.test_config {
        if let Err(text) = plan.check_files() {
            complain(&text);
            return CONFIGURATION_INVALID.into();
        }
        complain("Configuration file is OK.\n");
        return ExitCode::SUCCESS;
    }
    let background = match plan.flags.daemon.then(|| process::go_to_background(START_FAILED)).transpose() {
        Ok(background) => background,
        Err(error) => {
            complain(&format!("Error: Unable to go to the background: {error}\n"));
            return START_FAILED.into();
        }
    };
    match serve(plan, background) {
        Ok(status) => status.into(),
        Err(error) => {
            complain(&format!("Error: {error:#}\n"));
            failed(START_FAILED).into()
        }
    }
}

fn serve(plan: Plan, background: Option<Background>) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Passwords are hashed there, and one may wait for the end of the standard input.
        .max_blocking_threads(1 + HASHING_THREADS_MAX)
        .build()?;
    #[cfg(feature = "check")]
    if plan.flags.is_watched() {
        let status = runtime.block_on(watched::serve(plan));
        runtime.shutdown_background();
        return status;
    }
    let status = runtime.block_on(Running::serve(plan, background));
    // A thread may still wait for the standard input.
    runtime.shutdown_background();
    status
}

/// A broker that runs.
struct Running {
    plan: Plan,
    log: Log,
    control: Control,
    gate_keys: GateKeys,
    addresses: Vec<(usize, SocketAddr)>,
    environment: Environment,
    wall_clock: std::time::Duration,
    seed: u64,
    memory_limit: Arc<AtomicUsize>,
}

impl Running {
    async fn serve(plan: Plan, background: Option<Background>) -> anyhow::Result<u8> {
        // Before anything can be seen of us: whoever sees us may stop us.
        let mut signals = Signals::install()?;
        let clock = Clock::start();
        let log = Log::open(plan.settings.log.clone())?;
        tokio::spawn(log.clone().bring_late_lines());
        plan.announce(&log);
        let listeners = Listeners::bind(&plan.settings.listeners)?;
        let addresses = listeners.local_addresses();
        for (index, address) in &addresses {
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            let is_websocket = plan.settings.listeners[*index].websocket.is_some();
            let kind = if is_websocket { "websockets listen socket" } else { "listen socket" };
            let port = address.port();
            log.line(LogTypes::INFORMATION, &format!("Opening {family} {kind} on port {port}."));
        }
        if !plan.flags.exec {
            process::raise_descriptor_limit();
        }
        let wall_clock = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default()
            .saturating_sub(clock.now().since(Time::ZERO));
        let seed = uuid::Uuid::new_v4().as_u64_pair().0;
        let mut config = plan.settings.broker.clone();
        complete(&mut config, &addresses, wall_clock, seed);
        let mut broker = Broker::new(config.clone(), clock.now());
        let persistence = match &plan.settings.store {
            Some(store) => {
                let opened = Persistence::open(store.clone(), wall_clock, &log, &mut broker, clock.now())?;
                persistence::prepare(&mut config);
                broker.reconfigure(clock.now(), config);
                Some(opened)
            }
            None => None,
        };
        let secret = random().ok_or_else(|| anyhow::anyhow!("there is no randomness"))?;
        let gate = Gate::new(plan.users.clone(), secret);
        let gate_keys = gate.keys();
        let give_up = Arc::new(Notify::new());
        let memory_limit = Arc::new(AtomicUsize::new(plan.settings.memory_limit));
        let memory = MemoryWatch::new(Arc::clone(&memory_limit));
        let journal = Journal { log: log.clone(), gate, memory, persistence, give_up: Arc::clone(&give_up) };
        let server = Server::new(broker, listeners, clock, journal);
        let control = server.control();
        gate_keys.connect(control.clone());
        let task = tokio::spawn(server.run());
        log.line(
            LogTypes::INFORMATION,
            &format!("culex-broker version {} running", env!("CARGO_PKG_VERSION")),
        );
        let ca_file =
            plan.ephemeral.as_ref().map(|ephemeral| CaFile::write(&ephemeral.ca_pem)).transpose()?;
        let environment = environment::environment(&plan, &addresses, ca_file.as_ref().map(CaFile::path));
        let running =
            Self { plan, log, control, gate_keys, addresses, environment, wall_clock, seed, memory_limit };
        let _pid_file = PidFile::write(running.plan.settings.pid_file.as_deref())
            .context("Unable to write the pid file")?;
        tell_port(&running.plan, &running.addresses, &running.environment)?;
        if let Some(user) = &running.plan.settings.user {
            process::become_user(user).with_context(|| format!("Unable to become user {user}"))?;
        }
        background.map(Background::is_up).transpose()?;
        let status = if running.plan.flags.exec {
            run_command(&running.plan, &running.environment, &mut signals).await
        } else {
            tokio::select! {
                () = running.wait(&mut signals) => Ok(0),
                () = give_up.notified() => Err(anyhow::anyhow!("The store cannot be written")),
            }
        };
        running.control.stop();
        let ended = task.await;
        let version = env!("CARGO_PKG_VERSION");
        running.log.line(LogTypes::INFORMATION, &format!("culex-broker version {version} terminating"));
        running.log.finish().await;
        ended?;
        status
    }

    /// Waits for the signal to stop, or for the end of the standard input.
    async fn wait(&self, signals: &mut Signals) {
        let mut input = std::pin::pin!(end_of_input(self.plan.flags.until_eof));
        loop {
            tokio::select! {
                request = signals.next() => match request {
                    Request::Interrupt | Request::Terminate => return,
                    Request::HangUp => self.reload(),
                    Request::UserOne => self.control.inquire(),
                    Request::UserTwo => self.tell_log_fault(self.log.reopen()),
                },
                () = &mut input => return,
            }
        }
    }

    /// Reads the configuration again; one that is wrong changes nothing.
    fn reload(&self) {
        let Some(file) = &self.plan.flags.config_file else {
            return;
        };
        self.log.line(LogTypes::INFORMATION, "Reloading config.");
        let mut settings = match Settings::read(file) {
            Ok(settings) => settings,
            Err(error) => return self.log.line(LogTypes::ERROR, &error.to_string()),
        };
        if let Err(text) = plan::settle(&mut settings, &self.plan.flags, self.plan.ephemeral.as_ref()) {
            return self.log.line(LogTypes::ERROR, &text);
        }
        let warnings = plan::align(&mut settings, &self.plan.settings);
        let users = match Users::load(&mut settings, &self.plan.flags) {
            Ok(users) => users,
            Err(error) => return self.log.line(LogTypes::ERROR, &error.to_string()),
        };
        self.reload_certificates(&settings.listeners);
        self.tell_log_fault(self.log.go_on_with(settings.log));
        for warning in settings.warnings.iter().chain(&warnings) {
            self.log.line(LogTypes::WARNING, warning);
        }
        complete(&mut settings.broker, &self.addresses, self.wall_clock, self.seed);
        // Whether there is a store, and where, is settled with the start.
        if self.plan.settings.store.is_some() {
            persistence::prepare(&mut settings.broker);
        }
        self.memory_limit.store(settings.memory_limit, Ordering::Relaxed);
        self.control.reconfigure(settings.broker);
        self.gate_keys.replace(users);
    }

    fn tell_log_fault(&self, opened: io::Result<()>) {
        if let Err(error) = opened {
            self.log.line(LogTypes::ERROR, &format!("Error: Unable to open the log: {error}"));
        }
    }

    /// Reads the certificates of listeners again; connections that are open keep theirs.
    fn reload_certificates(&self, listeners: &[ListenPlan]) {
        for (index, listener) in listeners.iter().enumerate() {
            let Some(tls) = &listener.tls else { continue };
            match TlsServer::new(tls) {
                Ok(tls) => self.control.replace_tls(index, tls),
                Err(error) => {
                    self.log.line(LogTypes::ERROR, &format!("Error: Unable to reload certificates: {error}"));
                }
            }
        }
    }
}

/// Runs the command of `--exec`; its status becomes ours.
async fn run_command(plan: &Plan, environment: &Environment, signals: &mut Signals) -> anyhow::Result<u8> {
    let folder = process::program_folder();
    let command = &plan.flags.command;
    let deputy = match Deputy::start(command, environment, folder.as_deref()) {
        Ok(deputy) => deputy,
        Err(error) => {
            let name = command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
            complain(&format!("Error: Unable to run '{name}': {error}\n"));
            return Ok(match error.kind() {
                io::ErrorKind::NotFound => EXEC_NOT_FOUND,
                _ => EXEC_NOT_EXECUTABLE,
            });
        }
    };
    Ok(process::shell_status(deputy.wait(signals).await?))
}

/// Comes with the end of the standard input, if that is waited for; otherwise never.
async fn end_of_input(is_wanted: bool) {
    if !is_wanted {
        return std::future::pending().await;
    }
    // It takes a thread; a standard input that cannot be read is at its end.
    let read_all = || while io::stdin().read(&mut [0; 4096]).is_ok_and(|read| read > 0) {};
    let _ = tokio::task::spawn_blocking(read_all).await;
}

/// Tells the port where it is asked for.
fn tell_port(
    plan: &Plan,
    addresses: &[(usize, SocketAddr)],
    environment: &Environment,
) -> anyhow::Result<()> {
    let flags = &plan.flags;
    let port = addresses.first().map_or(0, |(_, address)| address.port());
    let line = format!("{port}\n");
    if let Some(path) = &flags.port_file {
        make_file(path, line.as_bytes())?;
    }
    if let Some(descriptor) = flags.ready_fd {
        // SAFETY: the user gave the descriptor for this use; if it is not open, writing fails.
        let mut file = unsafe { File::from_raw_fd(descriptor) };
        file.write_all(line.as_bytes())?;
    }
    if let Some(form) = flags.print_env {
        io::stdout().write_all(environment::print(environment, form).as_bytes())?;
        io::stdout().flush()?;
    } else if plan.is_free_port && !flags.exec {
        io::stdout().write_all(line.as_bytes())?;
        io::stdout().flush()?;
    }
    Ok(())
}

/// Adds what only the running program knows.
fn complete(
    config: &mut broker::Config,
    addresses: &[(usize, SocketAddr)],
    wall_clock: std::time::Duration,
    seed: u64,
) {
    config.wall_clock = wall_clock;
    config.seed = seed;
    for (listener, address) in addresses {
        if let Some(listener) = config.listeners.get_mut(*listener) {
            listener.port = address.port();
        }
    }
}

/// Writes the broker's facts to the log and its changes to the disk, and lets clients in.
#[derive(Debug)]
struct Journal {
    log: Log,
    gate: Gate,
    persistence: Option<Persistence>,
    /// Told when the store has failed for too long.
    give_up: Arc<Notify>,
    memory: MemoryWatch,
}

impl Observer for Journal {
    fn event(&mut self, now: Time, broker: &mut Broker, event: broker::Event) {
        match event {
            broker::Event::Journal(entry) => {
                let kind = broker_log::kind(&entry.fact);
                self.log.gather_entry(kind, &entry, |line| broker_log::write_entry(line, &entry));
            }
            broker::Event::Authenticate { connection, request } => {
                self.gate.judge(now, broker, connection, *request);
            }
            broker::Event::Change { sequence, change } => {
                if let Some(persistence) = &mut self.persistence {
                    persistence.record(sequence, &change);
                }
            }
        }
    }

    fn settle(&mut self, now: Time, broker: &mut Broker) {
        if let Some(persistence) = &mut self.persistence
            && !persistence.commit(now, broker)
        {
            self.give_up.notify_one();
        }
        if self.memory.look(now, broker) {
            self.log.gather(LogTypes::ERROR, |line| {
                line.push_str("Error: The memory limit is reached, new connections are closed.");
            });
        }
    }

    fn out_of_descriptors(&mut self, _: Time) {
        self.log.gather(LogTypes::ERROR, |line| {
            line.push_str("Error: Unable to accept new connection, too many open files.")
        });
    }

    fn handshake_failed(&mut self, _: Time, failure: &HandshakeFailure) {
        self.log.gather(LogTypes::NOTICE, |line| broker_log::write_handshake_failure(line, failure));
    }

    fn inquired(&mut self, statistics: &Statistics) {
        self.log.gather(LogTypes::INFORMATION, |line| broker_log::write_statistics(line, statistics));
    }

    fn turn_over(&mut self) {
        self.log.flush();
    }
}

/// The file with the process's number; gone when the broker is.
#[derive(Debug)]
struct PidFile<'a> {
    path: Option<&'a Path>,
}

impl<'a> PidFile<'a> {
    fn write(path: Option<&'a Path>) -> io::Result<Self> {
        if let Some(path) = path {
            fs::write(path, std::process::id().to_string())
                .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        }
        Ok(Self { path })
    }
}

impl Drop for PidFile<'_> {
    fn drop(&mut self) {
        let _ = self.path.map(fs::remove_file);
    }
}
