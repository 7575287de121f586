//! Other forms of a result, for other programs and for browsers.

pub mod csv;
pub mod hdr_log;
pub mod html;
pub mod prometheus;
