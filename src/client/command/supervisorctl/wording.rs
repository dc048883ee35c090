//! The lines of supervisorctl 4.3, from what sentinel knows. Pure.

use jiff::tz::TimeZone;

use crate::api::{Service, State};

/// A name as people give it: `web`, `web:web`, or `web:*` for the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    group: String,
    process: Option<String>,
}

impl Name {
    /// Takes a name apart.
    pub fn parse(text: &str) -> Self {
        match text.split_once(':') {
            None => Self {
                group: text.into(),
                process: Some(text.into()),
            },
            Some((group, "" | "*")) => Self {
                group: group.into(),
                process: None,
            },
            Some((group, process)) => Self {
                group: group.into(),
                process: Some(process.into()),
            },
        }
    }

    /// Whether this service is meant. Kinder than supervisorctl: a member of a group is known by its own name too,
    /// and an instance by the name that `numprocs` gave it (`web_00` for `web@00`).
    pub fn means(&self, service: &Service) -> bool {
        let group = service.group.as_deref().unwrap_or(&service.name);
        match &self.process {
            None => self.group == group || self.group == service.name,
            Some(process) => {
                let named = *process == service.name || *process == called(&service.name);
                named && (self.group == *process || self.group == group || self.group == service.name)
            }
        }
    }

    /// Whether it is a whole group.
    pub fn is_group(&self) -> bool {
        self.process.is_none()
    }

    /// As supervisorctl prints a name that nobody has.
    pub fn shown(&self) -> String {
        match &self.process {
            Some(process) if *process != self.group => format!("{}:{process}", self.group),
            _ => self.group.clone(),
        }
    }

    /// As it was given: a group with its `:*`.
    pub fn given(&self) -> String {
        if self.is_group() {
            format!("{}:*", self.group)
        } else {
            self.shown()
        }
    }

    /// The line for a name that nobody has.
    pub fn unknown(&self) -> String {
        let what = if self.is_group() { "group" } else { "process" };
        format!("{}: ERROR (no such {what})", self.shown())
    }
}

/// A name without the `@` of an instance, which supervisord's names do not have.
fn called(service: &str) -> String {
    service.replace('@', "_")
}

/// As supervisorctl prints a service: with its group, unless that has its name.
pub fn address(service: &str, group: Option<&str>) -> String {
    match group {
        Some(group) if group != service => format!("{group}:{}", called(service)),
        Some(_) | None => called(service),
    }
}

/// The same of what the supervisor told.
pub fn address_of(service: &Service) -> String {
    address(&service.name, service.group.as_deref())
}

/// One line per service: the name padded to the longest, at least 30, and 3; the state to 10; a description.
pub fn status_lines(services: &[&Service], zone: &TimeZone) -> Vec<String> {
    let longest = services
        .iter()
        .map(|service| address_of(service).chars().count())
        .max()
        .unwrap_or(0);
    let width = longest.max(30) + 3;
    let line = |service: &&Service| {
        format!(
            "{:<width$}{:<10}{}",
            address_of(service),
            service.state.as_str(),
            description(service, zone)
        )
    };
    services.iter().map(line).collect()
}

fn description(service: &Service, zone: &TimeZone) -> String {
    match service.state {
        State::Running => {
            let pid = service.pid.unwrap_or(0);
            format!("pid {pid}, uptime {}", uptime(service.uptime_s.unwrap_or(0.0)))
        }
        State::Fatal | State::Backoff => match &service.last_exit {
            Some(_) => "Exited too quickly (process log may have details)".into(),
            None => service
                .reason
                .clone()
                .unwrap_or_else(|| format!("unknown error (try \"tail {}\")", address_of(service))),
        },
        State::Stopped | State::Exited => {
            let at = service
                .last_exit
                .as_ref()
                .and_then(|exit| exit.at.parse::<jiff::Timestamp>().ok());
            match at {
                Some(at) => at.to_zoned(zone.clone()).strftime("%b %d %I:%M %p").to_string(),
                None => "Not started".into(),
            }
        }
        State::Starting | State::Stopping => String::new(),
    }
}

/// As Python prints a timedelta: `0:01:02`, `1 day, 2:03:04`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole seconds of a positive time"
)]
fn uptime(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (days, rest) = (whole / 86_400, whole % 86_400);
    let clock = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

/// One line of `avail`.
pub fn avail_line(name: &str, in_use: bool, autostart: bool) -> String {
    let used = if in_use { "in use" } else { "avail" };
    let start = if autostart { "auto" } else { "manual" };
    format!("{name:<32} {used:<9} {start:<9} 999:999")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LastExit;
    use crate::client::sample;

    fn service(name: &str, state: State) -> Service {
        Service {
            pid: Some(123),
            uptime_s: Some(62.9),
            reason: Some("the program /x is not executable".into()),
            ..sample::service(name, state, true)
        }
    }

    #[test]
    fn lines_are_padded_as_supervisorctl_pads_them() {
        let ended = Service {
            last_exit: Some(LastExit {
                code: Some(0),
                signal: None,
                at: "2026-11-21T10:44:31Z".into(),
                expected: false,
                oom: false,
            }),
            ..service("once", State::Exited)
        };
        let failed = Service {
            last_exit: ended.last_exit.clone(),
            ..service("bad", State::Fatal)
        };
        let all = [
            service("web", State::Running),
            ended,
            failed,
            service("missing", State::Fatal),
            service("new", State::Stopped),
            service("slow", State::Starting),
        ];
        let lines = status_lines(&all.iter().collect::<Vec<_>>(), &TimeZone::UTC);
        assert_eq!(
            lines,
            [
                "web                              RUNNING   pid 123, uptime 0:01:02",
                "once                             EXITED    Nov 21 10:44 AM",
                "bad                              FATAL     Exited too quickly (process log may have details)",
                "missing                          FATAL     the program /x is not executable",
                "new                              STOPPED   Not started",
                "slow                             STARTING  ",
            ]
        );
        let long = service("a_service_with_a_name_of_forty_letters_", State::Running);
        let lines = status_lines(&[&long], &TimeZone::UTC);
        assert_eq!(
            lines,
            ["a_service_with_a_name_of_forty_letters_   RUNNING   pid 123, uptime 0:01:02"]
        );
    }

    #[test]
    fn uptimes_are_pythons() {
        assert_eq!(uptime(0.2), "0:00:00");
        assert_eq!(uptime(36_000.0), "10:00:00");
        assert_eq!(uptime(86_400.0), "1 day, 0:00:00");
        assert_eq!(uptime(180_061.0), "2 days, 2:01:01");
    }

    #[test]
    fn names_are_taken_apart_as_supervisorctl_does() {
        let web = service("web", State::Running);
        let instance = Service {
            group: Some("worker".into()),
            ..service("worker@01", State::Running)
        };
        for known in ["web", "web:web", "web:*"] {
            assert!(
                Name::parse(known).means(&web) && !Name::parse(known).means(&instance),
                "{known}"
            );
        }
        for known in [
            "worker:worker_01",
            "worker:worker@01",
            "worker@01",
            "worker_01",
            "worker:*",
        ] {
            assert!(
                Name::parse(known).means(&instance) && !Name::parse(known).means(&web),
                "{known}"
            );
        }
        assert!(!Name::parse("other:worker_01").means(&instance));
        assert_eq!(address_of(&instance), "worker:worker_01");
        assert_eq!(Name::parse("web:web").shown(), "web");
        assert_eq!(Name::parse("a:b").unknown(), "a:b: ERROR (no such process)");
        assert_eq!(Name::parse("a:*").unknown(), "a: ERROR (no such group)");
        assert_eq!(
            avail_line("bad", true, true),
            "bad                              in use    auto      999:999"
        );
    }
}
