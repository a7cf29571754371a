#!/usr/bin/env bash
# Makes a Debian package of a built `sotto`: packaging/deb/build.sh target/release/sotto DIRECTORY
# The same binary and SOURCE_DATE_EPOCH give the same package.
set -euo pipefail
# What is in the package is for all who use the machine, whatever the builder's own files are.
umask 022

need() { command -v "$1" >/dev/null || { echo "build.sh: $1 is missing: apt-get install $2" >&2; exit 1; }; }
need dpkg-deb dpkg
need objcopy binutils
[ $# = 2 ] || { echo "usage: packaging/deb/build.sh BINARY DIRECTORY" >&2; exit 2; }
binary=$(realpath "$1") into=$(realpath -m "$2")
cd "$(dirname "$0")/../.."

version=$("$binary" --version | cut -d' ' -f2)
architecture=$(dpkg --print-architecture)
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree="$work/tree"

# The symbols' lines stay in the build; the package carries the program alone.
install -d "$tree/usr/bin"
objcopy --strip-debug "$binary" "$tree/usr/bin/sotto"
chmod 755 "$tree/usr/bin/sotto"
install -Dm644 packaging/sotto.service "$tree/usr/lib/systemd/system/sotto.service"
install -Dm644 packaging/deb/sysusers.conf "$tree/usr/lib/sysusers.d/sotto.conf"
install -Dm644 -t "$tree/usr/share/doc/sotto" README.md SECURITY.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT
install -Dm644 -t "$tree/usr/share/sotto/prometheus" packaging/prometheus/sottovoce.rules.yml
# What the pages name is where they say.
pages="docs/operator docs/user docs/auditor docs/spec docs/adr samples/banks samples/contracts packaging/prometheus packaging/sotto.service"
# shellcheck disable=SC2086
cp -r --parents $pages "$tree/usr/share/doc/sotto/"
chmod -R u=rwX,go=rX "$tree/usr/share/doc"
# Scripts among the samples are read here, and run from where the sources are.
find "$tree/usr/share/doc" -type f -exec chmod 644 {} +
install -m644 packaging/deb/copyright "$tree/usr/share/doc/sotto/copyright"
"$binary" man --quiet "$work/man" >/dev/null
install -d "$tree/usr/share/man/man1"
for page in "$work"/man/*.1; do
  gzip -9n <"$page" >"$tree/usr/share/man/man1/$(basename "$page").gz"
done
# Keys and passphrases are not for everyone.
install -dm700 "$tree/etc/sotto"

# The oldest C library that has all that the program asks for.
libc=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | cut -d_ -f2 | sort -uV | tail -1)
install -d "$tree/DEBIAN"
size=$(du -sk --exclude=DEBIAN "$tree" | cut -f1)
cat >"$tree/DEBIAN/control" <<END
Package: sotto
Version: $version
Architecture: $architecture
Maintainer: the Sottovoce maintainers <maintainers@localhost>
Installed-Size: $size
Depends: libc6 (>= $libc), libgcc-s1, passwd
Recommends: systemd (>= 250)
Section: net
Priority: optional
Description: contracts over data that each organisation keeps to itself
 A member's node and the command sotto: sealed data, policy contracts, joint
 computation, a ledger kept by its members, and receipts that anyone can check
 offline.
END
install -m755 packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm "$tree/DEBIAN/"
find "$tree" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"

mkdir -p "$into"
package="$into/sotto_${version}_${architecture}.deb"
# A third of the time that the next levels take, for a package that is a twentieth larger.
dpkg-deb --root-owner-group -Zxz -z1 --build "$tree" "$package" >/dev/null
echo "$package"
