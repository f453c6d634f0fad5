//! The numbers of a server as text: JSON for people and scripts, and the text format of Prometheus.

use std::fmt::{self, Write as _};

use sprat_tracker::{PerOrigin, Statistics};

use super::service::{ServerStatistics, Traffic};

/// One number, or one for each of a few labels. All names are ours and need no escaping.
struct Metric {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: Vec<Sample>,
}

struct Sample {
    /// Label and value, as in `family` `ipv4`; several as written in Prometheus' format.
    labels: &'static [(&'static str, &'static str)],
    value: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}

/// A flat object; metrics with labels are objects in it.
pub(super) fn json(statistics: &ServerStatistics) -> String {
    written(|text| {
        text.push('{');
        for (index, metric) in metrics(statistics).iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(text, "{separator}\n  \"{}\": ", metric.name)?;
            match metric.samples.as_slice() {
                [Sample { labels: [], value }] => write!(text, "{value}")?,
                samples => {
                    text.push('{');
                    for (index, sample) in samples.iter().enumerate() {
                        let names: Vec<&str> = sample.labels.iter().map(|(_, value)| *value).collect();
                        let separator = if index == 0 { "" } else { ", " };
                        write!(text, "{separator}\"{}\": {}", names.join("_"), sample.value)?;
                    }
                    text.push('}');
                }
            }
        }
        text.push_str("\n}\n");
        Ok(())
    })
}

/// Prometheus' text exposition format, version 0.0.4.
pub(super) fn prometheus(statistics: &ServerStatistics) -> String {
    written(|text| {
        for Metric { name, help, kind, samples } in metrics(statistics) {
            let (kind, suffix) = match kind {
                Kind::Gauge => ("gauge", ""),
                Kind::Counter => ("counter", "_total"),
            };
            writeln!(text, "# HELP sprat_tracker_{name}{suffix} {help}")?;
            writeln!(text, "# TYPE sprat_tracker_{name}{suffix} {kind}")?;
            for Sample { labels, value } in samples {
                let labels: Vec<String> =
                    labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
                let labels =
                    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
                writeln!(text, "sprat_tracker_{name}{suffix}{labels} {value}")?;
            }
        }
        Ok(())
    })
}

/// The one list of what is told, whatever the format.
fn metrics(statistics: &ServerStatistics) -> Vec<Metric> {
    let ServerStatistics { tracker, traffic, uptime } = statistics;
    let mut metrics = vec![gauge("uptime_seconds", "Seconds since the start.", uptime.as_secs())];
    metrics.extend(of_tracker(tracker));
    metrics.extend(of_traffic(traffic));
    metrics
}

fn of_tracker(tracker: &Statistics) -> Vec<Metric> {
    vec![
        gauge("swarms", "Swarms with at least one peer.", tracker.swarms as u64),
        Metric {
            name: "peers",
            help: "Peers by what they do.",
            kind: Kind::Gauge,
            samples: vec![
                Sample { labels: &[("role", "seeder")], value: tracker.seeders as u64 },
                Sample { labels: &[("role", "leecher")], value: tracker.leechers as u64 },
            ],
        },
        Metric {
            name: "peers_by_family",
            help: "Peers by address family.",
            kind: Kind::Gauge,
            samples: vec![
                Sample { labels: &[("family", "ipv4")], value: tracker.peers_ipv4 as u64 },
                Sample { labels: &[("family", "ipv6")], value: tracker.peers_ipv6 as u64 },
            ],
        },
        gauge("memory_bytes", "Bytes allocated for swarms and peers.", tracker.memory as u64),
        counter("completed", "Downloads completed.", tracker.completed),
        per_origin("announces", "Announces, refused ones included.", tracker.announces),
        per_origin("scrapes", "Scrapes.", tracker.scrapes),
        counter("connects", "Connection ids handed out over UDP.", tracker.connects),
        Metric {
            name: "refused",
            help: "Announces refused.",
            kind: Kind::Counter,
            samples: vec![
                Sample { labels: &[("reason", "not_permitted")], value: tracker.refused_not_permitted },
                Sample { labels: &[("reason", "full")], value: tracker.refused_full },
            ],
        },
        counter("unlisted", "Announces answered although the peer could not be listed.", tracker.unlisted),
        counter("evicted_swarms", "Unsettled swarms that made room for others.", tracker.evicted_swarms),
        counter("expired_peers", "Peers forgotten because they were silent.", tracker.expired_peers),
    ]
}

fn of_traffic(traffic: &Traffic) -> Vec<Metric> {
    vec![
        gauge("http_connections_open", "HTTP connections open now.", traffic.http_connections_open),
        counter("http_connections", "HTTP connections accepted.", traffic.http_connections),
        counter(
            "http_connections_refused",
            "HTTP connections closed at once because there were too many.",
            traffic.http_connections_refused,
        ),
        counter(
            "http_timeouts",
            "HTTP connections closed because they were slow or idle.",
            traffic.http_timeouts,
        ),
        counter("http_requests", "HTTP requests.", traffic.http_requests),
        counter("http_errors", "HTTP requests malformed or for something not here.", traffic.http_errors),
        in_and_out(
            "http_bytes",
            "Bytes over HTTP connections.",
            traffic.http_bytes_in,
            traffic.http_bytes_out,
        ),
        in_and_out("udp_packets", "UDP packets.", traffic.udp_packets_in, traffic.udp_packets_out),
        in_and_out(
            "udp_bytes",
            "Bytes over UDP without headers.",
            traffic.udp_bytes_in,
            traffic.udp_bytes_out,
        ),
        Metric {
            name: "udp_dropped",
            help: "UDP packets that were not answered.",
            kind: Kind::Counter,
            samples: vec![
                Sample { labels: &[("reason", "malformed")], value: traffic.udp_malformed },
                Sample { labels: &[("reason", "bad_connection_id")], value: traffic.udp_bad_connection_id },
                Sample { labels: &[("reason", "unsent")], value: traffic.udp_unsent },
            ],
        },
    ]
}

fn gauge(name: &'static str, help: &'static str, value: u64) -> Metric {
    Metric { name, help, kind: Kind::Gauge, samples: vec![Sample { labels: &[], value }] }
}

fn counter(name: &'static str, help: &'static str, value: u64) -> Metric {
    Metric { name, help, kind: Kind::Counter, samples: vec![Sample { labels: &[], value }] }
}

fn per_origin(name: &'static str, help: &'static str, counts: PerOrigin) -> Metric {
    let samples = vec![
        Sample { labels: &[("protocol", "http"), ("family", "ipv4")], value: counts.http_ipv4 },
        Sample { labels: &[("protocol", "http"), ("family", "ipv6")], value: counts.http_ipv6 },
        Sample { labels: &[("protocol", "udp"), ("family", "ipv4")], value: counts.udp_ipv4 },
        Sample { labels: &[("protocol", "udp"), ("family", "ipv6")], value: counts.udp_ipv6 },
    ];
    Metric { name, help, kind: Kind::Counter, samples }
}

fn in_and_out(name: &'static str, help: &'static str, received: u64, sent: u64) -> Metric {
    let samples = vec![
        Sample { labels: &[("direction", "in")], value: received },
        Sample { labels: &[("direction", "out")], value: sent },
    ];
    Metric { name, help, kind: Kind::Counter, samples }
}

fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics() -> ServerStatistics {
        let mut statistics = ServerStatistics::default();
        statistics.tracker.swarms = 3;
        statistics.tracker.announces.udp_ipv6 = 7;
        statistics
    }

    #[test]
    fn json_is_an_object_of_numbers_and_objects() {
        let text = json(&statistics());
        assert!(text.starts_with("{\n  \"uptime_seconds\": 0,\n  \"swarms\": 3,\n"), "{text}");
        let announces =
            "\"announces\": {\"http_ipv4\": 0, \"http_ipv6\": 0, \"udp_ipv4\": 0, \"udp_ipv6\": 7}";
        assert!(text.contains(announces), "{text}");
        assert!(text.ends_with("}\n}\n"), "{text}");
    }

    #[test]
    fn prometheus_gets_help_type_and_samples() {
        let text = prometheus(&statistics());
        assert!(text.contains("# TYPE sprat_tracker_swarms gauge\nsprat_tracker_swarms 3\n"), "{text}");
        let sample = "sprat_tracker_announces_total{protocol=\"udp\",family=\"ipv6\"} 7\n";
        assert!(text.contains(sample), "{text}");
        assert!(text.contains("# TYPE sprat_tracker_announces_total counter\n"), "{text}");
    }
}
