#!/bin/bash
# A stand-in for the public images of MariaDB and PostgreSQL, on a node that pulls none: the same variables and folders, one database and one user,
# who may do in it what the public images let them.
set -eu
export HOME=/tmp
if ! whoami >/dev/null 2>&1; then
    echo "database:x:$(id -u):$(id -g)::/tmp:/bin/bash" > /tmp/passwd
    export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=/tmp/passwd NSS_WRAPPER_GROUP=/etc/group
fi
if [ -n "${MARIADB_DATABASE:-}" ]; then
    files=/var/lib/mysql
    mariadb-install-db --no-defaults --datadir=$files --auth-root-authentication-method=normal --skip-test-db > /dev/null
    cat > /tmp/init.sql <<SQL
CREATE DATABASE \`$MARIADB_DATABASE\`;
CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY '$MARIADB_PASSWORD';
GRANT ALL ON \`$MARIADB_DATABASE\`.* TO '$MARIADB_USER'@'%';
SQL
    exec mariadbd --no-defaults --datadir=$files --socket=/tmp/s.sock --bind-address=0.0.0.0 --init-file=/tmp/init.sql
elif [ -n "${POSTGRES_DB:-}" ]; then
    programs=/usr/lib/postgresql/15/bin
    echo "$POSTGRES_PASSWORD" > /tmp/password
    "$programs/initdb" -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=/tmp/password -A scram-sha-256 -E UTF8 --locale=C.UTF-8 > /dev/null
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    echo "CREATE DATABASE \"$POSTGRES_DB\"" | "$programs/postgres" --single -D "$PGDATA" postgres > /dev/null
    exec "$programs/postgres" -D "$PGDATA" -c "listen_addresses=*" -c unix_socket_directories=/tmp
fi
echo "neither MARIADB_DATABASE nor POSTGRES_DB is set" >&2
exit 2
