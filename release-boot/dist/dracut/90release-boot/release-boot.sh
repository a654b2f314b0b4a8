#!/bin/sh
# Run by dracut's pre-pivot hook: the new root is at $NEWROOT.

command -v getarg >/dev/null || . /lib/dracut-lib.sh

# A root that is mounted read-only takes no mount point and no memory, so it is made writable meanwhile.
read_only=
while read -r _ point _ options _; do
    [ "$point" != "$NEWROOT" ] || case ,$options, in *,ro,*) read_only=yes ;; *) read_only= ;; esac
done </proc/mounts
[ -z "$read_only" ] || mount -o remount,rw "$NEWROOT"

/usr/local/sbin/release-boot --root "$NEWROOT"
code=$?

[ -z "$read_only" ] || mount -o remount,ro "$NEWROOT"

# As `on_failure` in boot.toml says: `continue` ends with 0.
if [ "$code" -ne 0 ]; then
    warn "release-boot ended with $code: the machine does not start without its release"
    # dracut itself heeds these only where it has no shell to offer, and not in all of its ways.
    case $(getarg rd.emergency=) in
    reboot) echo b >/proc/sysrq-trigger ;;
    poweroff) echo o >/proc/sysrq-trigger && sleep 60 ;;
    esac
    die "no release ($code)"
fi
