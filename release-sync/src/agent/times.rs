//! Whether the file system of a destination can hold a release's times. Where it can't, the release would be
//! committed, and never proven.

use std::io;

use release_core::{Entry, Manifest, Timestamp};

use super::fault::Failure;
use crate::plan::Plan;
use crate::store::Stage;
use crate::wire::FaultKind;

/// Steps of time that file systems go by, in nanoseconds.
const GRAINS: [u32; 5] = [1_000_000_000, 10_000_000, 1_000_000, 1_000, 100];

/// Tries the times of what a plan makes or changes: the finest, the first and the last of them.
pub(super) fn check(stage: &Stage, manifest: &Manifest, plan: &Plan) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::io(FaultKind::Destination, "trying its times", &error);
    for entry in hardest(manifest, plan).into_iter().flatten() {
        let wanted = entry.meta.mtime;
        let kept = stage.try_time(wanted).map_err(failed)?;
        if kept != wanted {
            // The path comes last: it may be so long that the end is cut off.
            let reason = format!(
                "its file system can't hold the release's times: ext4 with inodes of 128 bytes, for one, knows only \
                 whole seconds, and none after 2038. Please make it anew (mkfs.ext4 -I 256), or use another file \
                 system. Now {} becomes {}, at `{}`",
                decimal(wanted),
                decimal(kept),
                entry.path
            );
            return Err(Failure::new(FaultKind::Destination, reason));
        }
    }
    Ok(())
}

fn hardest<'m>(manifest: &'m Manifest, plan: &Plan) -> [Option<&'m Entry>; 3] {
    let steps = plan.steps.iter();
    let entries = steps.map(|step| &manifest.entries()[step.entry as usize]);
    let fineness = |entry: &&Entry| {
        let nanos = entry.meta.mtime.nanos;
        GRAINS
            .iter()
            .filter(|&&grain| !nanos.is_multiple_of(grain))
            .count()
    };
    let mtime = |entry: &&Entry| entry.meta.mtime;
    [
        entries.clone().max_by_key(fineness),
        entries.clone().min_by_key(mtime),
        entries.max_by_key(mtime),
    ]
}

/// Seconds since 1970.
fn decimal(time: Timestamp) -> String {
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    format!(
        "{sign}{}.{:09}",
        nanos / 1_000_000_000,
        nanos % 1_000_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_seconds() {
        let told = |seconds, nanos| decimal(Timestamp { seconds, nanos });
        assert_eq!(told(1_700_000_000, 5), "1700000000.000000005");
        assert_eq!(told(-1, 0), "-1.000000000");
        assert_eq!(told(-1, 250_000_000), "-0.750000000");
    }
}
