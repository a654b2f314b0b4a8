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
    # What EC2's instances have for a network card, and what virtual machines have.
    hostonly='' instmods ena ixgbevf virtio_net xen-netfront
}

install() {
    inst /usr/local/sbin/release-boot
    inst_multiple -o /etc/release/boot.toml /etc/release/release.pub /etc/release/authorities.pem
    # After the root is mounted at $NEWROOT, and before it is switched to.
    inst_hook pre-pivot 50 "$moddir/release-boot.sh"
    # Without this, a network is only brought up where the root needs one.
    mkdir -p "$initdir/etc/cmdline.d"
    echo "rd.neednet=1" >"$initdir/etc/cmdline.d/50-release-boot.conf"
    # systemd's brings none up that nothing is said about, but by `ip=` on the kernel's command line. This is read
    # after what that makes of it.
    if dracut_module_included systemd-networkd; then
        mkdir -p "$initdir/etc/systemd/network"
        inst_simple "$moddir/release-boot.network" /etc/systemd/network/99-release-boot.network
    fi
}
