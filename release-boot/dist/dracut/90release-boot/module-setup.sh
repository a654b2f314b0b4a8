#!/bin/bash
# dracut module: release-boot before the root is switched to. Opt-in: dracut --add release-boot, or
# add_dracutmodules+=" release-boot " in /etc/dracut.conf.d.

check() {
    # Not by itself: 255 is "only if asked for".
    require_binaries /usr/local/sbin/release-boot || return 1
    return 255
}

depends() {
    # A network, by whichever of its ways dracut has one.
    echo network
}

installkernel() {
    hostonly='' instmods nvme xen-blkfront ext4 xfs btrfs
}

install() {
    inst /usr/local/sbin/release-boot
    inst_multiple -o /etc/release/boot.toml /etc/release/release.pub /etc/release/authorities.pem
    # After the root is mounted at $NEWROOT, and before it is switched to.
    inst_hook pre-pivot 50 "$moddir/release-boot.sh"
    # Without this, a network is only brought up where the root needs one.
    inst_hook cmdline 99 "$moddir/need-network.sh"
}
