//! Metrics for Prometheus. Handles are looked up once per route, method and status, so that a request costs a few atomic
//! additions and no formatting.

use std::{
    collections::HashMap,
    fmt::{Display, Write as _},
    sync::OnceLock,
    time::Duration,
};

use axum::http::{Method, StatusCode};
use marketplace_core::{
    app::App,
    health::ComponentState,
    load::{DatabaseLoad, PoolLoad, Waited},
    time::Timestamp,
    timers::{Queue, TimerState},
    webhooks::Backlog,
};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::{episode::Episode, process::Process};

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// The commit that was built, where the build says so.
const COMMIT: Option<&str> = option_env!("MARKETPLACE_COMMIT");

/// Upper ends of the histogram's buckets, in seconds.
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

const METHODS: [&str; 6] = ["GET", "POST", "PATCH", "PUT", "DELETE", "other"];
const STATUSES: [u16; 21] =
    [200, 201, 202, 204, 303, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 429, 500, 503, 0];

/// The recorder of one server; there is no global one.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    routes: HashMap<Box<str>, Route>,
    /// Requests whose path matches no route.
    unmatched: Route,
    started: Timestamp,
    /// Open connections.
    pub connections: Gauge,
    /// Connections that were closed because others needed their places more.
    pub connections_shed: Episode,
    /// Connections for which there was no place.
    pub connections_refused: Episode,
    /// Open sockets.
    pub sockets: Gauge,
    /// Requests that were refused because too many were in progress.
    pub shed: Episode,
    /// Bodies that arrived too slowly.
    pub bodies_cut: Episode,
    /// Age of the oldest event that the last look at the log dispatched; while the log cannot be followed, the time
    /// since then.
    pub event_lag: Gauge,
}

#[derive(Default)]
struct Route([OnceLock<Series>; METHODS.len()]);

struct Series {
    duration: Histogram,
    statuses: [OnceLock<Counter>; STATUSES.len()],
}

/// The figures that core counts itself.
#[derive(Debug, Default)]
pub(crate) struct Core {
    /// The state of each component.
    pub components: Vec<ComponentState>,
    /// The state of each kind of scheduled work.
    pub timers: Vec<TimerState>,
    /// The number of mails that wait, and that failed.
    pub mails: (i64, i64),
    /// What waits for webhooks and what failed, and how long the oldest has waited.
    pub webhooks: (Backlog, Duration),
    /// How long the oldest waiting mail has waited.
    pub oldest_mail: Duration,
    /// How long the oldest of each queue has waited for staff.
    pub queues: Vec<(Queue, Duration)>,
    /// How busy the database is.
    pub database: DatabaseLoad,
    /// The requests to Redis, where one is configured.
    pub redis: Option<Waited>,
}

impl Core {
    /// Returns the current figures.
    pub fn of(app: &App) -> Self {
        let webhooks = app.webhook_counts();
        let age = |since: Option<Timestamp>| since.map_or(Duration::ZERO, |since| app.now().since(since));
        Self {
            components: app.health.states(),
            timers: app.timers(),
            mails: app.mail_counts(),
            webhooks: (webhooks, age(webhooks.oldest_at)),
            oldest_mail: age(app.oldest_mail()),
            database: app.db.load(),
            redis: app.redis_requests(),
            queues: app.oldest_waiting().into_iter().map(|(queue, since)| (queue, age(since))).collect(),
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Creates the recorder of a server that started then, with these routes, as the router writes them.
    pub fn new(routes: impl IntoIterator<Item = String>, started: Timestamp) -> Self {
        let builder = PrometheusBuilder::new();
        // The only error is an empty list of buckets.
        let builder = builder.set_buckets(BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new());
        let recorder = builder.build_recorder();
        let describe_counter = |name: &'static str, text: &'static str| {
            recorder.describe_counter(name.into(), None, text.into());
        };
        describe_counter("http_requests_total", "Requests answered, by route, method and status.");
        describe_counter("http_requests_shed_total", "Requests refused because too many were under way.");
        describe_counter("timer_failures_total", "Runs of due work, and items of it, that failed, by kind.");
        let describe_gauge =
            |name: &'static str, text: &'static str| recorder.describe_gauge(name.into(), None, text.into());
        describe_gauge("timer_last_success_timestamp_seconds", "When a kind of due work last ran to its end.");
        describe_gauge("mail_waiting", "Mails that wait to be sent, up to 10,000.");
        describe_gauge("mail_failed", "Mails that could not be sent and are kept for a while, up to 10,000.");
        describe_gauge("webhook_waiting", "Deliveries that wait, up to 1,000 for each webhook that is on.");
        describe_gauge(
            "webhook_failed",
            "Deliveries that were given up and are kept for a while, up to 1,000 for each webhook.",
        );
        describe_gauge("webhook_oldest_seconds", "How long the oldest delivery has waited; 0 when none waits.");
        describe_gauge("webhook_disabled", "Webhooks that were switched off because they do not work.");
        describe_gauge(
            "queue_oldest_seconds",
            "How long the oldest of a queue has waited for staff; 0 when it is empty.",
        );
        recorder.describe_histogram(
            "http_request_duration_seconds".into(),
            None,
            "From the head of a request to the head of its answer.".into(),
        );
        describe_counter("component_failures_total", "Uses of a component that failed.");
        describe_gauge("component_up", "Whether the last use of a component succeeded.");
        describe_gauge("http_connections", "Open connections.");
        describe_counter("http_connections_shed_total", "Waiting connections closed to make room for others.");
        describe_counter("http_bodies_cut_total", "Bodies that came too slowly and were not waited for.");
        describe_counter("http_connections_refused_total", "Connections for which no other one could be closed.");
        describe_gauge("http_sockets", "Open WebSockets.");
        describe_gauge(
            "event_lag_seconds",
            "How late the log of events is followed: what sockets and streams are told.",
        );
        let episode = |name: &'static str, what: &'static str| {
            Episode::new(what, recorder.register_counter(&Key::from_static_name(name), &METADATA))
        };
        Self {
            handle: recorder.handle(),
            connections: recorder.register_gauge(&Key::from_static_name("http_connections"), &METADATA),
            connections_shed: episode(
                "http_connections_shed_total",
                "there are too many connections; those that only wait for their clients are closed",
            ),
            connections_refused: episode(
                "http_connections_refused_total",
                "there are too many connections, and none that could be closed; new ones are refused",
            ),
            sockets: recorder.register_gauge(&Key::from_static_name("http_sockets"), &METADATA),
            shed: episode("http_requests_shed_total", "there are too many requests at once; some are refused"),
            bodies_cut: episode("http_bodies_cut_total", "bodies come too slowly; they are not waited for"),
            event_lag: recorder.register_gauge(&Key::from_static_name("event_lag_seconds"), &METADATA),
            routes: routes.into_iter().map(|path| (path.into_boxed_str(), Route::default())).collect(),
            unmatched: Route::default(),
            started,
            recorder,
        }
    }

    /// Records one handled request. `route` is as the router writes it, `None` when no route has the path.
    pub fn record(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        let (name, slots) = match route.and_then(|path| self.routes.get_key_value(path)) {
            Some((path, slots)) => (&**path, slots),
            None => ("unmatched", &self.unmatched),
        };
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        let Some(series) = slots.0.get(method) else { return };
        let series = series.get_or_init(|| Series {
            duration: self
                .recorder
                .register_histogram(&Key::from_parts("http_request_duration_seconds", labels(name, method)), &METADATA),
            statuses: Default::default(),
        });
        series.duration.record(took.as_secs_f64());
        if let Some(counter) = series.statuses.get(status) {
            let counter = counter.get_or_init(|| {
                let mut labels = labels(name, method);
                let code = STATUSES.get(status).filter(|code| **code != 0);
                labels.push(Label::new("status", code.map_or_else(|| "other".to_owned(), u16::to_string)));
                self.recorder.register_counter(&Key::from_parts("http_requests_total", labels), &METADATA)
            });
            counter.increment(1);
        }
    }

    /// Renders the metrics in Prometheus's text format, with core's current figures.
    pub fn render(&self, core: &Core) -> String {
        let gauge =
            |name: &'static str, labels| self.recorder.register_gauge(&Key::from_parts(name, labels), &METADATA);
        let counter =
            |name: &'static str, labels| self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA);
        for state in &core.components {
            let labels = || vec![Label::new("component", state.component.as_str())];
            gauge("component_up", labels()).set(if state.failing.is_none() { 1.0 } else { 0.0 });
            counter("component_failures_total", labels()).absolute(state.failures);
        }
        for state in &core.timers {
            let labels = || vec![Label::new("kind", state.timer.as_str())];
            counter("timer_failures_total", labels()).absolute(state.failures);
            if let Some(at) = state.last_success {
                #[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
                gauge("timer_last_success_timestamp_seconds", labels()).set(at.unix_seconds() as f64);
            }
        }
        let ((waiting, failed), (webhooks, oldest)) = (core.mails, core.webhooks);
        gauge("webhook_oldest_seconds", Vec::new()).set(oldest.as_secs_f64());
        for (name, count) in [
            ("mail_waiting", waiting),
            ("mail_failed", failed),
            ("webhook_waiting", webhooks.waiting),
            ("webhook_failed", webhooks.failed),
            ("webhook_disabled", webhooks.disabled),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "50,000 at most")]
            gauge(name, Vec::new()).set(count as f64);
        }
        for (queue, age) in &core.queues {
            gauge("queue_oldest_seconds", vec![Label::new("queue", queue.as_str())]).set(age.as_secs_f64());
        }
        let mut page = Page(self.handle.render());
        page.process(self.started);
        page.core(core);
        page.0
    }

    /// Moves samples into the histograms' buckets; without it they pile up until the metrics are read.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

/// Metrics that are read when they are asked for, in Prometheus's text format: the recorder has no counters of seconds.
struct Page(String);

impl Page {
    /// Adds a metric with its values by label; a label is written as `pool="read"`.
    fn add<L: Display>(&mut self, kind: &str, name: &str, help: &str, values: impl IntoIterator<Item = (L, f64)>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return;
        }
        // Writing into memory does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let labels = labels.to_string();
            let _ = match labels.as_str() {
                "" => writeln!(self.0, "{name} {value}"),
                labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
            };
        }
        self.0.push('\n');
    }

    fn one(&mut self, kind: &str, name: &str, help: &str, value: f64) {
        self.add(kind, name, help, [("", value)]);
    }

    #[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
    fn process(&mut self, started: Timestamp) {
        let build = format!("version=\"{}\",commit=\"{}\"", env!("CARGO_PKG_VERSION"), COMMIT.unwrap_or("unknown"));
        self.add("gauge", "build_info", "The build of this server.", [(build, 1.0)]);
        let at = started.unix_seconds() as f64;
        self.one("gauge", "process_start_time_seconds", "When the server started, in seconds since 1970.", at);
        let Some(process) = Process::now() else { return };
        self.one("gauge", "process_resident_memory_bytes", "Memory in RAM.", process.resident);
        self.one("counter", "process_cpu_seconds_total", "Time on processors.", process.cpu);
        self.one("gauge", "process_threads", "Threads.", process.threads);
        self.one("gauge", "process_open_fds", "Open files and connections.", process.open_files);
        if process.max_files.is_finite() {
            self.one("gauge", "process_max_fds", "The limit of open files and connections.", process.max_files);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn core(&mut self, core: &Core) {
        let age = core.oldest_mail.as_secs_f64();
        self.one("gauge", "mail_oldest_seconds", "How long the oldest waiting mail has waited; 0 without one.", age);
        let kinds = |value: fn(&TimerState) -> f64| {
            core.timers.iter().map(move |state| (format!("kind=\"{}\"", state.timer.as_str()), value(state)))
        };
        let runs = kinds(|state| state.runs as f64);
        self.add("counter", "timer_runs_total", "Runs of due work that came to their end, by kind.", runs);
        let done = kinds(|state| state.done as f64);
        self.add("counter", "timer_items_total", "Things that due work did, by kind.", done);
        let busy = kinds(|state| state.busy.as_secs_f64());
        self.add("counter", "timer_busy_seconds_total", "Time that due work took, by kind.", busy);

        let pools = &core.database.pools;
        let states = |load: &PoolLoad| {
            let pool = load.pool;
            [("busy", load.busy), ("idle", load.idle)]
                .map(|(state, count)| (format!("pool=\"{pool}\",state=\"{state}\""), count as f64))
        };
        let connections = pools.iter().flat_map(states);
        self.add("gauge", "database_connections", "Open connections to the database, by pool and state.", connections);
        let by_pool = |value: fn(&PoolLoad) -> f64| {
            pools.iter().map(move |load| (format!("pool=\"{}\"", load.pool), value(load)))
        };
        let limits = by_pool(|load| load.limit as f64);
        self.add("gauge", "database_connections_max", "How many connections a pool may have.", limits);
        let waits = by_pool(|load| load.waited.count as f64);
        self.add("counter", "database_waits_total", "Callers that found all connections of a pool lent.", waits);
        let time = by_pool(|load| load.waited.time.as_secs_f64());
        self.add("counter", "database_wait_seconds_total", "Time that callers waited for a connection.", time);
        let failed = by_pool(|load| load.waited.failed as f64);
        self.add("counter", "database_waits_failed_total", "Callers that waited for a connection in vain.", failed);
        let waiting = core.database.units_waiting as f64;
        self.one("gauge", "database_write_queue", "Units of work that wait for their turn to write.", waiting);

        let Some(redis) = core.redis else { return };
        self.one("counter", "redis_requests_total", "Requests to Redis.", redis.count as f64);
        self.one(
            "counter",
            "redis_request_seconds_total",
            "Time that requests to Redis took.",
            redis.time.as_secs_f64(),
        );
        self.one("counter", "redis_requests_failed_total", "Requests to Redis that failed.", redis.failed as f64);
    }
}

fn labels(route: &str, method: usize) -> Vec<Label> {
    vec![Label::new("route", route.to_owned()), Label::new("method", METHODS.get(method).copied().unwrap_or("other"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::new(["/v1/me".to_owned()], Timestamp::EPOCH);
        for _ in 0..3 {
            metrics.record(Some("/v1/me"), &Method::GET, StatusCode::OK, Duration::from_millis(2));
        }
        metrics.record(None, &Method::GET, StatusCode::NOT_FOUND, Duration::ZERO);
        let text = metrics.render(&Core::default());
        assert!(text.contains(r#"http_requests_total{route="/v1/me",method="GET",status="200"} 3"#), "{text}");
        assert!(text.contains(r#"http_requests_total{route="unmatched",method="GET",status="404"} 1"#), "{text}");
        assert!(
            text.contains(r#"http_request_duration_seconds_bucket{route="/v1/me",method="GET",le="0.0025"} 3"#),
            "{text}"
        );
    }

    #[test]
    fn unknown_paths_make_no_new_series() {
        let metrics = Metrics::new(["/v1/me".to_owned()], Timestamp::EPOCH);
        metrics.record(Some("/v1/guess/1"), &Method::GET, StatusCode::NOT_FOUND, Duration::ZERO);
        assert!(!metrics.render(&Core::default()).contains("guess"));
    }
}
