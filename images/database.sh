#!/bin/bash
# Starts one database with one user, from DATABASE, USERNAME and PASSWORD; its files live in /data as long as the pod.
set -eu
export HOME=/tmp
if ! whoami >/dev/null 2>&1; then
    echo "database:x:$(id -u):$(id -g)::/tmp:/bin/bash" > /tmp/passwd
    export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/etc/group
fi
case "$1" in
mariadb)
    mariadb-install-db --no-defaults --datadir=/data/files --auth-root-authentication-method=normal --skip-test-db > /dev/null
    cat > /tmp/init.sql <<SQL
CREATE DATABASE \`$DATABASE\`;
CREATE USER '$USERNAME'@'%' IDENTIFIED BY '$PASSWORD';
GRANT ALL ON *.* TO '$USERNAME'@'%';
SQL
    exec mariadbd --no-defaults --datadir=/data/files --socket=/tmp/s.sock --bind-address=0.0.0.0 --init-file=/tmp/init.sql --max-allowed-packet=64M
    ;;
postgresql)
    programs=/usr/lib/postgresql/15/bin
    echo "$PASSWORD" > /tmp/password
    "$programs/initdb" -D /data/files -U "$USERNAME" --pwfile=/tmp/password -A scram-sha-256 -E UTF8 --locale=C.UTF-8 > /dev/null
    echo "host all all all scram-sha-256" >> /data/files/pg_hba.conf
    echo "CREATE DATABASE \"$DATABASE\"" | "$programs/postgres" --single -D /data/files postgres > /dev/null
    exec "$programs/postgres" -D /data/files -c "listen_addresses=*" -c unix_socket_directories=/tmp
    ;;
*)
    echo "mariadb or postgresql, not $1" >&2
    exit 2
    ;;
esac
