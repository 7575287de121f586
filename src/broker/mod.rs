//! The broker without sockets: many connections, one state machine.
