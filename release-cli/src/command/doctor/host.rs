//! What a probe says about a host.

use release_sync::{Error, Host, HostProbe, Reach};

use crate::exit::of_error;
use crate::ui::{Check, bytes, one_line};

/// A clock that differs by more, in seconds, makes times in logs and in trees misleading.
const CLOCK: f64 = 60.0;

/// Less free space than this, in bytes, is worth a warning: few releases are smaller.
const SPACE: u64 = 256 << 20;

pub(super) fn checks(probe: &HostProbe, host: &Host) -> Vec<Check> {
    let mut checks = Vec::new();
    match &probe.error {
        Some(error) => {
            let name = part(error);
            if name != "ssh" {
                checks.push(Check::ok("ssh", place(host)));
            }
            let (text, mend) = (one_line(error), of_error(error).hint);
            checks.push(if error.is_locked() {
                Check::warning(name, text, mend)
            } else {
                Check::fault(name, text, mend)
            });
        }
        None => checks.push(Check::ok("ssh", place(host))),
    }
    checks.extend(agent(probe));
    checks.extend(probe.clock_ahead.map(clock));
    checks.extend(probe.free.map(|free| space(free, host)));
    checks
}

fn place(host: &Host) -> String {
    match &host.reach {
        Reach::Ssh(target) => format!(
            "{} port {}, as {}",
            target.address, target.port, target.user
        ),
        Reach::Command(_) => "a command on this machine".to_owned(),
        _ => "this machine".to_owned(),
    }
}

/// Which part of the way an error is about.
fn part(error: &Error) -> &'static str {
    match error {
        Error::NotMounted { .. }
        | Error::ReadOnly { .. }
        | Error::Destination { .. }
        | Error::Forbidden { .. }
        | Error::NoSpace { .. }
        | Error::Locked { .. } => "destination",
        Error::NoAgent { .. }
        | Error::Bootstrap { .. }
        | Error::NoCommand { .. }
        | Error::Protocol { .. }
        | Error::NewerAgent { .. }
        | Error::OlderAgent { .. } => "agent",
        _ => "ssh",
    }
}

fn agent(probe: &HostProbe) -> Option<Check> {
    let build = probe.agent.as_ref()?;
    let mut text = format!("build {build}");
    if probe.agent_bytes > 0 {
        text.push_str(&format!(", put there now ({})", bytes(probe.agent_bytes)));
    }
    if probe.superuser == Some(false) {
        text.push_str("; not root, so owners are left as they are");
    }
    Some(Check::ok("agent", text))
}

fn clock(ahead: f64) -> Check {
    let word = if ahead < 0.0 { "behind" } else { "ahead" };
    let text = format!("{:.1} s {word}", ahead.abs());
    if ahead.abs() > CLOCK {
        let mend = "set the clock there, or here: is a time service running?";
        Check::warning("clock", text, Some(mend.to_owned()))
    } else {
        Check::ok("clock", text)
    }
}

fn space(free: u64, host: &Host) -> Check {
    let text = format!("{} free at {}", bytes(free), host.destination.display());
    if free < SPACE {
        let mend = "make room there: staging needs as much as changes".to_owned();
        Check::warning("space", text, Some(mend))
    } else {
        Check::ok("space", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Finding::{self, Fault, Ok, Warning};
    use crate::ui::samples;

    fn host() -> Host {
        Host {
            name: "web-1".into(),
            destination: "/release".into(),
            reach: Reach::Local,
        }
    }

    fn healthy() -> HostProbe {
        HostProbe {
            host: "web-1".into(),
            agent: Some("0123456789abcdef".into()),
            superuser: Some(false),
            free: Some(SPACE),
            clock_ahead: Some(-59.9),
            agent_bytes: 1_900_000,
            seconds: 0.5,
            error: None,
        }
    }

    fn findings(probe: HostProbe) -> Vec<(&'static str, Finding)> {
        let checks = checks(&probe, &host());
        checks
            .iter()
            .map(|check| (check.name, check.finding))
            .collect()
    }

    #[test]
    fn a_host_is_looked_at_from_all_sides() {
        let all_well = [("ssh", Ok), ("agent", Ok), ("clock", Ok), ("space", Ok)];
        assert_eq!(findings(healthy()), all_well);
        let unwell = HostProbe {
            free: Some(SPACE - 1),
            clock_ahead: Some(-60.1),
            ..healthy()
        };
        let expected = [
            ("ssh", Ok),
            ("agent", Ok),
            ("clock", Warning),
            ("space", Warning),
        ];
        assert_eq!(findings(unwell), expected);
    }

    #[test]
    fn an_error_is_a_fault_of_the_part_that_it_is_about() {
        let with = |error| {
            findings(HostProbe {
                agent: None,
                free: None,
                clock_ahead: None,
                error: Some(error),
                ..healthy()
            })
        };
        assert_eq!(with(samples::unreachable()), [("ssh", Fault)]);
        let no_agent = Error::Bootstrap {
            reason: "noexec".into(),
        };
        assert_eq!(with(no_agent), [("ssh", Ok), ("agent", Fault)]);
        assert_eq!(
            with(samples::locked()),
            [("ssh", Ok), ("destination", Warning)]
        );
    }
}
