//! The seconds of a run as CSV (RFC 4180), one line each.

use crate::bench::result::RunResult;
use std::io::{self, Write};

/// Writes a line of names and one of values for each second of each phase; latencies in microseconds.
///
/// # Errors
///
/// When `out` fails.
pub fn write(results: &[RunResult], mut out: impl Write) -> io::Result<()> {
    writeln!(out, "run,phase,t,sent,received,p50_us,p99_us,max_us,cpu_pct")?;
    for result in results {
        for point in &result.series {
            let phase = format!("{:?}", point.phase).to_lowercase();
            writeln!(
                out,
                "{},{phase},{},{},{},{},{},{},{}",
                quoted(&result.run.id),
                point.t,
                point.sent,
                point.received,
                point.p50,
                point.p99,
                point.max,
                point.cpu_pct
            )?;
        }
    }
    out.flush()
}

/// A field that may come from a file.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::result::sample;

    #[test]
    fn every_second_is_a_line() {
        let mut result = sample::run();
        result.run.id = "a,\"b\"".into();
        let mut out = Vec::new();
        write(&[result], &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 36);
        assert_eq!(lines[1], "\"a,\"\"b\"\"\",warmup,0,50,50,154,179,179,44");
        assert!(lines[6].contains(",measure,5,"), "{}", lines[6]);
    }
}
