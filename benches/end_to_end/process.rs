//! Whose program, how it is started, and what it cost.

use std::{
    fs,
    io::{self, BufRead, BufReader},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Maker {
    Culex,
    Mosquitto,
}

impl Maker {
    /// `culex pub` and `mosquitto_pub`; `culex sub` and `mosquitto_sub`.
    pub(crate) fn client(self, verb: &str, port: u16) -> Command {
        let mut command = match self {
            Self::Culex => Command::new(match verb {
                "pub" => env!("CARGO_BIN_EXE_culex-pub"),
                _ => env!("CARGO_BIN_EXE_culex-sub"),
            }),
            Self::Mosquitto => Command::new(format!("mosquitto_{verb}")),
        };
        command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-t", "bench"]);
        command
    }
}

/// What `mosquitto -h` calls itself, if it and its clients are there.
pub(crate) fn mosquitto_version() -> Option<String> {
    let output = Command::new("mosquitto_pub").arg("--version").output().ok()?;
    Command::new(mosquitto()).arg("-h").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.split_whitespace().nth(2)?.to_owned())
}

/// Debian installs it where only root's PATH leads.
fn mosquitto() -> PathBuf {
    let system = PathBuf::from("/usr/sbin/mosquitto");
    if system.exists() { system } else { "mosquitto".into() }
}

/// Raises the soft limit of open files to the hard one, for this process and its children.
pub(crate) fn allow_many_descriptors() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid pointer to a `rlimit` that outlives them.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

/// Waits for `child` and returns the CPU seconds that it used.
pub(crate) fn wait_for_cpu(child: Child) -> f64 {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    let mut status = 0;
    // SAFETY: all zeros is a valid `rusage`; the pointers are valid for the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(
            libc::wait4(pid, &raw mut status, 0, &raw mut usage),
            pid,
            "{}",
            io::Error::last_os_error()
        );
        usage
    };
    assert_eq!(status, 0, "the program ended with wait status {status:#x}");
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// A broker that listens on a port of its own.
pub(crate) struct Broker {
    child: Child,
    pub(crate) port: u16,
}

impl Broker {
    pub(crate) fn start(maker: Maker) -> Self {
        Self::configured(maker, "")
    }

    /// With further options for its listener and all of it.
    pub(crate) fn configured(maker: Maker, options: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = std::env::temp_dir().join(format!("culex-bench-{}-{port}.conf", std::process::id()));
        // Without a bound on the queues: what is measured is the work, not the drop policy.
        // libwebsockets wants the name of an interface where an address could stand.
        let host = if options.contains("websockets") { "" } else { " 127.0.0.1" };
        let text = format!(
            "listener {port}{host}\nallow_anonymous true\nmax_queued_messages 0\nlog_type error\nlog_type information\n{options}"
        );
        fs::write(&file, text).unwrap();
        let mut command = match maker {
            Maker::Culex => Command::new(env!("CARGO_BIN_EXE_culex-broker")),
            Maker::Mosquitto => Command::new(mosquitto()),
        };
        let mut child = command.arg("-c").arg(&file).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("running") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the broker of {maker:?} did not start");
        }
        std::thread::spawn(move || io::copy(&mut log, &mut io::sink()));
        fs::remove_file(&file).unwrap();
        drop(TcpStream::connect(("127.0.0.1", port)).unwrap());
        Self { child, port }
    }

    /// CPU seconds of all its threads so far, in the nanoseconds of the scheduler.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds: f64 = tasks
            .map(|task| fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap())
            .map(|text| text.split_whitespace().next().unwrap().parse::<f64>().unwrap())
            .sum();
        nanoseconds * 1e-9
    }

    /// Resident memory.
    pub(crate) fn resident_kibibytes(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
