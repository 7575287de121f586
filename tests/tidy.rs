//! The rules of the tree that no compiler checks: who imports whom, purity of the core, sizes, dead files, doors, leftovers.
//!
//! Each rule is a function from files to complaints, and each has a test that shows it complaining. Exceptions from the sizes
//! are written above the function, or in the first lines of the file, as `// tidy: generated table` or
//! `// tidy: exhaustive match`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

#[path = "tidy/source.rs"]
mod source;

/// Each room and the rooms it may import; `lib` is `src/lib.rs` itself.
const ROOMS: [(&str, &[&str]); 14] = [
    ("time", &[]),
    ("packet", &["time"]),
    ("journal", &["time", "packet"]),
    ("output", &["time", "packet"]),
    ("session", &["time", "packet", "journal"]),
    ("broker", &["time", "packet", "journal", "session"]),
    ("fault", &["time", "packet", "journal", "output"]),
    ("net", &["time", "packet", "journal", "output", "session", "fault", "broker"]),
    ("test_broker", &["time", "packet", "journal", "output", "session", "fault", "broker", "net"]),
    ("bench", &["time", "packet", "journal", "output", "session", "fault", "broker", "net", "test_broker"]),
    ("check", &["time", "packet", "journal", "output", "session", "fault", "broker", "net", "test_broker"]),
    (
        "flags",
        &[
            "time",
            "packet",
            "journal",
            "output",
            "session",
            "fault",
            "broker",
            "net",
            "test_broker",
            "bench",
            "check",
        ],
    ),
    (
        "compat",
        &[
            "time",
            "packet",
            "journal",
            "output",
            "session",
            "fault",
            "broker",
            "net",
            "test_broker",
            "bench",
            "check",
            "flags",
        ],
    ),
    (
        "commands",
        &[
            "time",
            "packet",
            "journal",
            "output",
            "session",
            "fault",
            "broker",
            "net",
            "test_broker",
            "bench",
            "check",
            "flags",
            "compat",
        ],
    ),
];

const PURE_ROOMS: [&str; 6] = ["time", "packet", "journal", "fault", "session", "broker"];

/// What a pure room never names; a path counts with everything below it.
const IMPURE_PATHS: [&str; 14] = [
    "std::net",
    "std::thread",
    "std::fs",
    "std::process",
    "std::env",
    "std::io",
    "std::os",
    "tokio",
    "socket2",
    "libc",
    "rand",
    "mio",
    "anyhow",
    "clap",
];
const IMPURE_WORDS: [&str; 8] =
    ["Instant", "SystemTime", "println", "print", "eprintln", "eprint", "dbg", "new_v4"];

const FUNCTION_LINES_MAX: usize = 100;
const FILE_LINES_MAX: usize = 800;
const DOOR_LINES_MAX: usize = 20;
const SIZE_EXCEPTIONS: [&str; 2] = ["tidy: generated table", "tidy: exhaustive match"];

/// Text files of the project by their path from its root, with `/` between the parts.
type Tree = BTreeMap<String, String>;

fn project() -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tree = Tree::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            let skipped = ["target", ".git", "fuzz/target", "fuzz/corpus", "fuzz/artifacts", "shared"];
            if skipped.contains(&name.as_str())
                || name.ends_with("node_modules")
                || name.ends_with("__pycache__")
            {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                tree.insert(name, text);
            }
        }
    }
    tree
}

fn rust_files(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.iter().filter(|(path, _)| path.ends_with(".rs")).map(|(path, text)| (path.as_str(), text.as_str()))
}

/// `src/packet/topic.rs` is `["packet", "topic"]`; `src/packet/mod.rs` is `["packet"]`.
fn module_of(path: &str) -> Vec<String> {
    let name = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    name.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
}

fn sources(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    rust_files(tree).filter(|(path, _)| path.starts_with("src/") && *path != "src/lib.rs")
}

fn import_directions(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in sources(tree) {
        let module = module_of(path);
        let room = module[0].as_str();
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            complaints.push(format!("{path}: the room `{room}` is not in the list of tests/tidy.rs"));
            continue;
        };
        for found in source::paths(&source::tokens(text), &module) {
            let named = match found.segments.as_slice() {
                [first, named, ..] if first == "crate" => named.as_str(),
                _ => continue,
            };
            let is_room = ROOMS.iter().any(|(name, _)| *name == named);
            if is_room && named != room && !allowed.contains(&named) {
                complaints.push(format!("{path}:{}: `{room}` may not see `{}`", found.line, found.text()));
            }
        }
    }
    complaints
}

/// Token ranges of `#[cfg(test)] mod x { ... }`.
fn test_ranges(tokens: &[source::Token]) -> Vec<(usize, usize)> {
    source::modules(tokens)
        .into_iter()
        .filter(|module| module.test)
        .filter_map(|module| module.inside)
        .collect()
}

/// Files that are only compiled for tests: everything in `tests/`, and `#[cfg(test)] mod x;` in `src/`.
fn test_files(tree: &Tree) -> BTreeSet<String> {
    let mut found: BTreeSet<String> =
        rust_files(tree).map(|(path, _)| path.to_owned()).filter(|path| path.starts_with("tests/")).collect();
    for (path, text) in rust_files(tree) {
        for module in source::modules(&source::tokens(text)) {
            if module.test && module.inside.is_none() {
                found.extend(module_files(path, &module).into_iter().filter(|file| tree.contains_key(file)));
            }
        }
    }
    found
}

fn purity(tree: &Tree) -> Vec<String> {
    let test_files = test_files(tree);
    let mut complaints = Vec::new();
    for (path, text) in sources(tree) {
        let module = module_of(path);
        if !PURE_ROOMS.contains(&module[0].as_str()) || test_files.contains(path) {
            continue;
        }
        let tokens = source::tokens(text);
        let tests = test_ranges(&tokens);
        let in_tests = |at: usize| tests.iter().any(|(from, to)| (*from..*to).contains(&at));
        for found in source::paths(&tokens, &module).iter().filter(|found| !in_tests(found.token)) {
            let named = found.text();
            let impure_path = named != "std::io::IoSlice"
                && IMPURE_PATHS.iter().any(|path| named == *path || named.starts_with(&format!("{path}::")));
            let impure_word = found.segments.iter().any(|segment| IMPURE_WORDS.contains(&segment.as_str()));
            if impure_path || impure_word {
                complaints.push(format!(
                    "{path}:{}: `{}` is a pure room and may not use `{named}`",
                    found.line, module[0]
                ));
            }
        }
    }
    complaints
}

fn excepted(lines: &[&str]) -> bool {
    lines.iter().any(|line| SIZE_EXCEPTIONS.iter().any(|marker| line.contains(marker)))
}

fn sizes(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in rust_files(tree) {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES_MAX && !excepted(&lines[..12.min(lines.len())]) {
            complaints.push(format!("{path}: {} lines, {FILE_LINES_MAX} at most", lines.len()));
        }
        for function in source::functions(&source::tokens(text)) {
            let length = function.last_line - function.first_line + 1;
            let above = lines[..function.first_line - 1].iter().rev();
            let head: Vec<&str> = above
                .take_while(|line| line.trim().starts_with("//") || line.trim().starts_with('#'))
                .copied()
                .collect();
            if length > FUNCTION_LINES_MAX && !excepted(&head) {
                let at = function.first_line;
                complaints.push(format!(
                    "{path}:{at}: `{}` has {length} lines, {FUNCTION_LINES_MAX} at most",
                    function.name
                ));
            }
        }
    }
    complaints
}

/// Where the file of `module`, declared in `path`, may be.
fn module_files(path: &str, module: &source::Module) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    if let Some(own) = &module.path {
        let (mut folder, mut own) = (folder, own.as_str());
        while let Some(above) = own.strip_prefix("../") {
            folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
            own = above;
        }
        return vec![format!("{folder}/{own}")];
    }
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name).trim_end_matches(".rs");
    let is_root =
        ["mod", "lib", "main"].contains(&name) || path.matches('/').count() == 1 && !path.starts_with("src/");
    let base = if is_root { folder.to_owned() } else { format!("{folder}/{name}") };
    vec![format!("{base}/{}.rs", module.name), format!("{base}/{}/mod.rs", module.name)]
}

fn dead_files(tree: &Tree) -> Vec<String> {
    let manifest = tree.get("Cargo.toml").map_or("", String::as_str);
    let fuzz = tree.get("fuzz/Cargo.toml").map_or("", String::as_str);
    let is_root = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let depth = path.matches('/').count();
        match path.split('/').next() {
            Some("src") => path == "src/lib.rs",
            Some("bin") => manifest.contains(&format!("path = \"{path}\"")),
            Some("tests" | "benches" | "examples") => depth == 1 || depth == 2 && name == "main.rs",
            Some("fuzz") => fuzz.contains(&format!("path = \"{}\"", path.trim_start_matches("fuzz/"))),
            _ => path == "build.rs",
        }
    };
    let mut alive: BTreeSet<String> = BTreeSet::new();
    let mut waiting: Vec<String> =
        rust_files(tree).map(|(path, _)| path.to_owned()).filter(|path| is_root(path)).collect();
    while let Some(path) = waiting.pop() {
        let Some(text) = tree.get(&path) else { continue };
        for module in source::modules(&source::tokens(text)).iter().filter(|module| module.inside.is_none()) {
            waiting.extend(module_files(&path, module));
        }
        alive.insert(path);
    }
    rust_files(tree)
        .filter(|(path, _)| !alive.contains(*path))
        .map(|(path, _)| format!("{path}: no `mod` and no line of Cargo.toml leads here"))
        .collect()
}

fn doors(tree: &Tree) -> Vec<String> {
    rust_files(tree)
        .filter(|(path, _)| path.starts_with("bin/"))
        .filter(|(_, text)| text.lines().count() > DOOR_LINES_MAX)
        .map(|(path, text)| format!("{path}: {} lines; a program is a doorway", text.lines().count()))
        .collect()
}

fn machine_paths(tree: &Tree) -> Vec<String> {
    let folders = ["work", "root", "home", "Users"];
    let mut complaints = Vec::new();
    for (path, text) in tree {
        for (number, line) in text.lines().enumerate() {
            let after_slash = |at: usize| line[at + 1..].split('/').next().unwrap_or_default();
            let starts_path =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "./$}*".contains(c));
            let found = line.match_indices('/').any(|(at, _)| {
                starts_path(at) && folders.contains(&after_slash(at)) && line[at + 1..].contains('/')
            });
            if found {
                complaints.push(format!("{path}:{}: names a folder of one machine", number + 1));
            }
        }
    }
    complaints
}

fn leftovers(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for (path, text) in rust_files(tree) {
        let tokens = source::tokens(text);
        for next in tokens.windows(3) {
            let unfinished = ["todo", "unimplemented"].iter().any(|name| next[0].is_word(name));
            if unfinished && next[1].is('!') && !next[2].is('=') {
                complaints.push(format!("{path}:{}: unfinished", next[0].line));
            }
        }
        for (number, line) in text.lines().enumerate() {
            let comment = line.split_once("//").map_or("", |(_, comment)| comment);
            let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
            if marks.iter().any(|mark| comment.contains(mark)) {
                complaints.push(format!("{path}:{}: a note to do it later", number + 1));
            }
        }
    }
    complaints
}

/// A test waits for a signal: a line, a packet, an exit; never for the clock.
fn sleeps_in_tests(tree: &Tree) -> Vec<String> {
    let test_files = test_files(tree);
    let mut complaints = Vec::new();
    for (path, text) in rust_files(tree) {
        let tokens = source::tokens(text);
        let ranges = if test_files.contains(path) { vec![(0, tokens.len())] } else { test_ranges(&tokens) };
        for (from, to) in ranges {
            for token in tokens[from..to]
                .iter()
                .filter(|token| ["sleep", "sleep_until"].iter().any(|w| token.is_word(w)))
            {
                complaints.push(format!("{path}:{}: a test that sleeps", token.line));
            }
        }
    }
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".sh")) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split('#').next().unwrap_or_default();
            if code.split(|c: char| !c.is_alphanumeric()).any(|word| word == "sleep") {
                complaints.push(format!("{path}:{}: a script that sleeps", number + 1));
            }
        }
    }
    complaints
}

type Rule = fn(&Tree) -> Vec<String>;

const RULES: [(&str, Rule); 8] = [
    ("import directions", import_directions),
    ("purity", purity),
    ("sizes", sizes),
    ("dead files", dead_files),
    ("doors", doors),
    ("machine paths", machine_paths),
    ("leftovers", leftovers),
    ("sleeps in tests", sleeps_in_tests),
];

#[test]
fn the_tree_keeps_every_rule() {
    let tree = project();
    let complaints: Vec<String> = RULES
        .iter()
        .flat_map(|(name, rule)| rule(&tree).into_iter().map(move |complaint| format!("{name}: {complaint}")))
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn tree<const N: usize>(files: [(&str, &str); N]) -> Tree {
    files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
}

#[test]
fn an_import_to_the_right_is_found_however_it_is_written() {
    for text in [
        "use crate::broker::Broker;",
        "use crate::{packet::Text, broker};",
        "fn f() { crate::broker::Broker::new(); }",
        "mod tests { use super::super::super::broker; }",
        "use super::super::broker::Broker as B;",
    ] {
        assert_eq!(import_directions(&tree([("src/packet/topic.rs", text)])).len(), 1, "{text}");
    }
    let allowed =
        "use crate::{packet::Text, session::{self, Session}}; use super::broker_config; // use crate::net;";
    assert_eq!(import_directions(&tree([("src/broker/route.rs", allowed)])), Vec::<String>::new());
    assert_eq!(import_directions(&tree([("src/attic/mod.rs", "")])).len(), 1, "an unknown room");
    assert_eq!(
        import_directions(&tree([("src/journal/mod.rs", "use crate::output;")])).len(),
        1,
        "a neighbour"
    );
}

#[test]
fn an_impure_word_in_a_pure_room_is_found() {
    for text in [
        "use std::net::TcpStream;",
        "use std::{fmt, thread};",
        "use std::time::{Duration, Instant};",
        "fn f() { std::fs::read(\"x\"); }",
        "fn f() { println!(\"x\"); }",
        "use tokio::sync::mpsc;",
        "use std::io::{self, IoSlice};",
    ] {
        assert_eq!(purity(&tree([("src/session/mod.rs", text)])).len(), 1, "{text}");
        assert_eq!(purity(&tree([("src/net/mod.rs", text)])).len(), 0, "{text}");
    }
    let pure =
        "use std::{io::IoSlice, time::Duration}; #[cfg(test)] mod tests { fn f() { println!(\"x\"); } }";
    assert_eq!(purity(&tree([("src/session/mod.rs", pure)])), Vec::<String>::new());
}

#[test]
fn a_long_function_and_a_long_file_are_found_unless_marked() {
    let body = "    let x = 1;\n".repeat(FUNCTION_LINES_MAX - 1);
    let long = format!("fn long<T>(x: [u8; 2]) -> T where T: Into<u8> {{\n{body}}}\n");
    assert_eq!(sizes(&tree([("src/a.rs", &long)])).len(), 1);
    let short = long.replacen("    let x = 1;\n", "", 1);
    assert_eq!(sizes(&tree([("src/a.rs", &short)])).len(), 0);
    let marked = format!("// tidy: exhaustive match\n#[inline]\n{long}");
    assert_eq!(sizes(&tree([("src/a.rs", &marked)])).len(), 0);
    let rows = "// row\n".repeat(FILE_LINES_MAX);
    assert_eq!(sizes(&tree([("src/a.rs", &rows)])).len(), 0);
    assert_eq!(sizes(&tree([("src/a.rs", &format!("{rows}//\n"))])).len(), 1);
    assert_eq!(sizes(&tree([("src/a.rs", &format!("// tidy: generated table\n{rows}"))])).len(), 0);
}

#[test]
fn a_file_that_nothing_leads_to_is_found() {
    let alive = [
        ("src/lib.rs", "pub mod a; #[path = \"other.rs\"] mod b;"),
        ("src/a/mod.rs", "mod inner;"),
        ("src/a/inner.rs", "mod deep;"),
        ("src/a/inner/deep.rs", ""),
        ("src/other.rs", ""),
        ("tests/one.rs", "#[path = \"one/part.rs\"] mod part; mod support;"),
        ("tests/one/part.rs", ""),
        ("tests/support/mod.rs", ""),
    ];
    assert_eq!(dead_files(&tree(alive)), Vec::<String>::new());
    let mut dead = tree(alive);
    dead.insert("src/a/left.rs".into(), String::new());
    dead.insert("tests/one/left.rs".into(), String::new());
    dead.insert("bin/left.rs".into(), String::new());
    assert_eq!(dead_files(&dead).len(), 3);
    dead.insert("src/a/mod.rs".into(), "// mod inner;".into());
    assert_eq!(dead_files(&dead).len(), 5);
}

#[test]
fn a_wide_door_is_found() {
    let line = "// a\n";
    assert_eq!(doors(&tree([("bin/x.rs", &line.repeat(DOOR_LINES_MAX))])).len(), 0);
    assert_eq!(doors(&tree([("bin/x.rs", &line.repeat(DOOR_LINES_MAX + 1))])).len(), 1);
}

#[test]
fn a_machine_path_is_found() {
    let path = format!("see /{}/thing/notes", "work");
    assert_eq!(machine_paths(&tree([("README.md", &path)])).len(), 1);
    let fine = "docs/work/x, https://example.org/root/x, a/home/b, $HOME/x";
    assert_eq!(machine_paths(&tree([("README.md", fine)])), Vec::<String>::new());
}

#[test]
fn a_leftover_is_found() {
    assert_eq!(leftovers(&tree([("src/a.rs", "fn f() { todo!() }")])).len(), 1);
    assert_eq!(leftovers(&tree([("src/a.rs", concat!("fn f() {} // TO", "DO later"))])).len(), 1);
    assert_eq!(
        leftovers(&tree([("src/a.rs", "let text = \"todo!\"; let todo = 1; if todo != 2 {}")])).len(),
        1 - 1
    );
}

#[test]
fn a_sleep_in_a_test_is_found() {
    let sleeping = "fn f() { std::thread::sleep(second); }";
    assert_eq!(sleeps_in_tests(&tree([("tests/a.rs", sleeping)])).len(), 1);
    assert_eq!(sleeps_in_tests(&tree([("src/a.rs", sleeping)])).len(), 0);
    assert_eq!(
        sleeps_in_tests(&tree([("src/a.rs", &format!("#[cfg(test)]\nmod tests {{ {sleeping} }}"))])).len(),
        1
    );
    let in_a_file = [("src/lib.rs", "#[cfg(test)] mod a;"), ("src/a.rs", sleeping)];
    assert_eq!(sleeps_in_tests(&tree(in_a_file)).len(), 1);
    assert_eq!(sleeps_in_tests(&tree([("examples/a.sh", "sleep 1 # why")])).len(), 1);
    assert_eq!(sleeps_in_tests(&tree([("examples/a.sh", "echo # never sleep")])).len(), 0);
}
