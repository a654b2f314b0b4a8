//! What a machine has to be before anything is booted in it.

use std::net::Ipv4Addr;

use super::*;
use crate::http::{Answer, Reply, Server};
use crate::loopback;
use crate::volumes::{Content, Volumes};

const SCRIPT: &str = r#"
until [ -e /sys/block/nvme0n1/device/serial ]; do sleep 0.1; done
echo "SERIAL $(cat /sys/block/nvme0n1/device/serial)."
mkdir /mnt && mount -t ext4 /dev/nvme0n1 /mnt && echo "FOUND $(ls /mnt)."
nslookup release.internal 169.254.169.253 | grep -q 10.0.2.2 && echo "NAME known."
nslookup other.internal 169.254.169.253 | grep -q NXDOMAIN && echo "OTHER unknown."
echo "WEB $(wget -q -O - http://10.0.2.2:$PORT/)."
"#;

#[test]
fn a_machine_has_disks_names_and_what_listens_on_loopback() {
    let volumes = Volumes::new();
    volumes.create("vol-0123456789abcdef0", 64 << 20, Content::Ext4);
    let server = Server::start(loopback::listener(13), |_| {
        Reply::Answer(Answer::new(200, "text/plain", "hello"))
    });
    let relay = Relay::to(&format!("http://{}", server.address()));
    let _names = Names::serve("release.internal", Ipv4Addr::new(10, 0, 2, 2));
    let image = Image::new(&format!("PORT={}\n{SCRIPT}", relay.port()));
    let machine = Qemu::start(&image.pack(), "");
    let view = volumes.machine("i-1");
    view.set_slots(Some(machine.slots()));
    volumes.attach("vol-0123456789abcdef0", &view);
    let (console, _) = machine.wait(Duration::from_secs(60));
    for words in [
        "SERIAL vol0123456789abcdef0.",
        "FOUND lost+found.",
        "NAME known.",
        "OTHER unknown.",
        "WEB hello.",
    ] {
        assert!(console.contains(words), "{words}:\n{console}");
    }
}
