//! A client's side of MQTT: one session over one connection after another, without a socket or a clock.
