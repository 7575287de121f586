//! `culex-sub`: see `culex::commands`.

fn main() {}
