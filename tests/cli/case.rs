//! Case files.
//!
//! ```text
//! contract: section and rule            what the case shows
//! also: debian                          mosquitto 2.0.11 agrees; not with `signal`, whose handler there takes locks and
//!                                       hangs now and then
//! without: psk                          only in builds without this cargo feature
//! program: mosquitto_pub                the name it is called by; `sh` finds our programs on its path
//! args: -p $PORT -t "a b"               words; may be repeated
//! env: NAME=value                       may be repeated
//! file: name                            a file in the working folder, whose lines follow
//! | line
//! stdin: text                           or lines behind `stdin:`; none is the null device
//! broker: serve                         takes everything; or script lines, see `broker.rs`; none by default
//! broker: culex                         our broker, a fresh one
//! before: mosquitto_pub -p $PORT ...    run to its end first, and must succeed; may be repeated
//! signal: TERM                          sent when the broker says so (`signal` in its script)
//! stdout:                               lines that follow; nothing by default
//! stderr:
//! seen:                                 what the broker was sent, a packet a line; not looked at by default
//! status: 0
//! ```
//!
//! `$PORT`, `$DIR` (the working folder), `$TLS` (the folder `tests/tls`) and, in expected texts, `$PID` stand for their values. A line `| ...` in an
//! expected text stands for any number of lines. Words know `"…"` and `'…'`; `\n`, `\t`, `\\`, `\"` and `\xNN` are
//! escapes in words, input and files. Input and files end with a line feed unless their last line ends in `\c`.

use std::path::Path;

#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) contract: String,
    pub(crate) also_debian: bool,
    pub(crate) without_psk: bool,
    pub(crate) program: String,
    pub(crate) args: Vec<Vec<u8>>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) broker: Option<Vec<String>>,
    pub(crate) with_culex_broker: bool,
    pub(crate) before: Vec<Vec<Vec<u8>>>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
    pub(crate) seen: Option<Vec<String>>,
    pub(crate) status: i32,
    pub(crate) signal: Option<String>,
}

impl Case {
    pub(crate) fn read(path: &Path) -> Self {
        let name = path.file_stem().unwrap().to_str().unwrap();
        Self::parse(name, &std::fs::read_to_string(path).unwrap())
    }

    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let mut case = Self { name: name.to_owned(), ..Self::default() };
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once(':').unwrap_or_else(|| panic!("{name}: {line:?}"));
            let value = value.trim();
            let mut block = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with('|')) {
                block.push(line.strip_prefix("| ").unwrap_or(&line[1..]).to_owned());
            }
            case.set(key, value, block);
        }
        case
    }

    fn set(&mut self, key: &str, value: &str, block: Vec<String>) {
        let name = &self.name;
        match key {
            "contract" => self.contract = value.to_owned(),
            "also" => self.also_debian = value == "debian",
            "without" => self.without_psk = value == "psk",
            "program" => self.program = value.to_owned(),
            "args" => self.args.extend(words(value)),
            "env" => {
                let (variable, value) = value.split_once('=').unwrap();
                self.env.push((variable.to_owned(), value.to_owned()));
            }
            "file" => self.files.push((value.to_owned(), content(&block))),
            "stdin" if block.is_empty() => self.stdin = Some(unescape(value)),
            "stdin" => self.stdin = Some(content(&block)),
            "broker" if value == "none" => {}
            "broker" if value == "culex" => self.with_culex_broker = true,
            "before" => self.before.push(words(value)),
            "broker" if block.is_empty() => self.broker = Some(vec![value.to_owned()]),
            "broker" => self.broker = Some(block),
            "stdout" => self.stdout = block,
            "stderr" => self.stderr = block,
            "seen" => self.seen = Some(block),
            "status" => self.status = value.parse().unwrap(),
            "signal" => self.signal = Some(value.to_owned()),
            _ => panic!("{name}: what is {key:?}?"),
        }
    }
}

fn content(lines: &[String]) -> Vec<u8> {
    let mut content = Vec::new();
    for line in lines {
        match line.strip_suffix("\\c") {
            Some(unended) => content.extend(unescape(unended)),
            None => {
                content.extend(unescape(line));
                content.push(b'\n');
            }
        }
    }
    content
}

fn words(text: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match quote {
            Some(open) if open == character => quote = None,
            Some(_) => word.get_or_insert_default().push(character),
            None if character == '"' || character == '\'' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character == ' ' => words.extend(word.take()),
            None => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words.iter().map(|word| unescape(word)).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'n' => b'\n',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}
