//! Counts and times what the node does, in the Prometheus text format (version 0.0.4).
//!
//! Labels never hold what a caller chose: routes are patterns, codes come from tables. Each family is bounded all the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// Everything that is counted. Names and labels are listed in `docs/operator/configuration.md`.
pub(crate) struct Metrics {
    families: Mutex<Vec<Arc<Family>>>,
    /// `sottovoce_http_requests_total{method,route,status}`.
    pub(crate) requests: Counter,
    /// `sottovoce_http_request_seconds{route}`.
    pub(crate) request_seconds: Histogram,
    /// `sottovoce_refusals_total{code}`: problems answered.
    pub(crate) refusals: Counter,
    /// `sottovoce_connections{state}`: `open` now; `tunnel`: those that carry others' bytes to a third node.
    pub(crate) connections: Gauge,
    /// `sottovoce_connections_refused_total{reason}`: `full`, `address_full`, `handshake`, `handshake_timeout`.
    pub(crate) connections_refused: Counter,
    /// `sottovoce_connections_closed_total{reason}`: `done`, `slow`, `error`.
    pub(crate) connections_closed: Counter,
    /// `sottovoce_detours_total{member,carrier}`: ways found to a member's node through another's.
    pub(crate) detours: Counter,
    /// `sottovoce_audit_records_total{outcome}`: `ok`, `failed`.
    pub(crate) audit_records: Counter,
    /// `sottovoce_audit_intact`: 1 when the chain held at the start, 0 when it did not.
    pub(crate) audit_intact: Gauge,
    /// `sottovoce_audit_seconds`: one group's way to disk.
    pub(crate) audit_seconds: Histogram,
    /// `sottovoce_finality_seconds`: from a submission to its outcome on disk, at the node that orders it.
    pub(crate) finality_seconds: Histogram,
}

impl Metrics {
    /// All families, empty.
    pub(crate) fn new() -> Arc<Self> {
        let mut families = Vec::new();
        let mut family = |name, help, kind, labels| {
            let family = Arc::new(Family { name, help, kind, labels, series: Mutex::default() });
            families.push(family.clone());
            family
        };
        let requests = Counter(family(
            "sottovoce_http_requests_total",
            "Requests answered.",
            "counter",
            &["method", "route", "status"],
        ));
        let request_seconds = Histogram(family(
            "sottovoce_http_request_seconds",
            "Time from a request's head to its answer's.",
            "histogram",
            &["route"],
        ));
        let refusals = Counter(family("sottovoce_refusals_total", "Problems answered, by code.", "counter", &["code"]));
        let connections = Gauge(family("sottovoce_connections", "Connections now.", "gauge", &["state"]));
        let connections_refused = Counter(family(
            "sottovoce_connections_refused_total",
            "Connections that never carried a request.",
            "counter",
            &["reason"],
        ));
        let connections_closed =
            Counter(family("sottovoce_connections_closed_total", "Connections ended.", "counter", &["reason"]));
        let detours = Counter(family(
            "sottovoce_detours_total",
            "Ways found to a member's node through another's.",
            "counter",
            &["member", "carrier"],
        ));
        let audit_records = Counter(family("sottovoce_audit_records_total", "Audit entries.", "counter", &["outcome"]));
        let audit_intact =
            Gauge(family("sottovoce_audit_intact", "Whether the audit chain held at the start.", "gauge", &[]));
        let audit_seconds =
            Histogram(family("sottovoce_audit_seconds", "Time to write one group of audit entries.", "histogram", &[]));
        let finality_seconds = Histogram(family(
            "sottovoce_finality_seconds",
            "Time from a submission to its outcome on disk, where this node orders.",
            "histogram",
            &[],
        ));
        Arc::new(Self {
            families: Mutex::new(families),
            requests,
            request_seconds,
            refusals,
            connections,
            connections_refused,
            connections_closed,
            detours,
            audit_records,
            audit_intact,
            audit_seconds,
            finality_seconds,
        })
    }

    /// Adds a gauge.
    pub(crate) fn gauge(&self, name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Gauge {
        Gauge(self.family(name, help, "gauge", labels))
    }

    /// The text for `GET /metrics`.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner).clone();
        families.iter().for_each(|family| family.render(&mut text));
        text
    }

    fn family(
        &self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        labels: &'static [&'static str],
    ) -> Arc<Family> {
        let family = Arc::new(Family { name, help, kind, labels, series: Mutex::default() });
        self.families.lock().unwrap_or_else(PoisonError::into_inner).push(family.clone());
        family
    }
}

/// Only grows.
#[derive(Clone)]
pub(crate) struct Counter(Arc<Family>);

impl Counter {
    /// Adds one to the series with these label values.
    pub(crate) fn inc(&self, labels: &[&str]) {
        self.add(labels, 1);
    }

    /// Adds to the series with these label values.
    pub(crate) fn add(&self, labels: &[&str], amount: u64) {
        self.0.update(labels, |series| series.value += amount as f64);
    }
}

/// Goes up and down.
#[derive(Clone)]
pub(crate) struct Gauge(Arc<Family>);

impl Gauge {
    /// Sets the series with these label values.
    pub(crate) fn set(&self, labels: &[&str], value: f64) {
        self.0.update(labels, |series| series.value = value);
    }

    /// Forgets all series.
    pub(crate) fn clear(&self) {
        self.0.series.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Adds to the series with these label values.
    pub(crate) fn add(&self, labels: &[&str], amount: f64) {
        self.0.update(labels, |series| series.value += amount);
    }
}

/// Counts observations by size.
#[derive(Clone)]
pub(crate) struct Histogram(Arc<Family>);

impl Histogram {
    /// Observes a time in seconds.
    pub(crate) fn observe(&self, labels: &[&str], seconds: f64) {
        self.0.update(labels, |series| {
            series.value += seconds;
            series.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
        });
    }
}

struct Family {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    series: Mutex<BTreeMap<Vec<String>, Series>>,
}

#[derive(Clone, Default)]
struct Series {
    /// The count, the value, or the sum of observations.
    value: f64,
    /// Observations per bucket, not yet cumulated.
    buckets: [u64; BOUNDS.len() + 1],
}

impl Family {
    fn update(&self, labels: &[&str], change: impl FnOnce(&mut Series)) {
        debug_assert_eq!(labels.len(), self.labels.len(), "{}", self.name);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key: Vec<String> = labels.iter().map(ToString::to_string).collect();
        if series.len() >= MOST_SERIES && !series.contains_key(&key) {
            key = vec!["other".to_owned(); labels.len()];
        }
        change(series.entry(key).or_default());
    }

    fn render(&self, text: &mut String) {
        let Self { name, help, kind, labels, .. } = self;
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner).clone();
        writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("writing to a String cannot fail");
        for (values, Series { value, buckets }) in series {
            let pairs: Vec<String> =
                labels.iter().zip(&values).map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
            let braces =
                |pairs: &[String]| if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
            if *kind != "histogram" {
                writeln!(text, "{name}{} {value}", braces(&pairs)).expect("writing to a String cannot fail");
                continue;
            }
            let mut count = 0;
            for (index, found) in buckets.iter().enumerate() {
                count += found;
                let bound = BOUNDS.get(index).map_or("+Inf".to_owned(), ToString::to_string);
                let pairs = [pairs.as_slice(), &[format!("le=\"{bound}\"")]].concat();
                writeln!(text, "{name}_bucket{} {count}", braces(&pairs)).expect("writing to a String cannot fail");
            }
            let braces = braces(&pairs);
            writeln!(text, "{name}_sum{braces} {value}\n{name}_count{braces} {count}")
                .expect("writing to a String cannot fail");
        }
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Upper bounds of a histogram's buckets, seconds.
const BOUNDS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Series a family holds before further label values count as `other`.
const MOST_SERIES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_was_counted() {
        let metrics = Metrics::new();
        metrics.refusals.inc(&["rate_limited"]);
        metrics.refusals.add(&["rate_limited"], 2);
        metrics.connections.add(&["open"], 2.0);
        metrics.connections.add(&["open"], -1.0);
        metrics.audit_seconds.observe(&[], 0.001);
        metrics.audit_seconds.observe(&[], 100.0);
        metrics.gauge("sottovoce_test", "A test.", &["x"]).set(&["a\"b\\\n"], 1.0);
        let text = metrics.render();
        for line in [
            "# TYPE sottovoce_refusals_total counter",
            "sottovoce_refusals_total{code=\"rate_limited\"} 3",
            "sottovoce_connections{state=\"open\"} 1",
            "sottovoce_audit_seconds_bucket{le=\"0.0005\"} 0",
            "sottovoce_audit_seconds_bucket{le=\"0.001\"} 1",
            "sottovoce_audit_seconds_bucket{le=\"30\"} 1",
            "sottovoce_audit_seconds_bucket{le=\"+Inf\"} 2",
            "sottovoce_audit_seconds_sum 100.001",
            "sottovoce_audit_seconds_count 2",
            r#"sottovoce_test{x="a\"b\\\n"} 1"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_family_is_bounded() {
        let metrics = Metrics::new();
        (0..2 * MOST_SERIES).for_each(|index| metrics.refusals.inc(&[&index.to_string()]));
        let text = metrics.render();
        assert!(text.contains(&format!("sottovoce_refusals_total{{code=\"other\"}} {MOST_SERIES}")));
    }

    /// Names of all families that a node exports.
    fn exported() -> Vec<&'static str> {
        let metrics = Metrics::new();
        drop(crate::vitals::Vitals::new(&metrics));
        metrics.families.lock().unwrap().iter().map(|family| family.name).collect()
    }

    #[test]
    fn the_operators_page_names_every_family() {
        let page = include_str!("../../../docs/operator/configuration.md");
        for name in exported() {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn every_rule_is_about_what_a_node_exports_and_every_alert_is_explained() {
        let rules = include_str!("../../../packaging/prometheus/sottovoce.rules.yml");
        let page = include_str!("../../../docs/operator/alerts.md");
        let exported = exported();
        let mut named = 0;
        for (at, _) in rules.match_indices("sottovoce_") {
            let name = rules[at..].split(|next: char| !next.is_ascii_alphanumeric() && next != '_').next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            assert!(exported.contains(&name) || exported.contains(&base), "{name}");
            named += 1;
        }
        let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
        assert!(named >= alerts.len() && alerts.len() > 10, "{alerts:?}");
        for alert in &alerts {
            assert!(page.contains(&format!("| `{alert}` |")), "{alert} is not on the page");
        }
        // And the page knows none that there is not.
        let explained = page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
        explained.for_each(|name| assert!(alerts.contains(&name), "{name} is no alert"));
    }
}
