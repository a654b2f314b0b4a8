//! Calls over HTTPS: whom the adapter believes.

use std::error::Error;
use std::io::Read;
use std::process::{Child, Command, Stdio};

use release_core::cloud::aws::Trust;
use release_core::cloud::{Cloud, CloudError, CloudFault};

use crate::region::Region;

/// A server whose certificate is signed by an authority that nobody else knows.
struct Server {
    process: Child,
    port: u16,
    authority: String,
}

impl Server {
    fn start() -> Self {
        let this = std::env::current_exe().unwrap();
        // A test is in target/PROFILE/deps, and `./dev` keeps a Python environment in target.
        let python = this.ancestors().nth(3).unwrap().join("python/bin/python");
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(&python)
            .args(["-c", include_str!("tls.py")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut output = process.stdout.take().unwrap();
        output.read_to_string(&mut said).unwrap();
        let (port, authority) = said
            .split_once('\n')
            .expect("`./dev ec2` makes what it needs");
        Self {
            process,
            port: port.parse().unwrap(),
            authority: authority.to_owned(),
        }
    }

    fn identity(&self, trust: Trust, host: &str) -> Result<String, CloudError> {
        let region = Region::with(|options| {
            options.endpoint = Some(format!("https://{host}:{}", self.port));
            options.trust = trust;
            options.limits.attempts = 1;
        });
        let identity = region.run(region.cloud.identity())?;
        Ok(identity.account.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn causes(error: &CloudError) -> String {
    let mut text = String::new();
    let mut cause = error.source();
    while let Some(one) = cause {
        text += &format!("{one}; ");
        cause = one.source();
    }
    text
}

#[test]
fn only_authorities_that_were_given_are_believed() {
    let server = Server::start();
    let ours = Trust::of_pem(server.authority.as_bytes()).unwrap();
    let account = server.identity(ours.clone(), "127.0.0.1").unwrap();
    assert_eq!(account, "123456789012");
    let both = Trust::web().and(&ours);
    assert!(server.identity(both, "127.0.0.1").is_ok());
    for (trust, host, why) in [
        (Trust::web(), "127.0.0.1", "UnknownIssuer"),
        (ours, "localhost", "NotValidForName"),
    ] {
        let error = server.identity(trust, host).unwrap_err();
        assert_eq!(error.fault, CloudFault::Lost, "{error}");
        let causes = causes(&error);
        assert!(
            causes.contains(why) || causes.contains("not valid for name"),
            "{causes}"
        );
    }
}
