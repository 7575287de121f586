//! `culex-broker`: see `culex::commands`.

fn main() {}
