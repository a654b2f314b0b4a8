//! Puts together what was asked for, and does it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use release_core::boot::{Boot, Orders};
use release_core::{
    BootConfig, BootError, BootSettings, ConfigError, KeyError, KeySource, OnFailure, PublicKey,
};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::time::{Instant, sleep, timeout_at};

use crate::args::{Args, ArgsError, HELP, Verb};
use crate::drive::Driver;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::home::{self, Home};
use crate::net::Net;
use crate::pointer::Reader;
use crate::screen::Screen;
use crate::trouble::Chain;

/// The configuration, where none is named: it may be missing.
const CONFIG: &str = "/etc/release/boot.toml";
/// The longest file that is read: a configuration, a key, or certificates.
const MOST: u64 = 4 << 20;

/// What was asked for can't be done at all.
#[derive(Debug, thiserror::Error)]
enum Misuse {
    #[error(transparent)]
    Args(#[from] ArgsError),
    #[error("{}", .path.display())]
    Config { path: PathBuf, source: ConfigError },
    #[error("the kernel's command line: {0}")]
    KernelLine(BootError),
    #[error("{0}")]
    Incomplete(BootError),
    #[error("{} can't be read", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}", .path.display())]
    Key { path: PathBuf, source: KeyError },
    #[error("this machine can't do it")]
    Machine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Does what was typed.
pub(crate) fn run(typed: impl Iterator<Item = OsString>, environment: Environment) -> Exit {
    match begin(typed, &environment) {
        Ok(exit) => exit,
        Err(misuse) => {
            let _ = writeln!(io::stderr(), "release-boot: {}", Chain(&misuse));
            Exit::Usage
        }
    }
}

fn begin(typed: impl Iterator<Item = OsString>, environment: &Environment) -> Result<Exit, Misuse> {
    let args = Args::parse(typed, &environment.directory)?;
    match args.verb {
        Verb::Help => Ok(print(HELP)),
        Verb::Version => Ok(print(concat!(
            "release-boot ",
            env!("CARGO_PKG_VERSION"),
            "\n"
        ))),
        Verb::Verify => verify(&settings(args, environment)?.without_pointer()),
        Verb::Boot | Verb::Reconcile => {
            let config = settings(args, environment)?.resolve();
            boot(&config.map_err(Misuse::Incomplete)?, environment)
        }
    }
}

fn print(text: &str) -> Exit {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Ready,
        Err(_) => Exit::Failed,
    }
}

/// What was typed, over the kernel's command line, over the file.
fn settings(args: Args, environment: &Environment) -> Result<BootSettings, Misuse> {
    let line = BootSettings::parse_kernel_line(&environment.kernel_line);
    let line = line.map_err(Misuse::KernelLine)?;
    let path = args.config.as_deref().unwrap_or(Path::new(CONFIG));
    let file = match read(path) {
        Ok(text) => BootSettings::parse(&String::from_utf8_lossy(&text)).map_err(|source| {
            Misuse::Config {
                path: path.to_owned(),
                source,
            }
        })?,
        Err(Misuse::File { source, .. })
            if args.config.is_none() && source.kind() == io::ErrorKind::NotFound =>
        {
            BootSettings::default()
        }
        Err(misuse) => return Err(misuse),
    };
    Ok(args.settings.over(line).over(file))
}

fn read(path: &Path) -> Result<Vec<u8>, Misuse> {
    let read = || {
        if fs::metadata(path)?.len() > MOST {
            return Err(io::Error::other("it is too long"));
        }
        fs::read(path)
    };
    read().map_err(|source| Misuse::File {
        path: path.to_owned(),
        source,
    })
}

fn public_key(source: &KeySource) -> Result<PublicKey, Misuse> {
    match source {
        KeySource::Key(key) => Ok(key.clone()),
        KeySource::File(path) => {
            let text = read(path)?;
            let key = String::from_utf8_lossy(&text).parse();
            key.map_err(|source| Misuse::Key {
                path: path.clone(),
                source,
            })
        }
    }
}

fn machine<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> Misuse {
    Misuse::Machine(error.into())
}

/// One thread, for all that waits.
fn runtime() -> Result<tokio::runtime::Runtime, Misuse> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(machine)
}

/// Waits until the kernel has random numbers. This call makes a young kernel gather them, within a second or two;
/// what libraries of a static program do instead, which is to wait for `/dev/random`, may wait for ever.
fn gather_entropy() {
    let mut byte = [0; 1];
    // A kernel that doesn't know the call has another way, or fails later and in words.
    let _ = rustix::rand::getrandom(&mut byte, rustix::rand::GetRandomFlags::empty());
}

fn boot(config: &BootConfig, environment: &Environment) -> Result<Exit, Misuse> {
    gather_entropy();
    let key = config.public_key.as_ref().map(public_key).transpose()?;
    let authorities = config.authorities.as_deref().map(read).transpose()?;
    let mut screen = Screen::new(config.json);
    let deadline = deadline(&screen, config.deadline);
    runtime()?.block_on(async {
        let lock = timeout_at(deadline, turn(&config.root)).await;
        let _turn = match lock {
            Ok(lock) => lock?,
            Err(_) => {
                let why = "the deadline passed: another release-boot is at work".to_owned();
                return Ok(homeless(config, &mut screen, (Exit::Late, why)));
            }
        };
        let net = Net::new(authorities).map_err(machine)?;
        let places = config.pointers.clone();
        let reader = Reader::new(net.client.clone(), places, key, config.allow_unsigned);
        let found = home::find(config, environment, &net, &mut screen);
        let failure = match timeout_at(deadline, found).await {
            Ok(Ok(home)) => return Ok(at_home(config, home, &reader, &mut screen, deadline).await),
            Ok(Err(error)) => (Exit::Failed, Chain(&error).to_string()),
            Err(_) => (
                Exit::Late,
                "the deadline passed: ask who this is".to_owned(),
            ),
        };
        Ok(homeless(config, &mut screen, failure))
    })
}

/// Waits for its turn: one at a time for each root. The lock is on the directory itself, which is there even where
/// nothing can be written, and ends with the process.
async fn turn(root: &Path) -> Result<fs::File, Misuse> {
    let open = |source: io::Error| Misuse::File {
        path: root.to_owned(),
        source,
    };
    let directory = fs::File::open(root).map_err(open)?;
    while let Err(error) = flock(&directory, FlockOperation::NonBlockingLockExclusive) {
        if error != Errno::WOULDBLOCK {
            return Err(open(error.into()));
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(directory)
}

/// It ended before it began.
fn homeless(config: &BootConfig, screen: &mut Screen, (exit, why): (Exit, String)) -> Exit {
    let outcome = if exit == Exit::Late { "late" } else { "failed" };
    screen.failed(outcome, &format!("not ready: {why}"));
    match config.on_failure {
        OnFailure::Continue => Exit::Ready,
        OnFailure::Fail | OnFailure::Abandon => exit,
    }
}

/// Far away rather than never.
fn deadline(screen: &Screen, longest: Duration) -> Instant {
    let began = Instant::from_std(screen.began());
    let a_day = Duration::from_secs(86_400);
    began.checked_add(longest).unwrap_or(began + a_day)
}

async fn at_home(
    config: &BootConfig,
    mut home: Home,
    reader: &Reader,
    screen: &mut Screen,
    deadline: Instant,
) -> Exit {
    screen.note(&format!(
        "{} in {}",
        home.identity.instance, home.identity.zone
    ));
    if home.destiny.as_deref() == Some("Terminated") {
        let why = "the instance is to be ended, so nothing is made for it".to_owned();
        return homeless(config, screen, (Exit::Failed, why));
    }
    let boot = Boot::new(Orders::from(config), home.identity.clone());
    let mut driver = Driver {
        cloud: &*home.cloud,
        machine: &mut *home.machine,
        reader,
        screen,
        instance: home.identity.instance,
        interval: config.interval,
    };
    let outcome = driver.run(boot, deadline).await;
    screen.ended(&outcome.ended, outcome.trouble.as_ref());
    let exit = Exit::of(&outcome.ended, config.on_failure);
    if exit == Exit::Ready && !matches!(outcome.ended, release_core::boot::Ended::Ready(_)) {
        screen.note("going on without the release, as `on_failure` says");
    }
    exit
}

/// Hashes what is mounted.
fn verify(config: &BootConfig) -> Result<Exit, Misuse> {
    let mut screen = Screen::new(config.json);
    let proved = home::machine(config).map_err(machine)?.prove();
    Ok(match proved {
        Ok(Some(proved)) => {
            screen.verified(&proved);
            Exit::Ready
        }
        Ok(None) => {
            screen.failed("failed", "nothing is mounted where the release belongs");
            Exit::Failed
        }
        Err(trouble) if trouble.fault == release_core::boot::Fault::Refused => {
            screen.failed(
                "refused",
                &format!("refused for safety: {}", Chain(&*trouble.cause)),
            );
            Exit::Refused
        }
        Err(trouble) => {
            screen.failed("failed", &Chain(&*trouble.cause).to_string());
            Exit::Failed
        }
    })
}
