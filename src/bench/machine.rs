//! What the machine says of itself and of this process.

use std::fs;

/// Resident memory of this process in bytes; 0 where the system does not tell.
#[must_use]
pub fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Name and release of the kernel.
#[must_use]
pub fn kernel() -> String {
    let name = rustix::system::uname();
    format!("{} {}", name.sysname().to_string_lossy(), name.release().to_string_lossy())
}

/// The name of the machine.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Processors that this process may use.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Ticks of all processors together: stolen by the host of a virtual machine, and all.
#[must_use]
pub fn stolen_ticks() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    parse_stolen(&stat)
}

fn parse_stolen(stat: &str) -> (u64, u64) {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).take(8).filter_map(|tick| tick.parse().ok()).collect();
    (ticks.get(7).copied().unwrap_or(0), ticks.iter().sum())
}

/// Local ports that the system hands out for outgoing connections.
#[must_use]
pub fn ephemeral_ports() -> u32 {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    parse_ports(&range).unwrap_or(28_232)
}

fn parse_ports(range: &str) -> Option<u32> {
    let mut numbers = range.split_whitespace().filter_map(|number| number.parse::<u32>().ok());
    let (first, last) = (numbers.next()?, numbers.next()?);
    (last >= first).then(|| last - first + 1)
}

/// Raises the soft limit of descriptors as far as `wanted`, or as the hard limit allows; the limit then.
#[must_use]
pub fn raise_descriptors(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let raised = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    }
}

/// Keeps the calling thread to one of the processors that this process may use: the `number`-th, counted round.
///
/// # Errors
///
/// What the system says, and where it knows no such thing.
#[cfg(target_os = "linux")]
pub fn pin(number: usize) -> std::io::Result<()> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None)?;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let mut one = CpuSet::new();
    one.set(all[number % all.len().max(1)]);
    Ok(sched_setaffinity(None, &one)?)
}

/// As on Linux, where alone threads can be kept to a processor.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn pin(_number: usize) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_is_the_eighth_column() {
        let stat = "cpu  10 20 30 40 50 60 70 80 900 900\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(parse_stolen(stat), (80, 360), "guest time is in user time already");
        assert_eq!(parse_stolen(""), (0, 0));
    }

    #[test]
    fn range_of_ports_includes_both_ends() {
        assert_eq!(parse_ports("32768\t60999\n"), Some(28_232));
        assert_eq!(parse_ports("9 8"), None);
        assert_eq!(parse_ports(""), None);
    }

    #[test]
    fn this_process_has_memory_and_a_kernel() {
        assert!(resident_bytes() > 100_000);
        assert!(!kernel().trim().is_empty());
    }
}
