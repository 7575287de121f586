//! `culex`: see `culex::commands`.

fn main() {}
