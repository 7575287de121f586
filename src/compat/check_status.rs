//! The exit statuses of `check`.

/// Something was not as it must be.
pub const FAILED: u8 = 1;

/// Flags or scenarios are wrong.
pub const USAGE: u8 = 2;

/// It could not be found out: the broker or a device did not start.
pub const ENVIRONMENT: u8 = 3;

/// All of it took too long.
pub const DEADLINE: u8 = 124;

/// Interrupted (SIGINT); teardown has run.
pub const INTERRUPTED: u8 = 130;

/// Terminated (SIGTERM); teardown has run.
pub const TERMINATED: u8 = 143;

/// The terminal was closed; teardown was run.
pub const HUNG_UP: u8 = 129;
