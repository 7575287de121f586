//! Child processes, and the signals that go to them.

use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitStatus;
use std::task::{Context, Poll};
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What asks a program to end or to read its configuration again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// SIGINT.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    HangUp,
    /// SIGUSR1.
    UserOne,
    /// SIGUSR2.
    UserTwo,
}

impl Request {
    const fn number(self) -> i32 {
        match self {
            Self::Interrupt => libc::SIGINT,
            Self::Terminate => libc::SIGTERM,
            Self::HangUp => libc::SIGHUP,
            Self::UserOne => libc::SIGUSR1,
            Self::UserTwo => libc::SIGUSR2,
        }
    }
}

/// The signals that a program answers itself, from the moment it has these.
#[derive(Debug)]
pub struct Signals {
    all: [(Request, Signal); 5],
}

impl Signals {
    /// Takes SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 over from the system. Must be called within a runtime.
    ///
    /// # Errors
    ///
    /// When the system does not let go of them.
    pub fn install() -> io::Result<Self> {
        let take =
            |request: Request| signal(SignalKind::from_raw(request.number())).map(|signal| (request, signal));
        let all = [
            take(Request::Interrupt)?,
            take(Request::Terminate)?,
            take(Request::HangUp)?,
            take(Request::UserOne)?,
            take(Request::UserTwo)?,
        ];
        Ok(Self { all })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Request {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Request> {
        for (request, signal) in &mut self.all {
            if signal.poll_recv(context).is_ready() {
                return Poll::Ready(*request);
            }
        }
        Poll::Pending
    }
}

/// A command that runs in place of its caller: it gets the caller's signals, and its status becomes the caller's.
#[derive(Debug)]
pub struct Deputy {
    child: Child,
}

impl Deputy {
    /// Starts `words`, the first of which is the program, with `environment` added and `folder` first on its PATH.
    ///
    /// # Errors
    ///
    /// As the system gives them: [`io::ErrorKind::NotFound`] for a program that does not exist, others for one that
    /// cannot be executed.
    pub fn start(
        words: &[OsString],
        environment: &[(&str, String)],
        folder: Option<&Path>,
    ) -> io::Result<Self> {
        let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let path = search_path(folder);
        // The program itself is looked up on the new PATH as well.
        let mut command = Command::new(program);
        command.args(arguments).env("PATH", path);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.spawn().map(|child| Self { child })
    }

    /// Hands the signals on until the command ends.
    ///
    /// # Errors
    ///
    /// When the system does not tell the status.
    pub async fn wait(mut self, signals: &mut Signals) -> io::Result<ExitStatus> {
        let process = self.child.id();
        let mut wait = std::pin::pin!(self.child.wait());
        loop {
            let ended = std::future::poll_fn(|context| {
                if let Poll::Ready(status) = Pin::as_mut(&mut wait).poll(context) {
                    return Poll::Ready(Ok(status));
                }
                signals.poll_next(context).map(Err)
            });
            match ended.await {
                Ok(status) => return status,
                Err(request) => process.into_iter().for_each(|process| forward(request, process)),
            }
        }
    }
}

/// A command for the shell, not started yet.
#[must_use]
pub fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    shell
}

/// Sends signal `number` to a child that runs; one that has ended is left alone.
pub fn send_signal(child: &Child, number: i32) {
    let Some(Ok(process)) = child.id().map(libc::pid_t::try_from) else {
        return;
    };
    // SAFETY: no memory is involved; the process is our own child, which has not been waited for.
    unsafe { libc::kill(process, number) };
}

/// The status as a shell tells it: the command's own, or 128 and the number of the signal that ended it.
#[must_use]
pub fn shell_status(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX)
}

/// Where programs are looked up: in `folder` first.
#[must_use]
pub fn search_path(folder: Option<&Path>) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folder.map(PathBuf::from).into_iter().chain(std::env::split_paths(&path));
    // A folder with a colon in its name cannot be on a PATH.
    std::env::join_paths(folders).unwrap_or(path)
}

fn forward(request: Request, process: u32) {
    if request == Request::Interrupt && is_in_foreground() {
        // The terminal has sent it to the command as well; twice would mean something else to many programs.
        return;
    }
    let Ok(process) = libc::pid_t::try_from(process) else {
        return;
    };
    // SAFETY: no memory is involved; the process is our own child, which has not been waited for.
    unsafe { libc::kill(process, request.number()) };
}

/// Whether a terminal sends its signals to our process group.
fn is_in_foreground() -> bool {
    // SAFETY: both calls take and give plain numbers.
    (0..3).any(|descriptor| unsafe { libc::tcgetpgrp(descriptor) == libc::getpgrp() })
}

/// The folder of the running program.
#[must_use]
pub fn program_folder() -> Option<PathBuf> {
    std::env::current_exe().ok()?.parent().map(Path::to_owned)
}

/// Raises the number of descriptors this process may have to what it is allowed to ask for.
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure outlives both calls; a limit that cannot be raised stays as it is.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// A process that went to the background and has not said yet whether it is up.
#[derive(Debug)]
pub struct Background {
    caller: File,
}

/// Forks: the child goes on in a session of its own, the caller's process waits until it is up.
///
/// To be called before there is a runtime, which does not survive it. The caller's process ends with status 0 after
/// [`Background::is_up`], with `failed` when the child ends without.
///
/// # Errors
///
/// As the system gives them.
pub fn go_to_background(failed: u8) -> io::Result<Background> {
    let (mut ours, caller) = io::pipe()?;
    // SAFETY: there is one thread and no runtime yet, so the child is as good as its parent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: takes and gives plain numbers; a new process is never a group's leader, so it does not fail.
            unsafe { libc::setsid() };
            Ok(Background { caller: File::from(OwnedFd::from(caller)) })
        }
        _ => {
            drop(caller);
            let is_up = ours.read(&mut [0]).is_ok_and(|count| count == 1);
            std::process::exit(if is_up { 0 } else { failed.into() });
        }
    }
}

impl Background {
    /// Lets the caller's process end, and go of the standard streams, which are its terminal's or somebody's pipe.
    ///
    /// # Errors
    ///
    /// When there is no `/dev/null`.
    pub fn is_up(mut self) -> io::Result<()> {
        let nothing = File::options().read(true).write(true).open("/dev/null")?;
        for stream in 0..3 {
            // SAFETY: both are open descriptors, and nobody holds one of the three as an owner.
            if unsafe { libc::dup2(nothing.as_raw_fd(), stream) } == -1 {
                return Err(io::Error::last_os_error());
            }
        }
        self.caller.write_all(b"u")
    }
}

/// Gives up root's rights for those of user `name`; without root's rights nothing happens.
///
/// # Errors
///
/// [`io::ErrorKind::NotFound`] when there is no such user; what the system says when it does not let us.
pub fn become_user(name: &str) -> io::Result<()> {
    // SAFETY: gives a plain number.
    if unsafe { libc::geteuid() } != 0 {
        return Ok(());
    }
    let text = std::ffi::CString::new(name)?;
    // SAFETY: the name ends with a zero, and one thread at a time starts a broker.
    let user = unsafe { libc::getpwnam(text.as_ptr()) };
    if user.is_null() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("there is no user '{name}'")));
    }
    // SAFETY: it was found, and nothing has asked for another user since.
    let (user, group) = unsafe { ((*user).pw_uid, (*user).pw_gid) };
    // SAFETY: the name ends with a zero; the rest are plain numbers. The user goes last, it may do none of the others.
    let is_done = unsafe {
        libc::initgroups(text.as_ptr(), group) == 0 && libc::setgid(group) == 0 && libc::setuid(user) == 0
    };
    if is_done { Ok(()) } else { Err(io::Error::last_os_error()) }
}
