#!/bin/sh
# Serves /app. What tools leave behind is hidden; names with a hash in them, which bundlers make, may be kept by browsers for a year.
set -eu
cat > /tmp/nginx.conf <<CONF
pid /tmp/nginx.pid;
worker_processes 1;
error_log stderr warn;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    server_tokens off;
    sendfile on;
    tcp_nopush on;
    gzip on;
    gzip_vary on;
    gzip_types text/css text/plain text/xml application/javascript application/json application/xml image/svg+xml;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {
        listen ${PORT:-8080};
        root /app;
        add_header X-Content-Type-Options nosniff always;
        location ~ /\.(?!well-known/) { return 404; }
        location ~ "/assets/.*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$" {
            add_header X-Content-Type-Options nosniff always;
            add_header Cache-Control "public, max-age=31536000, immutable";
            try_files \$uri =404;
        }
        location / { try_files \$uri \$uri.html \$uri/index.html ${FALLBACK:-=404}; }
    }
}
CONF
exec /usr/sbin/nginx -e stderr -c /tmp/nginx.conf -g 'daemon off;'
