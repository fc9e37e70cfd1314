#!/bin/sh
# Puts Hradlo on this machine, upgrades it, goes back to the release before, takes it away: `make install`, `make
# rollback`, `make uninstall` as root. Each release is a virtual environment of its own that is never moved:
#
#   /opt/hradlo/releases/VERSION-COMMIT/   program, docs, units      /opt/hradlo/current, previous -> one of them
#   /opt/hradlo/bin -> current/bin                                   /usr/local/sbin/hradlo -> /opt/hradlo/bin/hradlo
#
# A new release is built and tried while the old one runs; what fails until then changes nothing. The services stand
# still only while the database is brought up to date and the links change. The network stays as it is all along.
set -eu

HOME_DIRECTORY=/opt/hradlo
CONFIG=/etc/hradlo/hradlo.toml
BACKUPS=/var/lib/hradlo/backups
UNITS="hradlo.service hradlo-web.service hradlo-web.socket hradlo-portal.socket hradlo-exchange.socket
    hradlo-bill.service hradlo-bill.timer hradlo-backup.service hradlo-backup.timer"
SERVICES="hradlo.service hradlo-web.service"
PYTHON=${PYTHON:-/usr/bin/python3}

say() { echo "hradlo: $*"; }
fail() { echo "hradlo: $*" >&2; exit 1; }

require_root() {
    [ "$(id -u)" -eq 0 ] || fail "this needs root: sudo make $1"
}

require_python() {
    case $(readlink -f "$PYTHON" 2> /dev/null) in
        "") fail "there is no $PYTHON: apt-get install python3 python3-venv" ;;
        /root/* | /home*) fail "$PYTHON lives where the services can't look: use Debian's, PYTHON=/usr/bin/python3" ;;
    esac
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Hradlo needs Python 3.11 or newer"
}

is_systemd_running() { [ -d /run/systemd/system ]; }

running_services() {
    ! is_systemd_running || for unit in $SERVICES; do
        ! systemctl --quiet is-active "$unit" || echo "$unit"
    done
}

install_packages() {
    command -v apt-get > /dev/null || return 0
    missing=$(for name in python3-venv nftables iproute2 conntrack; do
        dpkg-query --show --showformat='${Status}' "$name" 2> /dev/null | grep -q 'ok installed' || echo "$name"
    done)
    [ -n "$missing" ] || return 0
    say "installing" $missing
    apt-get update --quiet=2 < /dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends $missing < /dev/null
}

release_name() {
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
    commit=$(git -c safe.directory='*' rev-parse --short HEAD 2> /dev/null || date -u +%Y%m%d%H%M%S)
    [ -z "$(git -c safe.directory='*' status --porcelain 2> /dev/null)" ] || commit=$commit-$(date -u +%Y%m%d%H%M%S)
    echo "$version-$commit"
}

build() {
    release=$1
    [ ! -e "$release/.complete" ] || { say "$release is built already"; return 0; }
    say "building $release (some minutes; nothing changes meanwhile)"
    rm -rf "$release"
    mkdir -p "$HOME_DIRECTORY/releases"
    source=$(mktemp -d)
    trap 'rm -rf "$source"' EXIT
    cp -r pyproject.toml README.md LICENSE config billing enforcement portal daemon "$source"
    "$PYTHON" -m venv "$release"
    "$release/bin/pip" install --quiet --no-input --disable-pip-version-check --constraint requirements.lock "$source"
    mkdir -p "$release/share/hradlo"
    cp -r docs systemd "$release/share/hradlo/"
    "$release/bin/hradlo" --version
    touch "$release/.complete"
}

put_units() {
    share=$1/share/hradlo/systemd
    install -D -m 644 "$share/sysusers.d/hradlo.conf" /etc/sysusers.d/hradlo.conf
    install -D -m 644 "$share/tmpfiles.d/hradlo.conf" /etc/tmpfiles.d/hradlo.conf
    install -D -m 644 "$share/modules-load.d/hradlo.conf" /etc/modules-load.d/hradlo.conf
    for unit in $UNITS; do
        [ ! -e "$share/$unit" ] || install -D -m 644 "$share/$unit" "/etc/systemd/system/$unit"
    done
    systemd-sysusers hradlo.conf
    systemd-tmpfiles --create hradlo.conf
    ! is_systemd_running || { systemctl daemon-reload; systemctl restart systemd-modules-load || true; }
}

# One rename, so that there is no moment without a program.
point() {
    ln -sfn "$2" "$1.new"
    mv -T "$1.new" "$1"
}

switch_to() {
    release=$1
    was=$(readlink "$HOME_DIRECTORY/current" || true)
    [ -z "$was" ] || [ "$was" = "$release" ] || point "$HOME_DIRECTORY/previous" "$was"
    point "$HOME_DIRECTORY/current" "$release"
    point "$HOME_DIRECTORY/bin" current/bin
    point "$HOME_DIRECTORY/docs" current/share/hradlo/docs
    mkdir -p /usr/local/sbin
    point /usr/local/sbin/hradlo "$HOME_DIRECTORY/bin/hradlo"
    put_units "$release"
}

forget_older_releases() {
    for release in "$HOME_DIRECTORY"/releases/*; do
        case $release in
            "$(readlink "$HOME_DIRECTORY/current")" | "$(readlink "$HOME_DIRECTORY/previous" || true)") ;;
            *) rm -rf "$release" ;;
        esac
    done
}

start() {
    [ -z "$1" ] || systemctl start $1 || fail "a service did not start: see journalctl -u hradlo -u hradlo-web; make rollback goes back"
}

install_hradlo() {
    require_root install
    require_python
    install_packages
    release=$HOME_DIRECTORY/releases/$(release_name)
    build "$release"
    if [ ! -e "$CONFIG" ]; then
        switch_to "$release"
        forget_older_releases
        say "installed. Next: hradlo init --help, then step 3 of docs/install.md in $HOME_DIRECTORY/docs"
        return 0
    fi
    "$release/bin/hradlo" check-config || fail "nothing was changed: mend $CONFIG for this release first"
    mkdir -p "$BACKUPS" && chmod 700 "$BACKUPS"
    services=$(running_services)
    [ -z "$services" ] || systemctl stop $services
    backup=$BACKUPS/before-$(basename "$release")-$(date -u +%Y%m%d%H%M%S)
    if ! "$(readlink -f "$HOME_DIRECTORY/bin")/hradlo" backup "$backup" || ! "$release/bin/hradlo" upgrade; then
        start "$services"
        fail "nothing was changed; the release of before runs on"
    fi
    switch_to "$release"
    forget_older_releases
    start "$services"
    say "upgraded to $(basename "$release"); the database of before is $backup; make rollback goes back"
}

rollback() {
    require_root rollback
    previous=$(readlink "$HOME_DIRECTORY/previous" || true)
    [ -n "$previous" ] || fail "there is no release before this one"
    if [ -e "$CONFIG" ] && ! "$previous/bin/hradlo" status > /dev/null; then
        fail "nothing was changed. The newest of these is the database of before: $(ls -t "$BACKUPS" 2> /dev/null | head -n 3 | tr '\n' ' ')in $BACKUPS;" \
            "docs/install.md, step 10, says how to restore it. What was paid since must then be imported again."
    fi
    services=$(running_services)
    [ -z "$services" ] || systemctl stop $services
    switch_to "$previous"
    start "$services"
    say "$(basename "$previous") runs again"
}

uninstall() {
    require_root uninstall
    if is_systemd_running; then
        systemctl disable --now $UNITS 2> /dev/null || true
    fi
    for table in hradlo hradlo_usage; do
        ! nft list table inet "$table" > /dev/null 2>&1 || nft delete table inet "$table"
    done
    for unit in $UNITS; do rm -f "/etc/systemd/system/$unit"; done
    rm -f /etc/sysusers.d/hradlo.conf /etc/tmpfiles.d/hradlo.conf /etc/modules-load.d/hradlo.conf /usr/local/sbin/hradlo
    rm -rf "$HOME_DIRECTORY"
    ! is_systemd_running || systemctl daemon-reload
    say "removed; every line is open. Kept: /etc/hradlo (settings, secrets), /var/lib/hradlo (ledger, evidence), the users."
}

cd "$(dirname "$0")/.."
case ${1:-} in
    install) install_hradlo ;;
    rollback) rollback ;;
    uninstall) uninstall ;;
    *) fail "usage: $0 install|rollback|uninstall" ;;
esac
