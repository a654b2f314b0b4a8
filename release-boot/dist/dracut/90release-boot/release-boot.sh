#!/bin/sh
# Run by dracut's pre-pivot hook: the new root is at $NEWROOT.

command -v info >/dev/null || . /lib/dracut-lib.sh

# A root that is mounted read-only takes no mount point and no memory, so it is made writable if it can be.
# What it was, it becomes again: the system does that by its own fstab.
mount -o remount,rw "$NEWROOT" 2>/dev/null || :

/usr/local/sbin/release-boot --root "$NEWROOT"
code=$?
if [ "$code" -ne 0 ]; then
    warn "release-boot ended with $code: the machine does not start without its release"
    # As `on_failure` in boot.toml says; `continue` ends with 0.
    die "no release ($code)"
fi
