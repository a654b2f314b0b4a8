//! Pushes a directory to hosts over SSH.
//!
//! ```text
//! cargo run -p release-sync --example push_to_hosts KEY KNOWN_HOSTS AGENTS SOURCE DESTINATION USER@ADDRESS[:PORT]…
//! ```
//! AGENTS is the directory where `release-agent` lies, which is put on hosts that lack it.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use release_sync::{Fleet, Generation, Host, Identity, Options, SshOptions, SshTarget, scan};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, known_hosts, agents, source, destination, hosts @ ..] = &arguments[..] else {
        return Err("KEY KNOWN_HOSTS AGENTS SOURCE DESTINATION USER@ADDRESS…, please".into());
    };
    let identity = Identity::File(key.into());
    let options = Options {
        ssh: Some(SshOptions::new(identity, known_hosts, agents)),
        ..Options::default()
    };
    let hosts = hosts
        .iter()
        .map(|host| Ok(Host::ssh(target(host)?, destination)))
        .collect::<Result<_, Box<dyn Error>>>()?;

    let source = scan(source.as_ref(), &options, &())?;
    // Generations only grow. A real deploy writes down the last one; here the clock serves.
    let generation = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let report = Fleet::new(hosts, options)?.push(&source, Generation::new(generation), &());

    for host in &report.hosts {
        let (outcome, sent) = (host.outcome.as_str(), host.counts.bytes_sent);
        println!("{}: {outcome}, {sent} bytes sent", host.host);
    }
    let failed = report.hosts.into_iter().find_map(|host| host.error);
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn target(host: &str) -> Result<SshTarget, Box<dyn Error>> {
    let (user, address) = host.split_once('@').ok_or("USER@ADDRESS, please")?;
    let (address, port) = match address.rsplit_once(':') {
        Some((address, port)) => (address, port.parse()?),
        None => (address, 22),
    };
    Ok(SshTarget {
        port,
        ..SshTarget::new(user, address)
    })
}
