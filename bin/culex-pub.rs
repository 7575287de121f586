//! `culex-pub`: see `culex::commands`.

fn main() {}
