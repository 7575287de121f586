//! Flags about results: where they go, what must hold, and the subcommands that read them again.

use crate::bench::baseline::{self, Regression};
use crate::bench::threshold::{self, Condition};
use clap::{Args, Parser};
use std::path::PathBuf;

/// Where results go; `-` is the standard output.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Results")]
pub struct ResultFiles {
    /// Write the result as JSON (schema bench/1); - is the standard output
    #[arg(long, value_name = "file")]
    pub json: Option<PathBuf>,

    /// Write the result with its seconds and streams, for merge, report and compare
    #[arg(long, value_name = "file")]
    pub out: Option<PathBuf>,

    /// Write each second as a line of CSV
    #[arg(long, value_name = "file")]
    pub csv: Option<PathBuf>,

    /// Write the latencies of each second as an HdrHistogram log
    #[arg(long, value_name = "file")]
    pub hdr_log: Option<PathBuf>,

    /// Write one self-contained page with curves
    #[arg(long, value_name = "file")]
    pub html: Option<PathBuf>,

    /// Print without colours
    #[arg(long)]
    pub no_color: bool,
}

/// What must hold for the exit status to be 0.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Gates")]
pub struct Gates {
    /// Fail (status 4) unless this holds: 'p99<50ms,loss=0', 'rate>=0.99*asked', 'connect.p99<1s'
    ///
    /// Compares p50, p99.9, min, mean, max, stdev (also of service, ack, connect, tls, lag), rate, received_rate, loss,
    /// duplicate, reordered, unsent, foreign, errors and others with < <= > >= = !=. Unless it says otherwise, unsent=0 is
    /// implied.
    #[arg(long, value_name = "conditions")]
    pub fail: Vec<String>,

    /// Results of earlier runs to compare with; once for each file
    #[arg(long, value_name = "file", requires = "fail_regress")]
    pub baseline: Vec<PathBuf>,

    /// Fail (status 4) when a figure is worse than the baseline's by more than this: 'p99>10%,rate>5%'
    ///
    /// With two runs or more on both sides only when Welch's t-test finds a difference at 5 %.
    #[arg(long, value_name = "conditions", requires = "baseline")]
    pub fail_regress: Vec<String>,
}

impl Gates {
    /// The conditions of `--fail`.
    ///
    /// # Errors
    ///
    /// What is wrong, where, as a text of several lines.
    pub fn conditions(&self) -> Result<Vec<Condition>, String> {
        read_all("--fail", &self.fail, threshold::parse)
    }

    /// The conditions of `--fail-regress`.
    ///
    /// # Errors
    ///
    /// What is wrong, where, as a text of several lines.
    pub fn regressions(&self) -> Result<Vec<Regression>, String> {
        read_all("--fail-regress", &self.fail_regress, baseline::parse)
    }
}

/// What each of several flags of one name says, one after the other.
fn read_all<T>(
    flag: &str,
    texts: &[String],
    parse: fn(&str) -> Result<Vec<T>, threshold::ThresholdError>,
) -> Result<Vec<T>, String> {
    let mut all = Vec::new();
    for text in texts {
        all.extend(parse(text).map_err(|error| format!("{flag}: {error}"))?);
    }
    Ok(all)
}

/// Add the segments of one run to the result of the whole
#[derive(Clone, Debug, Parser)]
#[command(name = "culex-bench merge", disable_version_flag = true)]
pub struct BenchMerge {
    /// What each segment wrote with --out
    #[arg(required = true, value_name = "file")]
    pub files: Vec<PathBuf>,

    /// Merge in spite of other loads, missing or repeated segments, or starts more than a second apart, and mark the result
    #[arg(long)]
    pub force: bool,

    /// Where the whole goes.
    #[command(flatten)]
    pub output: ResultFiles,

    /// What must hold of it.
    #[command(flatten)]
    pub gates: Gates,
}

/// Show results again, in other forms, or against other gates
#[derive(Clone, Debug, Parser)]
#[command(name = "culex-bench report", disable_version_flag = true)]
pub struct BenchReport {
    /// What runs wrote with --out or --json
    #[arg(required = true, value_name = "file")]
    pub files: Vec<PathBuf>,

    /// Where the views go.
    #[command(flatten)]
    pub output: ResultFiles,

    /// What must hold.
    #[command(flatten)]
    pub gates: Gates,
}

/// Compare two runs, or two sets of repeated runs
#[derive(Clone, Debug, Parser)]
#[command(name = "culex-bench compare", disable_version_flag = true)]
pub struct BenchCompare {
    /// What is compared with: written by --out or --json, one run or several
    #[arg(value_name = "base")]
    pub base: PathBuf,

    /// What is compared
    #[arg(value_name = "new")]
    pub new: PathBuf,

    /// More runs on the side of the base; once for each file
    #[arg(long = "base", value_name = "file")]
    pub more_base: Vec<PathBuf>,

    /// More runs on the other side; once for each file
    #[arg(long = "new", value_name = "file")]
    pub more_new: Vec<PathBuf>,

    /// Fail (status 4) when a figure is worse by more than this: 'p99>10%,rate>5%'
    #[arg(long, value_name = "conditions")]
    pub fail_regress: Vec<String>,

    /// Write one self-contained page with the curves of both sides
    #[arg(long, value_name = "file")]
    pub html: Option<PathBuf>,
}

impl BenchCompare {
    /// The conditions of `--fail-regress`.
    ///
    /// # Errors
    ///
    /// What is wrong, where, as a text of several lines.
    pub fn regressions(&self) -> Result<Vec<Regression>, String> {
        read_all("--fail-regress", &self.fail_regress, baseline::parse)
    }
}
