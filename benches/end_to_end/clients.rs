//! The clients: `pub -l` into a server that counts, `sub` from one that pours, and a whole `pub -m`.

use crate::{
    Case, Sample, Unit,
    process::{Maker, wait_for_cpu},
    wire::{self, Input, PAYLOAD_BYTES},
};
use std::{
    env,
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Stdio,
    thread,
    time::Instant,
};

const LINES: u64 = 1_000_000;
/// As many as mosquitto_pub 2.0.11 delivers at QoS 1 and 2 before it leaves.
const FEW_LINES: u64 = 5_000;
const STARTS: u64 = 100;

pub(crate) fn cases() -> Vec<Case> {
    let publish = |name, qos, count| Case {
        name,
        unit: Unit::MicrosecondsOfCpu,
        run: Box::new(move |maker| lines(maker, qos, count)),
    };
    let print = |name, format| Case {
        name,
        unit: Unit::MicrosecondsOfCpu,
        run: Box::new(move |maker| print(maker, format)),
    };
    vec![
        publish("`pub -l`, a million lines, QoS 0", "0", LINES),
        publish("`pub -l`, a million lines, QoS 1", "1", LINES),
        publish("`pub -l`, a million lines, QoS 2", "2", LINES),
        publish("`pub -l`, 5,000 lines, QoS 1", "1", FEW_LINES),
        publish("`pub -l`, 5,000 lines, QoS 2", "2", FEW_LINES),
        print("`sub` printing a million messages", None),
        print("`sub -F %j` printing a million messages", Some("%j")),
        Case { name: "`pub -m`, start to exit", unit: Unit::Milliseconds, run: Box::new(start_to_exit) },
    ]
}

/// Accepts one client after another until `clients` have left; `serve` gets each and returns what it counted.
fn server(clients: u64, serve: fn(TcpStream) -> u64) -> (u16, thread::JoinHandle<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || (0..clients).map(|_| serve(listener.accept().unwrap().0)).sum()))
}

/// Answers everything and counts the PUBLISH packets, each of which must carry the next number.
fn count_lines(stream: TcpStream) -> u64 {
    serve(stream, |number, payload| assert_eq!(payload, wire::numbered(number), "lost or out of order"), 0)
}

fn count_messages(stream: TcpStream) -> u64 {
    serve(stream, |_, _| {}, 0)
}

/// Answers a SUBSCRIBE with a million messages at once.
fn pour(stream: TcpStream) -> u64 {
    serve(stream, |_, _| {}, LINES)
}

fn serve(mut stream: TcpStream, check: fn(u64, &[u8]), to_pour: u64) -> u64 {
    stream.set_nodelay(true).unwrap();
    let (mut input, mut output, mut count) = (Input::default(), Vec::new(), 0);
    // A client may leave with what it did not read; the count tells whether that was too early.
    while input.fill(&mut stream).unwrap_or(0) > 0 {
        while let Some(packet) = input.next() {
            match packet.kind {
                1 => output.extend([0x20, 2, 0, 0]),
                3 => {
                    check(count, packet.payload());
                    count += 1;
                }
                8 => {
                    output.extend([0x90, 3, packet.body[0], packet.body[1], 0]);
                    for number in 0..to_pour {
                        wire::publish(&mut output, 0, 0, wire::numbered(number));
                    }
                }
                12 => output.extend([0xD0, 0]),
                _ => {}
            }
            if let Some(answer) = packet.answer() {
                output.extend(answer);
            }
        }
        if stream.write_all(&output).is_err() {
            break;
        }
        output.clear();
    }
    count
}

/// Where the lines for `pub -l` are.
pub(crate) fn lines_path() -> PathBuf {
    env::temp_dir().join(format!("culex-bench-{}-lines", std::process::id()))
}

/// So many numbered lines.
fn lines_file(count: u64) -> PathBuf {
    let file = lines_path();
    let line_bytes = PAYLOAD_BYTES as u64 + 1;
    if fs::metadata(&file).map_or(0, |file| file.len()) != count * line_bytes {
        let text: Vec<u8> =
            (0..count).flat_map(|number| wire::numbered(number).into_iter().chain([b'\n'])).collect();
        fs::write(&file, text).unwrap();
    }
    file
}

fn sample(cpu: f64, begin: Instant, count: u64, arrived: u64) -> Sample {
    let wall = begin.elapsed().as_secs_f64();
    let lost = (arrived < count).then(|| format!("only {arrived} of {count} arrived"));
    Sample { value: cpu * 1e6 / arrived as f64, per_second: Some(arrived as f64 / wall), lost }
}

fn lines(maker: Maker, qos: &str, count: u64) -> Sample {
    let (port, counted) = server(1, count_lines);
    let mut command = maker.client("pub", port);
    command.args(["-l", "-q", qos]).stdin(File::open(lines_file(count)).unwrap());
    let begin = Instant::now();
    let cpu = wait_for_cpu(command.spawn().unwrap());
    sample(cpu, begin, count, counted.join().unwrap())
}

fn print(maker: Maker, format: Option<&str>) -> Sample {
    let (port, _poured) = server(1, pour);
    let mut command = maker.client("sub", port);
    command.args(["-C", &LINES.to_string()]).stdout(Stdio::piped());
    if let Some(format) = format {
        command.args(["-F", format]);
    }
    let begin = Instant::now();
    let mut child = command.spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let (mut block, mut printed) = (vec![0; 1 << 16], 0);
    loop {
        let count = output.read(&mut block).unwrap();
        if count == 0 {
            break;
        }
        printed += block[..count].iter().filter(|&&byte| byte == b'\n').count() as u64;
    }
    let cpu = wait_for_cpu(child);
    assert_eq!(printed, LINES, "{maker:?} sub did not print every message");
    sample(cpu, begin, LINES, LINES)
}

/// The mean of a hundred, since one is too short for the clock of a busy machine.
fn start_to_exit(maker: Maker) -> Sample {
    let (port, counted) = server(STARTS, count_messages);
    let mut command = maker.client("pub", port);
    command.args(["-m", "hello"]);
    let begin = Instant::now();
    for _ in 0..STARTS {
        wait_for_cpu(command.spawn().unwrap());
    }
    let value = begin.elapsed().as_secs_f64() * 1e3 / STARTS as f64;
    assert_eq!(counted.join().unwrap(), STARTS);
    Sample { value, per_second: None, lost: None }
}
