//! The broker's exit statuses.

/// It could not start: a port in use, a file that cannot be written.
pub const START_FAILED: u8 = 1;

/// All went well, but something that `--assert` asks for is not so.
pub const ASSERTION_FAILED: u8 = 1;

/// Its flags or its configuration are wrong, as mosquitto has it.
pub const CONFIGURATION_INVALID: u8 = 3;

/// With `--exec`: the broker itself failed, for any reason, as `env` and `timeout` have it.
pub const EXEC_BROKER_FAILED: u8 = 125;

/// With `--exec`: the command is there but cannot be run.
pub const EXEC_NOT_EXECUTABLE: u8 = 126;

/// With `--exec`: there is no such command.
pub const EXEC_NOT_FOUND: u8 = 127;
