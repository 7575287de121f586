//! The outcome of a health check in each of its forms.

use crate::compat::health_status;
use crate::flags::{HealthFormat, HealthPlan};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::time::Duration;

/// What is done, in this order.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Step {
    Connect,
    Subscribe,
    RoundTrip,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Subscribe => "subscribe",
            Self::RoundTrip => "round_trip",
        }
    }

    /// What one waits for in it.
    pub(super) const fn awaited(self) -> &'static str {
        match self {
            Self::Connect => "the connection",
            Self::Subscribe => "the subscription",
            Self::RoundTrip => "the message",
        }
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Health {
    Ok,
    Warning,
    Critical,
}

/// What was found out.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// The steps that were taken, with their times.
    pub(super) steps: Vec<(Step, Duration)>,
    /// Why the next one could not be.
    pub(super) fault: Option<String>,
}

impl Outcome {
    fn total(&self) -> Duration {
        self.steps.iter().map(|(_, time)| *time).sum()
    }

    pub(super) fn health(&self, plan: &HealthPlan) -> Health {
        let total = self.total();
        if self.fault.is_some() || plan.crit.is_some_and(|crit| total > crit) {
            Health::Critical
        } else if plan.warn.is_some_and(|warn| total > warn) {
            Health::Warning
        } else {
            Health::Ok
        }
    }

    /// Why it is not well, in words.
    fn reason(&self, plan: &HealthPlan) -> Option<String> {
        if let Some(fault) = &self.fault {
            return Some(fault.clone());
        }
        let (flag, threshold) = match self.health(plan) {
            Health::Ok => return None,
            Health::Warning => ("--warn", plan.warn),
            Health::Critical => ("--crit", plan.crit),
        };
        Some(format!(
            "it took {} in all, {flag} is {}",
            shown(self.total()),
            shown(threshold.unwrap_or_default())
        ))
    }

    /// What is printed on the standard output, and what on the standard error.
    pub(super) fn render(&self, plan: &HealthPlan, format: HealthFormat) -> (String, String) {
        match format {
            HealthFormat::Text => self.text(plan),
            HealthFormat::Nagios => (self.nagios(plan), String::new()),
            HealthFormat::Prometheus => (self.prometheus(plan), String::new()),
            HealthFormat::Json => (format!("{}\n", self.json(plan)), String::new()),
        }
    }

    fn text(&self, plan: &HealthPlan) -> (String, String) {
        let address = &plan.address;
        match (self.health(plan), self.reason(plan)) {
            (Health::Critical, reason) => {
                (String::new(), format!("Error: {address}: {}.\n", reason.unwrap_or_default()))
            }
            (Health::Warning, Some(reason)) => (
                format!("{address} is slow: {}\n", self.listed()),
                format!("Warning: {address}: {reason}.\n"),
            ),
            (Health::Ok | Health::Warning, _) => {
                (format!("{address} is healthy: {}\n", self.listed()), String::new())
            }
        }
    }

    /// The times of the steps, for people.
    fn listed(&self) -> String {
        let of = |(step, time): &(Step, Duration)| {
            let what = match step {
                Step::Connect => "connected",
                Step::Subscribe => "subscribed",
                Step::RoundTrip => "message back",
            };
            format!("{what} in {}", shown(*time))
        };
        self.steps.iter().map(of).collect::<Vec<_>>().join(", ")
    }

    /// The line of a plugin: state, text, and behind the bar the performance data.
    fn nagios(&self, plan: &HealthPlan) -> String {
        let state = match self.health(plan) {
            Health::Ok => "OK",
            Health::Warning => "WARNING",
            Health::Critical => "CRITICAL",
        };
        let text = match (self.reason(plan), self.listed()) {
            (Some(reason), _) => reason,
            (None, listed) => listed,
        };
        // The bar would end the text.
        let mut line = format!("MQTT {state} - {}: {}", plan.address, text).replace(['|', '\n'], " ");
        if self.fault.is_none() {
            let bound = |time: Option<Duration>| time.map(seconds).unwrap_or_default();
            let (total, warn, crit) = (seconds(self.total()), bound(plan.warn), bound(plan.crit));
            let _ = write!(line, " | total={total}s;{warn};{crit};0;{}", seconds(plan.timeout));
            for (step, time) in &self.steps {
                let _ = write!(line, " {}={}s", step.name(), seconds(*time));
            }
        }
        line.push('\n');
        line
    }

    fn prometheus(&self, plan: &HealthPlan) -> String {
        let escaped = plan.address.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let broker = format!("broker=\"{escaped}\"");
        let up = u8::from(self.fault.is_none());
        let level = match self.health(plan) {
            Health::Ok => 0,
            Health::Warning => 1,
            Health::Critical => 2,
        };
        let mut text = format!(
            "# HELP culex_health_up Whether a message went to the broker and came back.\n\
             # TYPE culex_health_up gauge\n\
             culex_health_up{{{broker}}} {up}\n\
             # HELP culex_health_level 0 is well, 1 slower than --warn, 2 broken or slower than --crit.\n\
             # TYPE culex_health_level gauge\n\
             culex_health_level{{{broker}}} {level}\n"
        );
        if !self.steps.is_empty() {
            text.push_str(
                "# HELP culex_health_step_seconds How long each step took.\n\
                 # TYPE culex_health_step_seconds gauge\n",
            );
        }
        for (step, time) in &self.steps {
            let _ = writeln!(
                text,
                "culex_health_step_seconds{{{broker},step=\"{}\"}} {}",
                step.name(),
                seconds(*time)
            );
        }
        text
    }

    fn json(&self, plan: &HealthPlan) -> Value {
        let status = match self.health(plan) {
            Health::Ok => "ok",
            Health::Warning => "warning",
            Health::Critical => "critical",
        };
        let mut object = Map::new();
        object.insert("status".to_owned(), json!(status));
        object.insert("broker".to_owned(), json!(plan.address));
        object.insert("topic".to_owned(), json!(plan.topic.as_str()));
        object.insert("qos".to_owned(), json!(plan.qos as u8));
        for (step, time) in &self.steps {
            object.insert(format!("{}_seconds", step.name()), json!(time.as_secs_f64()));
        }
        if self.fault.is_none() {
            object.insert("total_seconds".to_owned(), json!(self.total().as_secs_f64()));
        }
        if let Some(reason) = self.reason(plan) {
            object.insert("reason".to_owned(), json!(reason));
        }
        Value::Object(object)
    }

    /// The exit status.
    pub(super) fn status(&self, plan: &HealthPlan, format: HealthFormat) -> u8 {
        match (self.health(plan), format) {
            (Health::Ok, _) => health_status::HEALTHY,
            (Health::Warning, HealthFormat::Nagios) => health_status::NAGIOS_WARNING,
            (Health::Critical, HealthFormat::Nagios) => health_status::NAGIOS_CRITICAL,
            (Health::Warning, _) => health_status::HEALTHY,
            (Health::Critical, _) => health_status::UNHEALTHY,
        }
    }
}

/// Milliseconds, or seconds from one on.
fn shown(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}

/// Seconds to the microsecond, without needless zeros.
fn seconds(time: Duration) -> String {
    let text = format!("{:.6}", time.as_secs_f64());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::Draft;

    fn plan(warn: Option<u64>, crit: Option<u64>) -> HealthPlan {
        let plan = HealthPlan::new(&Draft::default(), "x", 1).unwrap();
        let millis = |time: Option<u64>| time.map(Duration::from_millis);
        HealthPlan { address: "h:1883".to_owned(), warn: millis(warn), crit: millis(crit), ..plan }
    }

    fn outcome(fault: Option<&str>) -> Outcome {
        let times = [(Step::Connect, 2_000), (Step::Subscribe, 500), (Step::RoundTrip, 1_250)];
        let count = if fault.is_some() { 1 } else { times.len() };
        let steps = times[..count].iter().map(|(step, micros)| (*step, Duration::from_micros(*micros)));
        Outcome { steps: steps.collect(), fault: fault.map(str::to_owned) }
    }

    #[test]
    fn the_time_in_all_is_held_against_both_thresholds() {
        let health = |warn, crit| outcome(None).health(&plan(warn, crit));
        assert_eq!(health(None, None), Health::Ok);
        assert_eq!(health(Some(4), Some(5)), Health::Ok);
        assert_eq!(health(Some(3), Some(4)), Health::Warning);
        assert_eq!(health(Some(2), Some(3)), Health::Critical);
        assert_eq!(outcome(Some("gone")).health(&plan(None, None)), Health::Critical);
    }

    #[test]
    fn only_nagios_has_a_status_for_slow() {
        let status = |outcome: &Outcome, format| outcome.status(&plan(Some(1), None), format);
        for (format, slow, broken) in [
            (HealthFormat::Nagios, 1, 2),
            (HealthFormat::Text, 0, 1),
            (HealthFormat::Json, 0, 1),
            (HealthFormat::Prometheus, 0, 1),
        ] {
            assert_eq!(status(&outcome(None), format), slow, "{format:?}");
            assert_eq!(status(&outcome(Some("gone")), format), broken, "{format:?}");
        }
    }

    #[test]
    fn people_read_what_took_how_long() {
        let text = |outcome: &Outcome, plan: &HealthPlan| outcome.render(plan, HealthFormat::Text);
        let listed = "connected in 2.00 ms, subscribed in 0.50 ms, message back in 1.25 ms\n";
        let well = text(&outcome(None), &plan(None, None));
        assert_eq!(well, (format!("h:1883 is healthy: {listed}"), String::new()));
        let slow = text(&outcome(None), &plan(Some(1), None));
        let warning = "Warning: h:1883: it took 3.75 ms in all, --warn is 1.00 ms.\n";
        assert_eq!(slow, (format!("h:1883 is slow: {listed}"), warning.to_owned()));
        let broken = text(&outcome(Some("gone")), &plan(None, None));
        assert_eq!(broken, (String::new(), "Error: h:1883: gone.\n".to_owned()));
    }

    #[test]
    fn nagios_reads_a_line_with_performance_data() {
        let line = |outcome: &Outcome, plan: &HealthPlan| outcome.render(plan, HealthFormat::Nagios).0;
        assert_eq!(
            line(&outcome(None), &plan(Some(3), Some(1000))),
            "MQTT WARNING - h:1883: it took 3.75 ms in all, --warn is 3.00 ms | \
             total=0.00375s;0.003;1;0;10 connect=0.002s subscribe=0.0005s round_trip=0.00125s\n"
        );
        assert_eq!(line(&outcome(Some("a|b\nc")), &plan(None, None)), "MQTT CRITICAL - h:1883: a b c\n");
        assert!(line(&outcome(None), &plan(None, None)).contains(" | total=0.00375s;;;0;10 "));
    }

    #[test]
    fn prometheus_reads_gauges() {
        let plan = HealthPlan { address: "a\"b".to_owned(), ..plan(None, Some(1)) };
        let text = outcome(None).render(&plan, HealthFormat::Prometheus).0;
        for line in [
            "culex_health_up{broker=\"a\\\"b\"} 1",
            "culex_health_level{broker=\"a\\\"b\"} 2",
            "culex_health_step_seconds{broker=\"a\\\"b\",step=\"round_trip\"} 0.00125",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        let text = Outcome { steps: Vec::new(), fault: Some("gone".to_owned()) };
        assert!(!text.render(&plan, HealthFormat::Prometheus).0.contains("step_seconds"));
    }

    #[test]
    fn json_holds_what_is_known() {
        let json = |outcome: &Outcome| outcome.json(&plan(None, None)).to_string();
        assert_eq!(
            json(&outcome(None)),
            r#"{"status":"ok","broker":"h:1883","topic":"culex/health/x","qos":0,"connect_seconds":0.002,"subscribe_seconds":0.0005,"round_trip_seconds":0.00125,"total_seconds":0.00375}"#
        );
        assert!(json(&outcome(Some("gone"))).ends_with(r#""connect_seconds":0.002,"reason":"gone"}"#));
    }
}
