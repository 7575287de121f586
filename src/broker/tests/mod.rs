//! Rules of the broker, each shown on packets that go in and packets that come out.

mod rig;

mod authentication;
mod bounds;
mod change_log;
mod delivery;
mod mount_points;
mod sessions;
mod shared;
