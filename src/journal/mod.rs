//! Typed events of what happened on a connection, for logs, journals and tests.
