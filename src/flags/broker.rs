//! The broker's own flags.

use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;

/// An MQTT 5, 3.1.1 and 3.1 broker for tests
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "culex-broker", version, args_override_self = true)]
#[allow(clippy::struct_excessive_bools)] // each is a flag
pub struct Broker {
    /// Configuration file, in mosquitto.conf's syntax
    #[arg(short, long, value_name = "file")]
    pub config_file: Option<PathBuf>,

    /// Listen on this port of the loopback addresses, unless the configuration defines a listener; 0 takes a free one
    /// and prints it
    #[arg(short, long, value_name = "port")]
    pub port: Option<u16>,

    /// Go to the background once the configuration has been read
    #[arg(short, long)]
    pub daemon: bool,

    /// Log everything, whatever the configuration says
    #[arg(short, long)]
    pub verbose: bool,

    /// Log nothing, whatever the configuration says
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Read the configuration, say whether it is right, and end
    #[arg(long)]
    pub test_config: bool,

    /// Write the port to this file once it accepts
    #[arg(long, value_name = "file")]
    pub port_file: Option<PathBuf>,

    /// Write the port to this descriptor once it accepts, and close it
    #[arg(long, value_name = "descriptor", value_parser = clap::value_parser!(i32).range(1..))]
    pub ready_fd: Option<i32>,

    /// End when the standard input does
    #[arg(long)]
    pub until_eof: bool,

    /// Run the command behind `--` with a broker of its own on a free port, and end with its status
    ///
    /// The command finds the broker in `MQTT_HOST`, `MQTT_PORT` and `MQTT_URL`, and these programs first on its PATH.
    #[arg(long, requires = "command", conflicts_with_all = ["daemon", "until_eof", "test_config"])]
    pub exec: bool,

    /// The command for `--exec`, and its arguments
    #[arg(last = true, value_name = "command", requires = "exec")]
    pub command: Vec<OsString>,
}
