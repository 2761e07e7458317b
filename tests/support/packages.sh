#!/usr/bin/env bash
# Installs the Debian packages that a verb of the Makefile needs, where their programs are missing.
set -eu
case "${1:-}" in
  servers) programs=(mariadbd pg_ctl_15 mariadb_config pkg-config gcc mmdebstrap npm) packages=(mariadb-server postgresql-15 libmariadb-dev pkg-config gcc mmdebstrap) ;;
  browser) programs=(chromium chromedriver) packages=(chromium chromium-driver) ;;
  *) echo "usage: $0 servers|browser" >&2; exit 2 ;;
esac
missing=0
for program in "${programs[@]}"; do
  case "$program" in
    pg_ctl_15) [ -x /usr/lib/postgresql/15/bin/pg_ctl ] || missing=1 ;;
    *) PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || missing=1 ;;
  esac
done
[ "$missing" = 1 ] || exit 0
[ "$1" != servers ] || command -v npm >/dev/null || packages+=(npm)
if [ "$(id -u)" != 0 ]; then
  echo "These packages are missing; install them and run again: ${packages[*]}" >&2
  exit 1
fi
echo "installing ${packages[*]} (a minute or two)"
export DEBIAN_FRONTEND=noninteractive
# The tests start servers of their own; a cluster or service that the package would set up is in their way.
mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.d/landfall.conf
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
