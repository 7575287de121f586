//! The exit statuses of `check health`.

/// A message went to the broker and came back.
pub const HEALTHY: u8 = 0;

/// It did not, or took longer than `--crit`.
pub const UNHEALTHY: u8 = 1;

/// Flags or files are wrong.
pub const USAGE: u8 = 2;

/// To Nagios: it came back, but took longer than `--warn`.
pub const NAGIOS_WARNING: u8 = 1;

/// To Nagios: it did not, or took longer than `--crit`.
pub const NAGIOS_CRITICAL: u8 = 2;

/// To Nagios: flags or files are wrong, so nothing is known.
pub const NAGIOS_UNKNOWN: u8 = 3;
