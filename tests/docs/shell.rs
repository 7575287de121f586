//! A shell beside a broker of its own, with background jobs that are known to be subscribed before the next command runs.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A program gives up after so many seconds, so that a lost message fails the test and does not hang it.
const DEADLINE_SECONDS: u32 = 30;

pub(crate) struct Shell {
    broker: Child,
    /// The broker lives as long as this is open.
    stdin: Option<ChildStdin>,
    folder: PathBuf,
    port: String,
    path: OsString,
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.broker.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Shell {
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("docs-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let culex = Path::new(env!("CARGO_BIN_EXE_culex"));
        let links = folder.join("bin");
        assert!(Command::new(culex).arg("links").arg(&links).status().unwrap().success());
        let mut folders = vec![links, culex.parent().unwrap().to_owned()];
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));

        let mut broker = Command::new(culex)
            .args(["broker", "--exec", "--", "sh", "-c", "echo \"$MQTT_PORT\"; cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(broker.stdout.take().unwrap()).read_line(&mut port).unwrap();
        for (kind, more) in [("foreground", ""), ("background", "-d\n")] {
            let options = folder.join(kind);
            fs::create_dir_all(&options).unwrap();
            let connection = format!("-h 127.0.0.1\n-p {port}");
            fs::write(options.join("mosquitto_pub"), &connection).unwrap();
            let listening = format!("{connection}-W {DEADLINE_SECONDS}\n{more}");
            fs::write(options.join("mosquitto_sub"), listening).unwrap();
        }
        let stdin = broker.stdin.take();
        let port = port.trim_end().to_owned();
        Self { broker, stdin, folder, port, path: std::env::join_paths(folders).unwrap() }
    }

    pub(crate) fn jobs(&self) -> Jobs<'_> {
        Jobs { shell: self, running: Vec::new() }
    }

    fn command(&self, text: &str, options: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", text]).env("PATH", &self.path).env("XDG_CONFIG_HOME", self.folder.join(options));
        command.env("MQTT_HOST", "127.0.0.1").env("MQTT_PORT", &self.port).env_remove("MQTT_URL");
        // What a command writes goes with the folder.
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }
}

/// The background jobs of a block, numbered from 1.
pub(crate) struct Jobs<'s> {
    shell: &'s Shell,
    running: Vec<(Child, BufReader<ChildStdout>)>,
}

impl Drop for Jobs<'_> {
    fn drop(&mut self) {
        for (child, _) in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Jobs<'_> {
    /// Runs one command and returns what it printed, errors included.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["wait"] => (1..=self.running.len()).map(|number| self.wait(number)).collect(),
            ["wait", job] => self.wait(number(job)),
            ["kill", "-9", job] => {
                let (child, _) = &mut self.running[number(job) - 1];
                child.kill().unwrap();
                child.wait().unwrap();
                String::new()
            }
            [.., "&"] => {
                self.listen(command.trim_end_matches(" &"));
                String::new()
            }
            _ => {
                let output =
                    self.shell.command(&format!("{{ {command}\n}} 2>&1"), "foreground").output().unwrap();
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
        }
    }

    /// Starts a subscriber and waits until it says, because of `-d`, that it is subscribed.
    fn listen(&mut self, command: &str) {
        let mut child = self.shell.command(&format!("exec {command} 2>&1"), "background").spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("Subscribed (mid") {
            line.clear();
            assert!(output.read_line(&mut line).unwrap() > 0, "{command} ended before it was subscribed");
        }
        self.running.push((child, output));
    }

    /// What the job printed besides the lines of `-d`.
    fn wait(&mut self, number: usize) -> String {
        let (child, output) = &mut self.running[number - 1];
        let mut printed = String::new();
        output.read_to_string(&mut printed).unwrap();
        child.wait().unwrap();
        printed.split_inclusive('\n').filter(|line| !line.starts_with("Client ")).collect()
    }
}

fn number(job: &str) -> usize {
    job.strip_prefix('%').unwrap().parse().unwrap()
}
