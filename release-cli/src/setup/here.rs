//! Which instance this machine is.

use std::fs;
use std::path::Path;

use release_core::InstanceId;

/// Where cloud-init writes it down.
const CLOUD_INIT: &str = "/var/lib/cloud/data/instance-id";

/// What the machine says of itself: by the tag that EC2 gives its board, else by what cloud-init found out.
/// `None` on a machine that is no instance, or doesn't say.
pub(super) fn instance(sys: &Path) -> Option<InstanceId> {
    let board = sys.join("class/dmi/id/board_asset_tag");
    let read = |path: &Path| {
        let text = fs::read_to_string(path).ok()?;
        text.trim().parse().ok()
    };
    read(&board).or_else(|| read(Path::new(CLOUD_INIT)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_board_has_a_tag() {
        let sys = tempfile::tempdir().unwrap();
        let board = sys.path().join("class/dmi/id");
        fs::create_dir_all(&board).unwrap();
        fs::write(board.join("board_asset_tag"), "i-0123456789abcdef0\n").unwrap();
        let id: InstanceId = "i-0123456789abcdef0".parse().unwrap();
        assert_eq!(instance(sys.path()), Some(id));
        fs::write(board.join("board_asset_tag"), "Not Specified\n").unwrap();
        if !Path::new(CLOUD_INIT).exists() {
            assert_eq!(instance(sys.path()), None);
        }
    }
}
