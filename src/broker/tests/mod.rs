//! Rules of the broker, each shown on packets that go in and packets that come out.

mod rig;

mod delivery;
mod sessions;
